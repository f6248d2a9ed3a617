"""The ONNX graph under construction, and the call of one estimator's rule from another's.

A rule is a function `(emitter, estimator, x) -> result` for one class, where x names a float32[n, features]
tensor. What it gives depends on the role (see `Rules`). Values of the estimator are float64; they become
float32 in `constant`.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeml_converters.sources.sklearn_reading import codes_read
from edgeml_converters.to_onnx.sklearn.origins import Map, Origin, Origins, own
from edgeml_runtime.encodings import Encoding
from edgeml_runtime.encodings.categories import CategoryValue
from edgeml_runtime.encodings.cells import is_missing
from edgeml_runtime.errors import ConversionError, UnsupportedModelError
from edgeml_runtime.signature import Array

ML = "ai.onnx.ml"
NOT_HELD = -2.0
"""No code of any table, and not the one of unknown values."""


@dataclass(frozen=True, slots=True)
class Classified:
    """One target's classes for n rows: tensors by name, and the labels that the indices stand for."""

    label: str  # int64[n], indices into classes
    classes: Array
    probabilities: str | None = None  # float32[n, classes]
    decision: str | None = None  # float32[n, 1] for two classes, else [n, classes]


@dataclass(frozen=True, slots=True)
class Multilabel:
    """An indicator matrix over k labels: tensors by name, each [n, k]."""

    label: str  # int64, 0 or 1
    probabilities: str | None = None  # float32, of each label's 1
    decision: str | None = None  # float32


@dataclass(frozen=True, slots=True)
class Detected:
    """Outliers among n rows: tensors by name."""

    label: str  # int64[n]: 0 for an outlier (-1), 1 for an inlier (+1)
    decision: str | None = None  # float32[n, 1], negative for outliers


Table = tuple[CategoryValue, ...] | None
Rule = Callable[["Emitter", Any, str], Any]
Limit = Callable[[Any], str | None]  # fitted estimator -> why its parameters cannot be converted
# (fitted estimator, role) -> the nested estimators whose rules its own calls: name, estimator, their role
Calls = Callable[[Any, str], Sequence[tuple[str, Any, str]]]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one module or of all: by role, then by class name.

    `limits`: what a class with rules cannot do with some parameters; asked before anything is converted, and
    `inverse_limits` in their place where its inverse is called.
    `calls`: needed where the nested estimators have another role than the class itself.
    """

    transform: Mapping[str, Rule] = field(default_factory=dict)  # float32[n, k]
    inverse: Mapping[str, Rule] = field(default_factory=dict)  # inverse_transform: float32[n, k]
    regress: Mapping[str, Rule] = field(default_factory=dict)  # float32[n, targets]
    classify: Mapping[str, Rule] = field(default_factory=dict)  # Classified
    classify_many: Mapping[str, Rule] = field(default_factory=dict)  # a Classified for each target
    multilabel: Mapping[str, Rule] = field(default_factory=dict)  # Multilabel
    cluster: Mapping[str, Rule] = field(default_factory=dict)  # int64[n]
    memberships: Mapping[str, Rule] = field(default_factory=dict)  # predict_proba of mixtures: float32[n, k]
    detect: Mapping[str, Rule] = field(default_factory=dict)  # Detected
    score: Mapping[str, Rule] = field(default_factory=dict)  # score_samples: float32[n, 1]
    limits: Mapping[str, Limit] = field(default_factory=dict)
    inverse_limits: Mapping[str, Limit] = field(default_factory=dict)
    calls: Mapping[str, Calls] = field(default_factory=dict)


class Emitter:
    """Collects nodes and constants. Names follow from the order of calls: equal models give equal bytes."""

    def __init__(self, rules: Rules, registered: Mapping[str, Rule] | None = None) -> None:
        """`registered`: by role, for classes that are not scikit-learn's."""
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._rules = rules
        self._registered = registered or {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self.origins: dict[str, Origins] = {}
        # Of tables: the values that the codes in a tensor's columns stand for, None where they are numbers;
        # the tensors [n, 1] that a table is made of; what the runtime made of documents, by their encoding.
        self.tables: dict[str, tuple[Table, ...]] = {}
        self.parts: dict[str, tuple[str, ...]] = {}
        self.documents: dict[tuple[str, Encoding], str] = {}
        self._made: dict[tuple[int, bytes], list[str]] = {}
        self.prefix = ""
        self.reserved: frozenset[str] = frozenset()  # names of inputs, which may look like ours
        # By role, estimator and input: what was made, and the estimator, whose id must not be given again.
        self._results: dict[tuple[str, int, str], tuple[Any, Any]] = {}

    def inside(self) -> Emitter:
        """An emitter for the body of the next node: its nodes are its own, constants are shared."""
        inner = copy.copy(self)
        inner.nodes, inner.prefix = [], f"{self.prefix}body_{len(self.nodes)}_"
        inner._made, inner._results = dict(self._made), dict(self._results)
        return inner

    def constant(self, values: Any, dtype: str = "float32", *, shared: bool = True) -> str:
        """The name of an initializer with those values; equal shared constants are one."""
        from onnx import numpy_helper

        wide = np.asarray(values)
        with np.errstate(over="ignore"):
            array = np.ascontiguousarray(wide.astype(dtype))
        if dtype == "float32" and np.any(np.isinf(array) & np.isfinite(wide.astype(np.float64))):
            raise ConversionError(
                f"the model holds {np.abs(wide).max():g}, beyond float32 (3.4e38): rescale its inputs"
            )
        key = (dtype, array.shape, array.tobytes())
        if shared and key in self._constants:
            return self._constants[key]
        name = self._free(f"constant_{len(self.initializers)}")
        self.initializers.append(numpy_helper.from_array(array, name))
        if shared:
            self._constants[key] = name
        return name

    def add(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Append a node with one output; returns that output's name."""
        return self.add_many(op, 1, *inputs, domain=domain, **attributes)[0]

    def add_many(self, op: str, count: int, *inputs: str, domain: str = "", **attributes: Any) -> list[str]:
        """Append a node with `count` outputs; returns their names.

        One that was made before is taken again: several methods of a model begin with the same steps.
        """
        from onnx import helper

        node = helper.make_node(op, inputs, (), domain=domain, **attributes)
        key = (count, hashlib.sha256(node.SerializeToString(deterministic=True)).digest())
        if key not in self._made:
            node.name = self._free(f"{self.prefix}{op.lower()}_{len(self.nodes)}")
            outputs = [node.name] if count == 1 else [f"{node.name}_{i}" for i in range(count)]
            node.output.extend(outputs)
            self.nodes.append(node)
            self._made[key] = outputs
        return list(self._made[key])

    def take(self, graph: Any, prefix: str, inputs: Mapping[str, str]) -> None:
        """Append another graph's nodes and constants, every name but its inputs' with a prefix."""
        for tensor in graph.initializer:
            tensor.name = prefix + tensor.name
            self.initializers.append(tensor)
        for node in graph.node:
            _rename(node, prefix, inputs)
            self.nodes.append(node)

    def declare(self, tensor: str, width: int) -> str:
        """Say that a tensor [n, width] is an origin of its own (see `origins`); returns its name."""
        self.origins[tensor] = own(tensor, width)
        return tensor

    def follow(self, x: str, y: str, maps: Sequence[Map]) -> str:
        """Remember that column i of y is maps[i], which never falls, of column i of x; returns y."""
        if y != x and x in self.origins:
            self.origins[y] = tuple(
                Origin(origin.base, origin.column, (*origin.maps, function))
                for origin, function in zip(self.origins[x], maps, strict=True)
            )
        return y

    def columns(self, x: str, indices: Any) -> str:
        """Those columns of x [n, k] in that order: [n, len(indices)]."""
        if x in self.parts:
            return self.concat([self.parts[x][i] for i in np.asarray(indices).tolist()])
        chosen = self.add("Gather", x, self.constant(indices, "int64"), axis=1)
        if x in self.tables:
            self.tables[chosen] = tuple(self.tables[x][i] for i in np.asarray(indices).tolist())
        if x in self.origins:
            self.origins[chosen] = tuple(self.origins[x][i] for i in np.asarray(indices).tolist())
        return chosen

    def codes(self, x: str, column: int, values: Any) -> Array:
        """float64: how x holds those values in that column; NOT_HELD for one that it cannot hold."""
        table = self.tables[x][column] if x in self.tables else None
        if table is None:
            return np.array([np.nan if is_missing(v) else float(v) for v in values])
        places = {value: float(i) for i, value in enumerate(table)}
        plain = (v.item() if isinstance(v, np.generic) else v for v in values)
        missing = np.nan  # which None is not
        return np.array(
            [missing if is_missing(v) and v is not None else places.get(v, NOT_HELD) for v in plain]
        )

    def numbers(self, x: str, but: Collection[int] = ()) -> str:
        """The tensor x with the numbers that its codes stand for, but for those columns; unknown: NaN."""
        tables = self.tables.get(x, ())
        if all(table is None or column in but for column, table in enumerate(tables)):
            return x
        parts = []
        for column, table in enumerate(tables):
            part = self.columns(x, [column])
            parts.append(part if table is None or column in but else self._decoded(part, table))
        return self.concat(parts)

    def _decoded(self, code: str, table: tuple[CategoryValue, ...]) -> str:
        text = next((value for value in table if isinstance(value, str)), None)
        if text is not None:
            raise ConversionError(f"a column that holds text such as {text!r:.40} is read as numbers")
        values = [np.nan, *(np.nan if value is None else float(value) for value in table)]
        known = self.add("Where", self.add("IsNaN", code), self.constant([-1.0]), code)
        place = self.add("Add", self.add("Cast", known, to=7), self.constant([1], "int64"))
        return self.declare(self.add("Gather", self.constant(values), place, axis=0), 1)

    def dense(self, x: str, weights: Any, bias: Any) -> str:
        """The product x @ weights + bias, weights [features, k], bias [k]: [n, k]."""
        weights = np.asarray(weights, np.float64)
        bias = np.broadcast_to(np.asarray(bias, np.float64).ravel(), weights.shape[1:])
        # Not shared: a quantizer gives each product's bias a scale of its own.
        factors = self.constant(weights, shared=False), self.constant(bias, shared=False)
        product = self.add("Gemm", x, *factors)
        return self.declare(product, weights.shape[1])

    def concat(self, parts: list[str]) -> str:
        """Tensors [n, k_i] side by side: [n, sum of k_i]."""
        if len(parts) == 1:
            return parts[0]
        whole = self.add("Concat", *parts, axis=1)
        if any(any(self.tables.get(part, ())) for part in parts):
            if any(part not in self.tables and part not in self.origins for part in parts):
                raise ConversionError("a column of text stands beside columns whose number is not known")
            tables = (self.tables.get(part) or (None,) * len(self.origins[part]) for part in parts)
            self.tables[whole] = tuple(table for part in tables for table in part)
        if all(part in self.origins for part in parts):
            self.origins[whole] = tuple(origin for part in parts for origin in self.origins[part])
        return whole

    def flat(self, x: str) -> str:
        """A column [n, 1] as [n]."""
        return self.add("Reshape", x, self.constant([-1], "int64"))

    def sum(self, x: str, axis: int = 1) -> str:
        """The sum over that axis, which stays with size 1."""
        return self.add("ReduceSum", x, self.constant([axis], "int64"), keepdims=1)

    def argmax(self, scores: str) -> str:
        """int64[n]: the first of the largest, as numpy's argmax."""
        return self.add("ArgMax", scores, axis=1, keepdims=0)

    def transform(self, estimator: Any, x: str) -> str:
        """The nodes of a fitted transformer; "passthrough" and None are x itself."""
        if estimator is None or isinstance(estimator, str):
            return x
        return str(self._call("transform", estimator, x))

    def regress(self, estimator: Any, x: str) -> str:
        """The nodes of a fitted regressor: float32[n, targets]."""
        return str(self._call("regress", estimator, x))

    def classify(self, estimator: Any, x: str) -> Classified:
        """The nodes of a fitted classifier of one target."""
        result: Classified = self._call("classify", estimator, x)
        return result

    def classify_many(self, estimator: Any, x: str) -> tuple[Classified, ...]:
        """The nodes of a fitted classifier of several targets."""
        return tuple(self._call("classify_many", estimator, x))

    def cluster(self, estimator: Any, x: str) -> str:
        """The nodes that give the nearest cluster: int64[n]."""
        return str(self._call("cluster", estimator, x))

    def multilabel(self, estimator: Any, x: str) -> Multilabel:
        """The nodes of a fitted classifier whose targets are an indicator matrix."""
        result: Multilabel = self._call("multilabel", estimator, x)
        return result

    def memberships(self, estimator: Any, x: str) -> str:
        """The nodes of a mixture's predict_proba: float32[n, components]."""
        return str(self._call("memberships", estimator, x))

    def detect(self, estimator: Any, x: str) -> Detected:
        """The nodes of a fitted outlier detector."""
        result: Detected = self._call("detect", estimator, x)
        return result

    def score(self, estimator: Any, x: str) -> str:
        """The nodes of score_samples: float32[n, 1]."""
        return str(self._call("score", estimator, x))

    def inverse(self, estimator: Any, x: str) -> str:
        """The nodes of a fitted transformer's inverse_transform: float32[n, k]."""
        return str(self._call("inverse", estimator, x))

    def _call(self, role: str, estimator: Any, x: str) -> Any:
        """The rule's result; the same call twice, as for labels and for a transform, makes its nodes once."""
        codes = codes_read(estimator)
        if codes is not None:
            x = self.numbers(x, codes)
        key = role, id(estimator), x
        if key not in self._results:
            self._results[key] = self._rule(role, estimator)(self, estimator, x), estimator
        return self._results[key][0]

    def _free(self, name: str) -> str:
        while name in self.reserved:
            name = f"_{name}"
        return name

    def _rule(self, role: str, estimator: Any) -> Rule:
        name = type(estimator).__name__
        rules: Mapping[str, Rule] = getattr(self._rules, role)
        rule = rules.get(name) if has_rules(estimator) else self._registered.get(role)
        if rule is None:
            raise UnsupportedModelError(f"{name} has no rule to {role}")
        return rule


def has_rules(estimator: Any) -> bool:
    """Whether a class is of a package whose classes have rules; another's may have the same name."""
    return type(estimator).__module__.partition(".")[0] in ("sklearn", "lightgbm", "xgboost", "catboost")


def _rename(node: Any, prefix: str, inputs: Mapping[str, str]) -> None:
    """Prefix all names of a node, also those inside the bodies of loops."""
    node.name = prefix + node.name
    for names in (node.input, node.output):
        renamed = [inputs.get(name, prefix + name) if name else "" for name in names]
        del names[:]
        names.extend(renamed)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            body = attribute.g
            for named in (*body.initializer, *body.input, *body.output, *body.value_info):
                named.name = prefix + named.name
            for inner in body.node:
                _rename(inner, prefix, {})
