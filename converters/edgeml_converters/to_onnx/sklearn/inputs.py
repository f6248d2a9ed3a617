"""The inputs of a model's graph, as the rules see them: one matrix, a table of columns, or documents."""

from __future__ import annotations

from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Table
from edgeml_runtime.encodings import Categories
from edgeml_runtime.errors import ConversionError
from edgeml_runtime.signature import Signature, TensorSpec


def declare_inputs(emitter: Emitter, signature: Signature) -> str:
    """Tell the emitter what the inputs hold; returns the tensor that the model's first step reads."""
    emitter.reserved = frozenset(spec.name for spec in signature.inputs)
    if signature.columns:
        return _declare_table(emitter, signature)
    spec = signature.inputs[0]
    for part in signature.inputs:
        if part.encoding is not None:
            emitter.documents[spec.name, part.encoding] = part.name
            emitter.tables[part.name] = (_table(part),) * part.encoding.width
    return emitter.declare(spec.name, int(spec.shape[1] or 0))


def _declare_table(emitter: Emitter, signature: Signature) -> str:
    """The columns side by side, and what was made of those that are documents."""
    columns: dict[str, TensorSpec] = {}
    for spec in signature.inputs:
        emitter.declare(spec.name, int(spec.shape[1] or 0))
        if spec.encoding is None or isinstance(spec.encoding, Categories):
            columns[spec.source_name] = spec
            emitter.tables[spec.name] = (_table(spec),)
    names = [spec.name for spec in columns.values()]
    # A column that is only documents, or that no step reads, has another's numbers, which nothing looks at.
    side_by_side = [columns[s].name if s in columns else names[0] for s in signature.columns if names]
    whole = emitter.concat(side_by_side) if names else "table"
    emitter.parts[whole] = tuple(side_by_side)
    for column, source in enumerate(signature.columns):
        for spec in signature.inputs:
            if spec.source_name == source and spec.encoding is not None:
                emitter.documents[document_of(whole, column), spec.encoding] = spec.name
    return whole


def document_of(x: str, column: int) -> str:
    """What stands for a column that a step takes as documents, or labels, of its own."""
    return f"{x}[{column}]"


def document_input(emitter: Emitter, x: str, encoding: object) -> str:
    """The tensor that the runtime made of documents; raises ConversionError where there is none."""
    for (name, known), tensor in emitter.documents.items():
        if name == x and known == encoding:
            return tensor
    raise ConversionError(f"{x} holds numbers, not the documents that this step reads")


def _table(spec: TensorSpec) -> Table:
    return spec.encoding.values if isinstance(spec.encoding, Categories) else None
