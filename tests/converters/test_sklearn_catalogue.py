"""The whole of scikit-learn: what has a method for new rows is converted, the rest is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from catalogue import (
    FORMATS,
    TABLE,
    artifact,
    bound,
    boundary_flips,
    comparisons,
    described,
    estimator_methods,
    proven,
    read_table,
    refused,
    rows,
    takes_gaps,
    with_gaps,
)
from conftest import require_module
from zoo import ZOO

from edgeml_converters.intake import source_of
from edgeml_converters.registry import converters
from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.sources.sklearn_refused import REFUSED, REFUSED_METHODS
from edgeml_runtime.errors import UnsupportedModelError

TOLERANCE = 1e-4  # of values, relative to the largest
# Comparisons are kept for the table: one process makes all of a format's.
IN_ONNX, IN_TFLITE = (pytest.mark.xdist_group(f"catalogue in {target}") for target in FORMATS)


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime")


@IN_ONNX
def test_every_estimator_is_proven_or_refused():
    """Each method of each estimator that scikit-learn lists has a specimen in the zoo that shows it."""
    shown = proven()
    lacking = {
        f"{name}.{method}"
        for name, methods in estimator_methods().items()
        for method in methods
        if name not in REFUSED and (name, method) not in REFUSED_METHODS
        if method not in shown.get(name, ())
    }
    assert not lacking
    unknown = set(REFUSED) - set(estimator_methods())
    assert not unknown


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_has_no_method_for_new_rows_is_refused_with_its_reason(name):
    from sklearn.datasets import load_iris
    from sklearn.utils import all_estimators

    estimator = dict(all_estimators())[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence and of defaults that will change
        estimator.fit(np.abs(load_iris().data[::3]))
    with pytest.raises(UnsupportedModelError) as caught:
        SOURCE.describe(estimator, "model")
    assert f"model ({name}) cannot be compiled: {REFUSED[name]}" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "target", [pytest.param("onnx", marks=IN_ONNX), pytest.param("tflite", marks=IN_TFLITE)]
)
def test_the_support_table_is_up_to_date(target):
    """The same rows; what is measured here within the documented power of ten, or little above it."""
    require_module("tensorflow", "ai_edge_litert", "lightgbm", "xgboost", "catboost")
    documented = read_table(TABLE.read_text())
    hint = "run `python tests/catalogue.py`"
    assert {name: cells for (name, method), (*_, cells) in documented.items() if not method} == refused(), (
        hint
    )
    found = {(row.kind, row.method): row for row in rows([target])}
    assert {key for key in documented if key[1]} == set(found), hint
    for key, row in found.items():
        cells = documented[key]
        assert cells[-1] == str(row.specimens), hint
        stated, measured = cells[FORMATS.index(target)], bound(row.largest[target])
        # Another processor sums in another order.
        assert 0.05 < magnitude(measured) / magnitude(stated) < 20, (key, stated, measured, hint)


def magnitude(cell: str) -> float:
    return 1e-8 if cell == "same" else float(cell)


def assert_parity(name: str, target: str) -> None:
    for batch, found in comparisons(name, target).items():
        for method, largest in found.items():
            assert largest <= TOLERANCE, (batch, method)


@IN_ONNX
@pytest.mark.parametrize("name", sorted(ZOO))
def test_parity_in_onnx(name):
    model = described(name)
    assert converters()[f"{model.kind}-to-onnx"].offers(model) == {"float32": None}
    assert_parity(name, "onnx")
    if not model.signature.encodes and not takes_gaps(model):
        # What the runtime refuses, the framework refuses too.
        with pytest.raises(ValueError, match=r"(?i)nan|missing|infinity"):
            source_of(model).predict(model, model.signature.methods[0].name, with_gaps(ZOO[name]().x))


@IN_ONNX
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ZOO))
def test_boundaries_in_onnx(name):
    assert boundary_flips(name, "onnx") == ()


@IN_TFLITE
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ZOO))
def test_parity_in_tflite(name):
    require_module("tensorflow", "ai_edge_litert")
    assert converters()["onnx-to-tflite"].offers(artifact(name, "onnx"))["float32"] is None
    assert_parity(name, "tflite")
