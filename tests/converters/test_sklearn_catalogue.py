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
    largest,
    proven,
    read_table,
    refused,
    shown_rows,
    takes_gaps,
    with_gaps,
)
from conftest import require_module
from zoo import FAMILY, ZOO

from edgeml_converters.intake import source_of
from edgeml_converters.registry import converters
from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.sources.sklearn_refused import REFUSED, REFUSED_METHODS
from edgeml_runtime.errors import UnsupportedModelError

TOLERANCE = 1e-4  # of values, relative to the largest
HINT = "run `python tests/catalogue.py`"


def in_groups(values, family_of):
    """Parameters, each in the group of its family: one process makes a family's comparisons."""
    return [pytest.param(value, marks=pytest.mark.xdist_group(f"zoo {family_of(value)}")) for value in values]


WHOLE_ZOO = pytest.mark.xdist_group("whole zoo")
SPECIMENS = in_groups(sorted(ZOO), FAMILY.__getitem__)


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime")


@WHOLE_ZOO
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


@WHOLE_ZOO
def test_the_support_table_has_these_rows():
    documented = read_table(TABLE.read_text())
    assert {name: cells for (name, method), (*_, cells) in documented.items() if not method} == refused(), (
        HINT
    )
    found = {row: str(len(names)) for row, names in shown_rows().items()}
    assert {key: cells[-1] for key, cells in documented.items() if key[1]} == found, HINT


@pytest.mark.slow
@pytest.mark.parametrize("family", in_groups(sorted(set(FAMILY.values())), lambda family: family))
def test_the_support_table_is_up_to_date(family):
    """What is measured here is within the documented power of ten, or little above it.

    And not far below it, where the family has all specimens of a row.
    """
    require_module("tensorflow", "ai_edge_litert", "lightgbm", "xgboost", "catboost")
    documented = read_table(TABLE.read_text())
    for key, names in shown_rows(tuple(name for name in ZOO if FAMILY[name] == family)).items():
        *bounds, count = documented[key]
        for target, stated in zip(FORMATS, bounds, strict=True):
            measured = bound(largest(key[1], names, target))
            # Another processor sums in another order.
            ratio = magnitude(measured) / magnitude(stated)
            assert ratio < 20, (key, stated, measured, HINT)
            assert ratio > 0.05 or len(names) < int(count), (key, stated, measured, HINT)


def magnitude(cell: str) -> float:
    return 1e-8 if cell == "same" else float(cell)


def assert_parity(name: str, target: str) -> None:
    for batch, found in comparisons(name, target).items():
        for method, difference in found.items():
            assert difference <= TOLERANCE, (batch, method)


@pytest.mark.parametrize("name", SPECIMENS)
def test_parity_in_onnx(name):
    model = described(name)
    assert converters()[f"{model.kind}-to-onnx"].offers(model) == {"float32": None}
    assert_parity(name, "onnx")
    if not model.signature.encodes and not takes_gaps(model):
        # What the runtime refuses, the framework refuses too.
        with pytest.raises(ValueError, match=r"(?i)nan|missing|infinity"):
            source_of(model).predict(model, model.signature.methods[0].name, with_gaps(ZOO[name]().x))


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECIMENS)
def test_boundaries_in_onnx(name):
    assert boundary_flips(name, "onnx") == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECIMENS)
def test_parity_in_tflite(name):
    require_module("tensorflow", "ai_edge_litert")
    assert converters()["onnx-to-tflite"].offers(artifact(name, "onnx"))["float32"] is None
    assert_parity(name, "tflite")
