"""What every specimen of the zoo becomes in every format and how far its answers are from the framework's.

Conversions are shared by all tests of one run. `table()` is docs/sklearn-support.md, written by
`python tests/catalogue.py`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn_parity import decided
from zoo import ZOO

from edgeml.boundaries import boundary_rows, compare_boundaries
from edgeml.pack import bundle_of, provenance_of
from edgeml.parity import Flip
from edgeml.quality import answers
from edgeml.reference import as_arrays
from edgeml_converters.intake import describe, source_of
from edgeml_converters.model import Artifact, Data, TrainedModel, take_rows
from edgeml_converters.registry import routes
from edgeml_converters.sources.sklearn_refused import REFUSED, REFUSED_METHODS
from edgeml_runtime.manifest import Budget
from edgeml_runtime.session import Session

FORMATS = ("onnx", "tflite")
TABLE = Path(__file__).parent.parent / "docs" / "sklearn-support.md"


@functools.cache
def described(name: str) -> TrainedModel:
    """The specimen's model as its source describes it."""
    return describe(ZOO[name]().model, name)


@functools.cache
def artifact(name: str, target: str) -> Artifact:
    """The specimen in float32, over the shortest route."""
    model = described(name)
    route = routes(model.kind, target)[0]
    subject: Any = model
    if len(route) > 1:  # the hub, made once for all formats
        subject = artifact(name, route[-2].target)
    return route[-1].convert(subject, "float32", None)


def session(name: str, target: str) -> Session:
    """The specimen's bundle, opened as a user opens it."""
    model, rows = described(name), Data(take_rows(ZOO[name]().x, np.arange(2)))
    provenance = provenance_of(model, target, (), "", {})
    bundle = bundle_of(artifact(name, target), model, rows, device="", budget=Budget(), provenance=provenance)
    return Session(bundle)


def boundary_flips(name: str, target: str) -> tuple[Flip, ...]:
    """Rows on the model's own decisions that the artifact decides otherwise."""
    model = described(name)
    made = boundary_rows(model, Data(ZOO[name]().x))
    if made is None:
        return ()
    return compare_boundaries(made, *answers(session(name, target), model, made.rows)).flips


@functools.cache
def comparisons(name: str, target: str) -> Mapping[str, Mapping[str, float]]:
    """`differences` of several batches: all rows, one, seven, and with gaps where a matrix takes them."""
    x, model, opened = ZOO[name]().x, described(name), session(name, target)
    batches = {"all": x, "one": take_rows(x, np.arange(1)), "seven": take_rows(x, np.arange(3, 10))}
    if takes_gaps(model):
        batches["gaps"] = with_gaps(x)
    return {batch: _differences(model, opened, rows) for batch, rows in batches.items()}


def takes_gaps(model: TrainedModel) -> bool:
    """Whether the model's input is a matrix in which any value may be missing."""
    return not model.signature.encodes and model.signature.inputs[0].allow_nan


def with_gaps(x: Any) -> Any:
    """x with three of ten values missing."""
    x = np.array(x, np.float64)
    x[np.random.default_rng(3).random(x.shape) < 0.3] = np.nan
    return x


def differences(name: str, target: str) -> Mapping[str, float]:
    """By method: the largest difference on the specimen's rows as a share of the largest value.

    For labels: the share of rows that differ though scores tell them apart.
    """
    return comparisons(name, target)["all"]


def _differences(model: TrainedModel, opened: Session, rows: Any) -> Mapping[str, float]:
    source, found = source_of(model), {}
    for method in model.signature.methods:
        wanted = as_arrays(source.predict(model, method.name, rows))
        got = as_arrays(opened.call(method.name, rows))
        is_label = bool(method.labels) or (model.task == "clustering" and method.name == "predict")
        if is_label:
            differ = decided(model, rows, np.asarray(wanted[0] != got[0]))
            # k-means answers in int32.
            same_kind = wanted[0].dtype.kind == got[0].dtype.kind or wanted[0].dtype.kind in "OU"
            found[method.name] = float(differ.mean()) if same_kind else math.inf
        else:
            found[method.name] = max(_share(w, g) for w, g in zip(wanted, got, strict=True))
    return found


def _share(wanted: Any, got: Any) -> float:
    if wanted.shape != got.shape:
        return math.inf
    wanted, got = wanted.astype(np.float64), got.astype(np.float64)
    finite = np.isfinite(wanted)
    if not np.array_equal(np.nan_to_num(wanted[~finite]), np.nan_to_num(got[~finite])):
        return math.inf
    scale = float(np.abs(wanted[finite]).max(initial=0.0)) or 1.0
    return float(np.abs(wanted - got)[finite].max(initial=0.0)) / scale


METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform")


@functools.cache
def estimator_methods() -> Mapping[str, tuple[str, ...]]:
    """The methods for new rows of every estimator that scikit-learn lists, the experimental ones included."""
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
    from sklearn.utils import all_estimators

    return {name: tuple(m for m in METHODS if hasattr(cls, m)) for name, cls in all_estimators()}


@functools.cache
def proven(names: tuple[str, ...] = tuple(ZOO)) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """By class and method: those specimens whose last estimator it is and whose signature has the method."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in names:
        model = described(name)
        for kind in {type(model.model).__name__, type(_last(model.model)).__name__}:
            for method in model.signature.methods:
                found.setdefault(kind, {}).setdefault(method.name, []).append(name)
    return {kind: {m: tuple(names) for m, names in methods.items()} for kind, methods in found.items()}


def _last(model: Any) -> Any:
    return _last(model.steps[-1][1]) if type(model).__name__ == "Pipeline" else model


@dataclass(frozen=True, slots=True)
class Row:
    """A method of an estimator: the largest difference by format over its specimens."""

    kind: str
    method: str
    package: str
    specimens: int
    largest: Mapping[str, float]


def shown_rows(specimens: tuple[str, ...] = tuple(ZOO)) -> dict[tuple[str, str], tuple[str, ...]]:
    """By estimator and method, those of the specimens that show it: the rows of the table."""
    listed = estimator_methods()
    return {
        (kind, method): names
        for kind, methods in sorted(proven(specimens).items())
        if (package := _package(next(iter(methods.values()))[0])) in _SECTIONS
        and (package != "sklearn" or kind in listed)
        for method, names in methods.items()
    }


def _package(name: str) -> str:
    return type(_last(described(name).model)).__module__.partition(".")[0]


def largest(method: str, names: Sequence[str], target: str) -> float:
    """The largest difference that any of those specimens shows; converts them."""
    return max(differences(name, target)[method] for name in names)


def rows() -> list[Row]:
    """What the zoo shows, by estimator and method; converts all of it."""
    return [
        Row(kind, method, _package(names[0]), len(names), {f: largest(method, names, f) for f in FORMATS})
        for (kind, method), names in shown_rows().items()
    ]


def bound(value: float) -> str:
    """The least power of ten that is not below; "same" for no difference at all."""
    return "same" if value == 0 else f"1e{max(-8, math.ceil(math.log10(value)))}"


def table() -> str:
    """docs/sklearn-support.md."""
    lines, shown = [_HEAD], rows()
    for package, title in _SECTIONS.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| estimator | method | ONNX | TFLite | models |",
            "|---|---|---|---|---|",
        ]
        lines += [_line(r) for r in shown if r.package == package]
    lines += ["", "## Refused", "", "| estimator | why |", "|---|---|"]
    lines += [f"| {name} | {reason} |" for name, reason in refused().items()]
    return "\n".join(lines) + "\n"


def refused() -> dict[str, str]:
    """Estimators, and single methods of others, that are refused: by name why."""
    methods = {f"{kind}.{method}": reason for (kind, method), reason in REFUSED_METHODS.items()}
    return dict(sorted((REFUSED | methods).items()))


def _line(row: Row) -> str:
    bounds = " | ".join(bound(row.largest[target]) for target in FORMATS)
    return f"| {row.kind} | {row.method} | {bounds} | {row.specimens} |"


def read_table(text: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """By estimator and method the other cells of a table's rows; refused ones by their estimator and ""."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "estimator":
            found[(cells[0], cells[1]) if len(cells) == 5 else (cells[0], "")] = tuple(cells[2:] or cells[1:])
    return found


_SECTIONS = {"sklearn": "Supported", "lightgbm": "LightGBM", "xgboost": "XGBoost", "catboost": "CatBoost"}
_HEAD = """# scikit-learn: what is supported, and how exactly

Every estimator that scikit-learn lists and every method of it for new rows, converted and compared with
scikit-learn itself on real data. The columns of the formats hold the largest difference of any value as a
share of the largest value (the least power of ten above it); `same`: no difference at all, as labels must
have wherever scikit-learn's own scores tell them apart in float32. `models`: how many fitted models, with
other options, data and targets, show it (`tests/zoo/`).

`python tests/catalogue.py` writes this page; a test fails when it is out of date."""


if __name__ == "__main__":
    TABLE.write_text(table())
