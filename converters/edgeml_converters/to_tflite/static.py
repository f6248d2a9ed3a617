"""int8-static in TFLite: the float graph is calibrated once and quantized as often as recipes are tried.

    SavedModel --TensorFlow's converter--> float graph with ranges --recipe--> ranges --MLIR quantizer--> file

The quantizer takes some 10 ms for a small network, so that measuring what each operator costs and gains is
cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeml_converters.observation import MEMORY_CAP_BYTES, RANGES, Range, batch_rows, bins_of
from edgeml_converters.recipe import QuantizedOperator, Recipe
from edgeml_converters.to_tflite import canonical
from edgeml_runtime.errors import CalibrationError, ConversionError
from edgeml_runtime.signature import Array


@dataclass(slots=True)
class CalibratedGraph:
    """A float32 TFLite file whose tensors carry their smallest and largest value on the rows.

    rows: by the converter's input name, each [n, ...]. `counts` is filled when a recipe first needs it.
    """

    content: bytes
    rows: Mapping[str, Array]
    counts: dict[int, Array] = field(default_factory=dict)

    def quantize(self, recipe: Recipe) -> bytes:
        """The int8 file of a recipe as the MLIR quantizer writes it; raises ConversionError."""
        from tensorflow import int8
        from tensorflow.lite.python.convert import ConverterError, mlir_quantize

        model = canonical.parse(self.content)
        graph = model.subgraphs[0]
        self._set_ranges(graph, recipe)
        names = {name: _tensor_of(graph, op) for name, op in named_operators(model)}
        unknown = [name for name in recipe.in_float if name not in names]
        if unknown:
            known = ", ".join(names)
            raise ConversionError(f"no operator {unknown[0]!r} to keep in float; there are {known}")
        try:
            made = mlir_quantize(
                canonical.pack(model),
                input_data_type=int8,
                output_data_type=int8,
                denylisted_nodes={names[name].name.decode() for name in recipe.in_float},
                disable_per_channel_for_dense_layers=not recipe.per_channel_dense,
            )
        except (ConverterError, ValueError, RuntimeError) as error:
            first = str(error).strip().partition("\n")[0]
            raise ConversionError(f"TFLite int8-static: the quantizer failed: {first}") from error
        return bytes(made)

    def _set_ranges(self, graph: Any, recipe: Recipe) -> None:
        if recipe.calibrator == "min-max":
            return
        seen_on_rows = ranged(graph)
        if not self.counts:
            self.counts.update(_observe(self.content, self.rows, seen_on_rows))
        for index, seen in seen_on_rows.items():
            if index in self.counts:
                kept = RANGES[recipe.calibrator](self.counts[index], seen)
                quantization = graph.tensors[index].quantization
                quantization.min = np.array([kept.low], np.float32)
                quantization.max = np.array([kept.high], np.float32)


def calibrate(
    convert: Callable[[Any], bytes], converter: Any, inputs: Mapping[str, str], rows: Mapping[str, Array]
) -> CalibratedGraph:
    """Let TensorFlow's converter, set up for int8, stop before it quantizes.

    inputs: the converter's name of each input to ours; rows: real values by our names. `convert` runs it and
    translates its errors.
    """
    arrays = {theirs: np.asarray(rows[ours]) for theirs, ours in inputs.items()}
    count = len(next(iter(arrays.values())))
    converter.representative_dataset = lambda: (
        {name: array[row : row + 1] for name, array in arrays.items()} for row in range(count)
    )
    converter._experimental_calibrate_only = True
    return CalibratedGraph(convert(converter), arrays)


def named_operators(model: canonical.Model) -> list[tuple[str, Any]]:
    """The operators of a float graph under the names that recipes know them by: place and kind."""
    operators = model.subgraphs[0].operators or ()
    return [(f"{i} {canonical.operator_name(model, op)}", op) for i, op in enumerate(operators)]


def quantized_operators(calibrated: CalibratedGraph, quantized: bytes) -> tuple[QuantizedOperator, ...]:
    """Which operators of the float graph compute in integers in that file."""
    model, made = canonical.parse(calibrated.content), canonical.parse(quantized)
    int8 = canonical.tensor_type("INT8")
    stored = {
        _tensor_of(made.subgraphs[0], op).name
        for _, op in named_operators(made)
        if canonical.operator_name(made, op) not in canonical.BOUNDARY_OPERATORS
        and _tensor_of(made.subgraphs[0], op).type == int8
    }
    found = []
    for name, operator in named_operators(model):
        tensor = _tensor_of(model.subgraphs[0], operator)
        if tensor.name in stored:
            kind = name.partition(" ")[2]
            layer = tensor.name.decode().partition(";")[0]
            found.append(QuantizedOperator(name, kind, layer, _macs(model, operator, kind)))
    return tuple(found)


def _tensor_of(graph: Any, operator: Any) -> Any:
    return graph.tensors[operator.outputs[0]]


def _macs(model: canonical.Model, operator: Any, kind: str) -> int:
    """Multiply-adds for one row."""
    if kind not in canonical.WEIGHT_INPUTS or len(operator.inputs) < 2:
        return 0
    tensors = model.subgraphs[0].tensors
    weights = [int(size) for size in tensors[operator.inputs[1]].shape]
    outputs = int(np.prod(tensors[operator.outputs[0]].shape[1:], dtype=np.int64))
    if kind == "DEPTHWISE_CONV_2D":
        return outputs * weights[1] * weights[2]
    if kind == "TRANSPOSE_CONV":
        values = int(np.prod(tensors[operator.inputs[2]].shape[1:], dtype=np.int64))
        return values * weights[0] * weights[1] * weights[2]
    return outputs * int(np.prod(weights[1:], dtype=np.int64))


def ranged(graph: Any) -> dict[int, Range]:
    """The range of every tensor that has one."""
    found = {}
    for index, tensor in enumerate(graph.tensors):
        quantization = tensor.quantization
        if quantization is not None and quantization.min is not None and len(quantization.min) == 1:
            found[index] = Range(float(quantization.min[0]), float(quantization.max[0]))
    return found


def _observe(content: bytes, rows: Mapping[str, Array], ranged: Mapping[int, Range]) -> dict[int, Array]:
    """By tensor the counts of its values between the ends of its range."""
    counts: dict[int, Array] = {}
    for values in activations(content, rows, tuple(ranged)):
        for index, array in values.items():
            found = bins_of(array, ranged[index])
            counts[index] = counts[index] + found if index in counts else found
    return counts


def activations(content: bytes, rows: Mapping[str, Array], wanted: tuple[int, ...]) -> Any:
    """Those tensors' values, float32 or as stored, a few rows at a time: as many as the memory cap allows.

    Raises CalibrationError where the activations of a single row are beyond the cap.
    """
    from tensorflow import lite

    interpreter = lite.Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        # A delegate keeps what is inside of it to itself.
        experimental_op_resolver_type=lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    by_name = {detail["name"]: detail for detail in interpreter.get_input_details()}
    details = {name: by_name[f"serving_default_{name}:0"] for name in rows}
    for name, array in rows.items():
        interpreter.resize_tensor_input(details[name]["index"], (1, *array.shape[1:]))
    # Only then its workspaces, such as the patches of a convolution, are tensors as well; weights are too.
    interpreter.allocate_tensors()
    bytes_a_row = 2 * sum(
        int(np.prod(detail["shape"], dtype=np.int64)) * np.dtype(detail["dtype"]).itemsize
        for detail in interpreter.get_tensor_details()
    )
    size = batch_rows(bytes_a_row)
    if size == 0:
        raise CalibrationError(
            f"the activations of one row take {bytes_a_row:,} bytes, calibration holds at most "
            f"{MEMORY_CAP_BYTES:,}; take min-max ranges without equalization and bias correction"
        )
    total = len(next(iter(rows.values())))
    for start in range(0, total, size):
        chosen = {name: array[start : start + size] for name, array in rows.items()}
        for name, array in chosen.items():
            interpreter.resize_tensor_input(details[name]["index"], array.shape)
        interpreter.allocate_tensors()
        for name, array in chosen.items():
            interpreter.set_tensor(details[name]["index"], _stored(array, details[name]))
        interpreter.invoke()
        found = {}
        for index in wanted:
            try:
                found[index] = interpreter.get_tensor(index)
            except ValueError:  # folded away by the interpreter
                continue
        yield found


def _stored(array: Array, detail: Mapping[str, Any]) -> Array:
    """Real values as an input takes them."""
    if detail["dtype"] != np.int8:
        return array.astype(detail["dtype"])
    scale, zero = detail["quantization"]
    stored: Array = np.clip(np.rint(array / np.float32(scale)) + zero, -128, 127).astype(np.int8)
    return stored
