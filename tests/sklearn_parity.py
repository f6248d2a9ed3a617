"""What tests of scikit-learn's conversions share: to ONNX, run, and compared with scikit-learn itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from zoo import Specimen

from edgeml_converters.intake import source_of
from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.to_onnx.from_sklearn import CONVERTER
from edgeml_runtime.errors import UnsupportedModelError

MARGIN = 1e-5  # of labels that float32 may decide otherwise
TOLERANCE = 1e-4  # of values, relative to the largest


def convert(name: str, specimen: Specimen) -> tuple[TrainedModel, Artifact]:
    model = SOURCE.describe(specimen.model, name)
    return model, CONVERTER.convert(model, "float32", None)


def run(artifact: Artifact, x: Any) -> dict[str, Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(artifact.content, options, providers=["CPUExecutionProvider"])
    names = [spec.name for spec in artifact.signature.outputs]
    return dict(zip(names, session.run(names, {"x": np.asarray(x, np.float32)}), strict=True))


def assert_same(model: TrainedModel, artifact: Artifact, x: Any, tolerance: float = TOLERANCE) -> None:
    """Every method in ONNX Runtime, on rows x as the framework gets them; the graph gets them in float32."""
    assert_answers(model, run(artifact, x), x, tolerance)


def assert_answers(model: TrainedModel, outputs: dict[str, Any], x: Any, tolerance: float) -> None:
    """An artifact's outputs on rows x: the framework's labels where its scores differ, and its values."""
    for spec in model.signature.outputs:
        assert outputs[spec.name].dtype.name == spec.dtype
        assert outputs[spec.name].shape == (len(x), *spec.shape[1:])
    for method in model.signature.methods:
        wanted = source_of(model).predict(model, method.name, x)
        got = [outputs[name] for name in method.outputs]
        if method.labels:
            columns = got[0].reshape(len(x), -1)
            labels = np.stack([t.array()[columns[:, j]] for j, t in enumerate(method.labels)], axis=1)
            assert labels.dtype == wanted.dtype or labels.dtype.kind == wanted.dtype.kind == "U"
            assert not decided(model, x, labels != wanted.reshape(len(x), -1)).any()
            continue
        for mine, theirs in zip(got, wanted if method.returns == "list" else [wanted], strict=True):
            assert mine.shape == theirs.shape
            scale = max(1e-30, float(np.nanmax(np.abs(theirs))))
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance * scale)


def decided(model: TrainedModel, x: Any, differ: Any) -> Any:
    """The rows of x with labels that differ (bool[n, ...]) and scores that do not tie in float32."""
    rows = differ.reshape(len(differ), -1).any(axis=1)
    scores = source_of(model).scores(model, x) if rows.any() else None
    if scores is None:
        return rows
    best = np.sort(scores, axis=1)
    return rows & (best[:, -1] - best[:, -2] > MARGIN)


def boundary_rows(x: Any, trees: list[list[tuple[Any, int, float]]]) -> Any:
    """A row that reaches each node, moved onto the node's threshold and to both float32 beside it."""
    found = []
    for reached, feature, threshold in (node for tree in trees for node in tree):
        rows = np.flatnonzero(reached)
        if not len(rows) or not np.isfinite(threshold):
            continue
        nearest = np.float32(threshold)
        for value in (
            np.nextafter(nearest, np.float32(-np.inf)),
            nearest,
            np.nextafter(nearest, np.float32(np.inf)),
        ):
            row = x[rows[0]].astype(np.float32)
            row[feature] = value
            found.append(row)
    return np.array(found)


def zoo_data(name: str) -> tuple[Any, Any]:
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(return_X_y=True)


def reasons_for(estimator: Any, data: str = "iris") -> str:
    specimen = Specimen(estimator.fit(*zoo_data(data)), *zoo_data(data))
    model = SOURCE.describe(specimen.model, "model")
    reason = CONVERTER.offers(model)["float32"]
    with pytest.raises(UnsupportedModelError) as caught:
        CONVERTER.convert(model, "float32", None)
    assert str(caught.value) == f"model cannot be converted: {reason}"
    return str(reason)
