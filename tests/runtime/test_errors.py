"""Errors come back from other processes as they were raised."""

import inspect
import pickle

import pytest

from edgeml_runtime import errors

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.EdgeMLError) and kind is not errors.UnknownNameError
]


@pytest.mark.parametrize("kind", KINDS)
def test_crosses_a_process_border(kind):
    error = pickle.loads(pickle.dumps(kind("what failed")))
    assert (type(error), str(error), error.exit_code) == (kind, "what failed", kind.exit_code)


def test_a_wrong_name_keeps_its_suggestions():
    error = errors.UnknownNameError("scheme", "int7", ("int8-static", "float32"))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.name, again.nearest) == (str(error), error.name, error.nearest)
