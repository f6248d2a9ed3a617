"""The whole of scikit-learn: what has a method for new rows is converted, the rest is refused with its reason."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from catalogue import estimator_methods, proven
from conftest import require_module

from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.sources.sklearn_refused import REFUSED
from edgeml_runtime.errors import UnsupportedModelError


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime")


def test_every_estimator_is_proven_or_refused():
    """Each method of each estimator that scikit-learn lists has a specimen in the zoo that shows it."""
    shown = proven()
    lacking = {
        f"{name}.{method}"
        for name, methods in estimator_methods().items()
        for method in methods
        if name not in REFUSED and method not in shown.get(name, ())
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
