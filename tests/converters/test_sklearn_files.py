"""Files of scikit-learn's estimators: damaged, hostile, and saved by another version."""

from __future__ import annotations

import pickle
import warnings
import zipfile

import numpy as np
import pytest
from conftest import require_module
from zoo import ZOO

from edgeml_converters.sources.sklearn import PICKLE_SUFFIXES, SOURCE
from edgeml_runtime.errors import InputError, UnsupportedModelError


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skops", "joblib")


def describe(model):
    return SOURCE.describe(model, "model")


@pytest.mark.parametrize(
    "name", ["random-forest", "hist-gradient-boosting-categorical", "svc-rbf", "voting-soft"]
)
def test_files_give_the_same_model(name, tmp_path):
    import joblib
    from skops import io

    specimen = ZOO[name]()
    wanted = describe(specimen.model)
    paths = [tmp_path / f"m{suffix}" for suffix in SOURCE.suffixes]
    io.dump(specimen.model, paths[0])
    joblib.dump(specimen.model, paths[1], compress=3)
    for path in paths[2:]:
        path.write_bytes(pickle.dumps(specimen.model))
    for path in paths:
        loaded = SOURCE.load(path)
        assert describe(loaded).digest == wanted.digest, path.suffix
        np.testing.assert_array_equal(
            SOURCE.predict(describe(loaded), "predict", specimen.x), specimen.model.predict(specimen.x)
        )
    assert SOURCE.suffixes == (".skops", *PICKLE_SUFFIXES)


def test_damaged_files(tmp_path):
    import joblib
    from skops import io

    model = ZOO["ridge"]().model
    for suffix, dump in ((".skops", io.dump), (".joblib", joblib.dump)):
        path = tmp_path / f"m{suffix}"
        dump(model, path)
        whole = path.read_bytes()
        for content in (b"", whole[: len(whole) // 2], whole[:-40], b"not a model at all"):
            path.write_bytes(content)
            with pytest.raises(InputError, match=r"is truncated or not a"):
                SOURCE.load(path)
    with pytest.raises(InputError, match="no such file"):
        SOURCE.load(tmp_path / "absent.skops")


def test_files_that_hold_something_else(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps({"model": 1, "scaler": 2}))
    with pytest.raises(InputError, match=r"holds a dict with keys 'model', 'scaler', not a scikit-learn"):
        SOURCE.load(path)
    path.write_bytes(b"cno_such_module\nThing\n.")
    with pytest.raises(InputError, match="was saved with no_such_module and cannot be read without it"):
        SOURCE.load(path)


def test_skops_with_foreign_types_is_refused(tmp_path):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from skops import io

    path = tmp_path / "m.skops"
    io.dump(make_pipeline(FunctionTransformer(warnings.warn)), path)
    with pytest.raises(InputError, match=r"warnings\.warn\. Reading such a file can run any code"):
        SOURCE.load(path)


def saved_by_another_version(model, path):
    import sklearn
    from skops import io

    if path.suffix == ".skops":
        io.dump(model, path)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        version = sklearn.__version__.encode()
        members["schema.json"] = members["schema.json"].replace(version, b"0.0.1")
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        path.write_bytes(pickle.dumps(model, protocol=0).replace(sklearn.__version__.encode(), b"0.0.1"))
    return SOURCE.load(path)


@pytest.mark.parametrize("suffix", [".pkl", ".skops"])
def test_another_version_is_said(tmp_path, suffix):
    import sklearn

    model = ZOO["logistic-regression-strings"]().model
    described = describe(saved_by_another_version(model, tmp_path / f"m{suffix}"))
    (warning,) = described.warnings
    assert warning.startswith(
        f"the model was saved by scikit-learn 0.0.1 and is read by {sklearn.__version__}: it may predict"
    )
    assert described.digest == describe(model).digest
    assert describe(model).warnings == ()


def test_another_version_that_cannot_be_called(tmp_path):
    model = saved_by_another_version(ZOO["linear-regression"]().model, tmp_path / "m.pkl")
    del model.intercept_
    with pytest.raises(UnsupportedModelError) as caught:
        describe(model)
    assert str(caught.value).startswith(
        "model (LinearRegression) was saved by scikit-learn 0.0.1, and the one installed here cannot call it"
    )


def test_other_warnings_of_a_file_are_given(tmp_path):
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(Warns()))
    with pytest.warns(UserWarning, match="as it was read"), pytest.raises(InputError, match="holds a Warns"):
        SOURCE.load(path)


class Warns:
    def __setstate__(self, state):
        warnings.warn("as it was read", UserWarning, stacklevel=2)

    def __getstate__(self):
        return {"any": 1}
