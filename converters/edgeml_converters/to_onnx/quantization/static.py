"""int8-static in ONNX: the float graph is calibrated once and quantized as often as recipes are tried."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgeml_converters.model import Artifact
from edgeml_converters.observation import RANGES, Range
from edgeml_converters.onnx_graph import check_interface, constants, parse, serialize, types
from edgeml_converters.onnx_session import open_session
from edgeml_converters.recipe import QuantizedOperator, Recipe, explained
from edgeml_converters.registry import Calibration
from edgeml_converters.to_onnx.quantization import calibration as calibrator
from edgeml_converters.to_onnx.quantization import qdq
from edgeml_converters.to_onnx.quantization.bias import correct_biases
from edgeml_converters.to_onnx.quantization.compact import compact
from edgeml_converters.to_onnx.quantization.coverage import PRODUCTS
from edgeml_converters.to_onnx.quantization.cross_layer import equalized, pairs
from edgeml_converters.to_onnx.quantization.equalize import equalize
from edgeml_converters.to_onnx.quantization.float_operators import conversions, operators_left_in_float
from edgeml_converters.to_onnx.quantization.plan import Plan, plan, weighted_nodes
from edgeml_converters.to_onnx.quantization.simplify import simplify
from edgeml_runtime.errors import ConversionError
from edgeml_runtime.manifest import FloatOperator
from edgeml_runtime.signature import Array


@dataclass(frozen=True)
class OnnxQuantizer:
    """The int8-static artifacts of a float32 one (a `recipe.Quantizer`).

    graph: the simplified ModelProto, its columns equalized. `seen` and `counts` fill as recipes need them.
    """

    original: Artifact
    graph: Any
    rows: Mapping[str, Array]
    seen: dict[str, Range] = field(default_factory=dict)
    counts: dict[str, Array] = field(default_factory=dict)

    @functools.cached_property
    def varies(self) -> frozenset[str]:
        """The fields of a recipe that make a difference here."""
        fields = {"calibrator", "reduced_range", "corrected_bias", "in_float"}
        return frozenset(fields | {"equalized"} if any(pairs(self.graph, self._planned.nodes)) else fields)

    @functools.cached_property
    def _planned(self) -> Plan:
        return plan(self.graph)

    @functools.cached_property
    def _equalized(self) -> OnnxQuantizer:
        made = equalized(self.graph, self._planned.nodes, self.rows)
        return self if made is self.graph else OnnxQuantizer(self.original, made, self.rows)

    @functools.cached_property
    def operators(self) -> tuple[QuantizedOperator, ...]:
        """What the default recipe computes in integers."""
        known, shapes = constants(self.graph.graph), types(self.graph)
        planned = self._planned.nodes
        return tuple(
            QuantizedOperator(name, node.op_type, node.output[0], _macs(node, known, shapes))
            for name, node in self._named().items()
            if node.output[0] in planned
        )

    def artifact(self, recipe: Recipe) -> Artifact:
        """The artifact of a recipe; raises ConversionError, CalibrationError for rows that give no ranges."""
        named = self._named()
        unknown = [name for name in recipe.in_float if name not in named]
        if unknown:
            known = ", ".join(named)
            raise ConversionError(f"no operator {unknown[0]!r} to keep in float; there are {known}")
        made = (self._equalized if recipe.equalized else self)._quantized(recipe)
        return artifact_of(self.original, made, "int8-static", self._left(made, recipe))

    def _left(self, made: Any, recipe: Recipe) -> tuple[FloatOperator, ...]:
        if not recipe.in_float:
            return operators_left_in_float(made)
        before = self._quantized(Recipe())
        plain = (*operators_left_in_float(before), *conversions(before))
        return explained((*operators_left_in_float(made), *conversions(made)), recipe, plain)

    def _quantized(self, recipe: Recipe) -> Any:
        named = self._named()
        planned = plan(self.graph, frozenset(named[name].output[0] for name in recipe.in_float))
        scales = qdq.tensor_scales(self.graph, planned, self._ranges(planned, recipe.calibrator))

        def quantize(graph: Any) -> Any:
            made = type(graph).FromString(graph.SerializeToString())
            qdq.insert(made, planned, scales, reduced_range=recipe.reduced_range)
            return made

        if not recipe.corrected_bias:
            return quantize(self.graph)
        return quantize(correct_biases(self.graph, planned, quantize, self.rows))

    def _named(self) -> dict[str, Any]:
        return {f"{i} {node.op_type}": node for i, node in enumerate(self.graph.graph.node)}

    def _ranges(self, planned: Plan, calibrator_name: str) -> dict[str, Range]:
        wanted = qdq.observed_tensors(planned)
        fresh = [name for name in wanted if name not in self.seen]
        self.seen.update(calibrator.ranges(self.graph, fresh, self.rows))
        if calibrator_name == "min-max":
            return {name: self.seen[name] for name in wanted}
        uncounted = {name: self.seen[name] for name in wanted if name not in self.counts}
        self.counts.update(calibrator.counts(self.graph, uncounted, self.rows))
        find = RANGES[calibrator_name]
        return {name: find(self.counts[name], self.seen[name]) for name in wanted}


def static_quantizer(artifact: Artifact, calibration: Calibration | None) -> OnnxQuantizer:
    """Raises CalibrationError for unfit rows, ConversionError where nothing would be in integers."""
    rows = calibrator.checked_rows(artifact.signature, calibration)
    graph = simplify(parse(artifact.content))
    planned = plan(graph)
    check_anything_is_quantized(graph, planned, "int8-static")
    equalize(graph, planned, rows)
    return OnnxQuantizer(artifact, graph, rows)


def check_anything_is_quantized(graph: Any, planned: Plan, scheme: str) -> None:
    """Raises ConversionError where a scheme would leave every operator in float."""
    if not weighted_nodes(graph, planned) and not planned.tables:
        raise ConversionError(f"{scheme}: the graph's matrix products are of a form that has no int8 kernel")


def artifact_of(original: Artifact, made: Any, scheme: str, left: tuple[FloatOperator, ...]) -> Artifact:
    """The quantized ModelProto as an artifact, tried in the engine."""
    made.producer_name, made.producer_version = "edgeml", ""
    check_interface(parse(original.content), made)
    compact(made)
    content = serialize(made)
    open_session(content, f"{original.format}/{scheme}")
    return replace(original, scheme=scheme, content=content, float_operators=left)


def _macs(node: Any, known: Mapping[str, Array], shapes: Mapping[str, Any]) -> int:
    """Multiply-adds for one row; sizes that are not known count once."""
    if node.op_type not in PRODUCTS or node.input[1] not in known:
        return 0
    weights = known[node.input[1]].shape
    place = node.input[0] if node.op_type == "ConvTranspose" else node.output[0]
    values = _product(size or 1 for size in (shapes.get(place, (0, None))[1] or (1,))[1:])
    return values * _product(weights[1:] if node.op_type.startswith("Conv") else weights[:1])


def _product(sizes: Iterable[int]) -> int:
    return int(np.prod(list(sizes), dtype=np.int64))
