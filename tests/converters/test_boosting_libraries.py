"""LightGBM, XGBoost and CatBoost to ONNX, against what the libraries themselves predict."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn_parity
from conftest import printed_elsewhere, require_module
from zoo.boosting_libraries import SPECIMENS, boosted, frame
from zoo.specimen import Specimen, load, new, pipe, with_missing, words

from edgeml_converters.intake import describe, load_model, source_of
from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.registry import routes
from edgeml_converters.sources.ubjson import decode
from edgeml_runtime.errors import (
    ConversionError,
    EdgeMLError,
    InputError,
    SignatureError,
    UnsupportedModelError,
)
from edgeml_runtime.feeds import tensors_of

TOLERANCE = 2e-6  # of values, relative to the largest
ALONE = sorted(
    name for name in SPECIMENS if name.split("-")[0] in ("lgbm", "xgb", "catboost") and "frame" not in name
)
WITHOUT_SPLITS = (
    "lgbm-constant", "xgb-constant", "xgb-gamma", "xgb-linear", "xgb-linear-classes", "xgb-poisson",
    "xgb-pseudohubererror", "xgb-squaredlogerror",
)  # fmt: skip
IN_ANOTHER_PROCESS = (
    "catboost-digits", "catboost-lossguide", "lgbm-categories", "lgbm-frame", "lgbm-linear-tree-missing",
    "scaled-xgbclassifier", "xgb-categories", "xgb-early-stopping", "xgb-frame", "xgb-multi-output-vectors",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "onnxruntime")


def convert(model: Any, name: str = "model") -> tuple[TrainedModel, Artifact]:
    described = describe(model, name)
    ((converter,),) = (route for route in routes(described.kind, "onnx") if len(route) == 1)
    assert converter.offers(described) == {"float32": None}
    return described, converter.convert(described, "float32", None)


def assert_same(model: TrainedModel, artifact: Artifact, x: Any) -> None:
    sklearn_parity.assert_same(model, artifact, x, TOLERANCE)


@pytest.mark.parametrize("name", ALONE)
def test_thresholds_and_their_neighbours(name):
    specimen = SPECIMENS[name]()
    model, artifact = convert(specimen.model, name)
    found = source_of(model).boundaries(model, specimen.x, 10_000)
    missing_values = 3 * specimen.x.shape[1]
    assert found.total == missing_values if name in WITHOUT_SPLITS else found.total > missing_values + 10
    assert_same(model, artifact, found.rows)


@pytest.mark.parametrize(
    "name", ["lgbm-categories", "lgbm-categories-one-hot", "xgb-categories", "xgb-categories-one-hot"]
)
def test_codes_of_no_category(name):
    """Unknown, negative, broken and huge codes go where the library sends them, NaN too."""
    specimen = SPECIMENS[name]()
    model, artifact = convert(specimen.model, name)
    odd = [8.0, 77.0, -1.0, -0.5, -0.0, 2.5, 6.999999, 1e9, -1e9, np.nan]
    rng = np.random.default_rng(0)
    for _ in range(3):
        chosen = rng.random(specimen.x.shape) < 0.3
        assert_same(model, artifact, np.where(chosen, rng.choice(odd, specimen.x.shape), specimen.x))


def test_values_around_zero_where_zero_is_missing():
    specimen = SPECIMENS["lgbm-zero-as-missing"]()
    model, artifact = convert(specimen.model)
    small = [0.0, -0.0, 1e-35, -1e-35, 1.1e-35, -1.1e-35, 1e-40, 1e-30, -1e-30, np.nan]
    rng = np.random.default_rng(0)
    chosen = rng.random(specimen.x.shape) < 0.4
    assert_same(model, artifact, np.where(chosen, rng.choice(small, specimen.x.shape), specimen.x))


@pytest.mark.parametrize("name", ["lgbm-binary", "lgbm-fair", "catboost-binary", "catboost-missing-high"])
def test_infinite_values(name):
    specimen = SPECIMENS[name]()
    model, artifact = convert(specimen.model)
    where = np.random.default_rng(4).random(specimen.x.shape)
    rows = np.where(where < 0.15, -np.inf, np.where(where < 0.3, np.inf, specimen.x))
    assert_same(model, artifact, rows)


def test_training_values_behind_a_scaler_that_are_no_short_decimals():
    """XGBoost's thresholds are training values: float32 of such a row has to go the row's way."""
    x, y = load("diabetes")
    for scaler in ("StandardScaler", "MinMaxScaler"):
        fitted = pipe(new(f"preprocessing.{scaler}"), boosted("XGBRegressor", n_estimators=20)).fit(x, y)
        assert_same(*convert(fitted), x)


def lightgbm_booster(objective: Any, data: str, rounds: int = 6, **parameters: Any) -> Specimen:
    require_module("lightgbm")
    import lightgbm

    x, y = load(data)
    given = {"num_leaves": 8, "min_data_in_leaf": 5, "num_threads": 1, "verbose": -1, **parameters}
    fitted = lightgbm.train({"objective": objective, **given}, lightgbm.Dataset(x, y), rounds)
    return Specimen(fitted, x, y)


def xgboost_booster(objective: str, data: str, rounds: int = 6, **parameters: Any) -> Specimen:
    require_module("xgboost")
    import xgboost

    x, y = load(data)
    given = {"objective": objective, "max_depth": 3, "nthread": 1, **parameters}
    return Specimen(xgboost.train(given, xgboost.DMatrix(x, y), rounds), x, y)


def residual(predicted: Any, data: Any) -> Any:
    return predicted - data.get_label(), np.ones_like(predicted)


BOOSTERS = {
    "lightgbm-binary": (lambda: lightgbm_booster("binary", "breast_cancer"), "classification", []),
    "lightgbm-multiclass": (
        lambda: lightgbm_booster("multiclass", "wine", num_class=3), "classification", [3],
    ),
    "lightgbm-poisson": (lambda: lightgbm_booster("poisson", "diabetes"), "regression", []),
    "lightgbm-linear": (
        lambda: lightgbm_booster("regression", "diabetes", linear_tree=True), "regression", [],
    ),
    "lightgbm-forest": (
        lambda: lightgbm_booster(
            "binary", "breast_cancer", boosting="rf", bagging_fraction=0.6, bagging_freq=1
        ),
        "classification",
        [],
    ),
    "lightgbm-custom": (lambda: lightgbm_booster(residual, "diabetes"), "regression", []),
    "lightgbm-cross-entropy-lambda": (
        lambda: lightgbm_booster("cross_entropy_lambda", "breast_cancer"), "regression", [],
    ),
    "xgboost-logistic": (
        lambda: xgboost_booster("binary:logistic", "breast_cancer"), "classification", [],
    ),
    "xgboost-softprob": (
        lambda: xgboost_booster("multi:softprob", "wine", num_class=3), "classification", [3],
    ),
    "xgboost-softmax": (
        lambda: xgboost_booster("multi:softmax", "wine", num_class=3), "classification", [],
    ),
    "xgboost-hinge": (lambda: xgboost_booster("binary:hinge", "breast_cancer"), "regression", []),
    "xgboost-multi-output": (lambda: xgboost_booster("reg:squarederror", "linnerud"), "regression", [3]),
    "xgboost-dart": (
        lambda: xgboost_booster("count:poisson", "diabetes", booster="dart", rate_drop=0.5),
        "regression",
        [],
    ),
    "xgboost-linear": (
        lambda: xgboost_booster("reg:squarederror", "diabetes", booster="gblinear", max_depth=None),
        "regression",
        [],
    ),
}  # fmt: skip
SUFFIXES = {"lightgbm": (".txt",), "xgboost": (".ubj", ".json")}


@pytest.mark.parametrize("name", sorted(BOOSTERS))
def test_boosters_and_their_files(name, tmp_path):
    make, task, columns = BOOSTERS[name]
    specimen = make()
    model, artifact = convert(specimen.model)
    library = name.split("-")[0]
    assert (model.kind, model.task) == (library, task)
    assert [m.name for m in model.signature.methods] == ["predict"]
    assert list(model.signature.outputs[0].shape[1:]) == columns
    edges = source_of(model).boundaries(model, specimen.x, 10_000).rows
    for rows in (specimen.x, specimen.x[:1], with_missing(specimen.x, 0.3), edges):
        assert_same(model, artifact, rows)
    for suffix in SUFFIXES[library]:
        path = tmp_path / f"model{suffix}"
        specimen.model.save_model(str(path))
        again = load_model(path)
        assert type(again) is type(specimen.model)
        assert convert(again)[1].content == artifact.content


def test_aft_survival():
    require_module("xgboost")
    import xgboost

    x, y = load("diabetes")
    data = xgboost.DMatrix(x)
    data.set_float_info("label_lower_bound", y)
    data.set_float_info("label_upper_bound", np.where(np.arange(len(y)) % 3, y, np.inf))
    fitted = xgboost.train({"objective": "survival:aft", "nthread": 1}, data, 4)
    assert_same(*convert(fitted), x)


@pytest.mark.parametrize("suffix", [".ubj", ".json"])
@pytest.mark.parametrize("name", ["xgb-early-stopping", "xgb-squarederror", "xgb-ranker"])
def test_files_that_an_xgboost_estimator_saved(name, suffix, tmp_path):
    specimen = SPECIMENS[name]()
    path = tmp_path / f"model{suffix}"
    specimen.model.save_model(str(path))
    again = load_model(path)
    assert type(again) is type(specimen.model)
    model, artifact = convert(again)
    assert [m.name for m in model.signature.methods] == [
        m.name for m in describe(specimen.model).signature.methods
    ]
    assert_same(model, artifact, specimen.x)
    np.testing.assert_array_equal(again.predict(specimen.x), specimen.model.predict(specimen.x))


@pytest.mark.parametrize(
    "name", ["catboost-digits", "catboost-poisson", "catboost-ranker", "catboost-multilabel"]
)
def test_files_of_catboost(name, tmp_path):
    specimen = SPECIMENS[name]()
    path = tmp_path / "model.cbm"
    specimen.model.save_model(str(path))
    again = load_model(path)
    assert type(again) is type(specimen.model)
    model, artifact = convert(again)
    assert model.signature.inputs[0].shape == (None, specimen.x.shape[1])
    assert_same(model, artifact, specimen.x)


SILENT = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}


def test_catboost_as_it_is():
    require_module("catboost")
    import catboost

    x, y = load("breast_cancer")
    text = boosted("CatBoostClassifier").fit(x, words(y))
    model, artifact = convert(text)
    assert model.signature.methods[0].labels[0].dtype == "str"
    assert_same(model, artifact, x)
    text.set_probability_threshold(0.8)
    lower = np.mean(text.predict(x) == words(np.array([1]))[0])
    model, artifact = convert(text)
    assert_same(model, artifact, x)
    assert lower < np.mean(text.predict_proba(x)[:, 1] > 0.5)
    plain = catboost.CatBoost({"loss_function": "MultiClass", "iterations": 4, **SILENT}).fit(*load("wine"))
    model, artifact = convert(plain)
    assert model.task == "regression"
    assert_same(model, artifact, load("wine")[0])


def test_columns_have_the_names_of_the_frame():
    require_module("pandas")
    import pandas

    x, y = load("iris")
    frame = pandas.DataFrame(x, columns=list("abcd"))
    for kind in ("LGBMClassifier", "XGBClassifier", "CatBoostClassifier"):
        model, artifact = convert(boosted(kind).fit(frame, y))
        assert model.signature.inputs[0].columns == ("a", "b", "c", "d")
        assert_same(model, artifact, x)
        np.testing.assert_array_equal(
            source_of(model).predict(model, "predict", frame), source_of(model).predict(model, "predict", x)
        )
        assert convert(boosted(kind).fit(x, y))[0].signature.inputs[0].columns == ()


def run_table(model: TrainedModel, artifact: Artifact, x: Any) -> Any:
    """The last output for a table, as the runtime encodes it."""
    import onnxruntime

    session = onnxruntime.InferenceSession(artifact.content, providers=["CPUExecutionProvider"])
    return session.run([artifact.signature.outputs[-1].name], tensors_of(model.signature, x))[0]


def table() -> Specimen:
    """Text with blanks in the column's name, whole numbers as categories, missing cells."""
    require_module("pandas")
    x, y = frame(*load("wine"))
    return Specimen(None, x.rename(columns={"shade": "shade of red"}), y)


def test_categories_of_frames():
    rows = table()
    fitted = boosted("LGBMRegressor", min_data_per_group=5, cat_smooth=1.0).fit(rows.x, rows.y)
    model, artifact = convert(fitted)
    np.testing.assert_allclose(run_table(model, artifact, rows.x), fitted.predict(rows.x), rtol=2e-6)
    assert model.signature.columns == ("malic_acid", "shade_of_red", "label", "strong")
    other = rows.x.assign(**{"shade of red": "rosé"})
    missing_shade = rows.x.assign(**{"shade of red": rows.x["shade of red"].where(rows.x.index < 0)})
    np.testing.assert_array_equal(
        run_table(model, artifact, other), run_table(model, artifact, missing_shade)
    )
    fitted = boosted("XGBRegressor", enable_categorical=True).fit(rows.x, rows.y)
    model, artifact = convert(fitted)
    np.testing.assert_allclose(run_table(model, artifact, rows.x), fitted.predict(rows.x), rtol=2e-6)
    np.testing.assert_allclose(
        run_table(model, artifact, missing_shade), fitted.predict(missing_shade), rtol=2e-6
    )
    with pytest.raises(SignatureError, match="'rosé' in row 0 is not one of its categories: 'clear', 'deep'"):
        run_table(model, artifact, other)


def test_boosters_fitted_on_frames(tmp_path):
    require_module("lightgbm", "xgboost")
    import lightgbm
    import xgboost

    rows = table()
    given = {"objective": "regression", "verbose": -1, "min_data_per_group": 5, "num_threads": 1}
    first = lightgbm.train(given, lightgbm.Dataset(rows.x, rows.y), 4)
    data = xgboost.DMatrix(rows.x, rows.y, enable_categorical=True)
    second = xgboost.train({"nthread": 1}, data, 4)
    for booster, suffix in ((first, ".txt"), (second, ".ubj")):
        path = tmp_path / f"model{suffix}"
        booster.save_model(str(path))
        model, artifact = convert(load_model(path))
        wanted = source_of(model).predict(model, "predict", rows.x)
        np.testing.assert_allclose(run_table(model, artifact, rows.x), wanted, rtol=2e-6)
        np.testing.assert_allclose(wanted, booster.predict(rows.x if booster is first else data), rtol=1e-12)


def test_categories_that_a_library_loses():
    """LightGBM the places of ordered columns: their codes are the input. XGBoost letters beyond ASCII."""
    rows = table()
    ordered = rows.x.assign(label=rows.x["label"].cat.as_ordered())
    fitted = boosted("LGBMRegressor", min_data_per_group=5).fit(ordered, rows.y)
    model, artifact = convert(fitted)
    given = np.column_stack(
        [ordered[name].cat.codes if ordered[name].dtype == "category" else ordered[name] for name in ordered]
    ).astype(np.float64)
    given[:, 1][given[:, 1] < 0] = np.nan
    assert_same(model, artifact, given)
    np.testing.assert_array_equal(source_of(model).predict(model, "predict", given), fitted.predict(ordered))
    accents = rows.x.assign(label=rows.x["label"].cat.rename_categories(lambda value: f"é{value}"))
    fitted = boosted("XGBRegressor", enable_categorical=True).fit(accents, rows.y)
    with pytest.raises(UnsupportedModelError, match="does not keep categories with letters beyond ASCII"):
        convert(fitted)


def fingerprints(names: tuple[str, ...]) -> list[str]:
    lines = []
    for name in names:
        model, artifact = convert(SPECIMENS[name]().model, name)
        lines.append(f"{name} {model.digest} {hashlib.sha256(artifact.content).hexdigest()}")
    return lines


@pytest.mark.slow  # a fresh process
def test_another_process_gives_the_same_bytes():
    require_module("lightgbm", "xgboost", "catboost")
    there = printed_elsewhere(__file__, "print(*t.fingerprints(t.IN_ANOTHER_PROCESS[::-1]), sep='\\n')")
    assert sorted(there) == sorted(fingerprints(IN_ANOTHER_PROCESS))


def test_digests_tell_models_apart():
    x, y = load("wine")
    for kind in ("LGBMClassifier", "XGBClassifier", "CatBoostClassifier"):
        first, second = (describe(boosted(kind).fit(x, labels)).digest for labels in (y, y[::-1]))
        assert first != second
        assert first == describe(boosted(kind).fit(x, y)).digest


def test_symmetric_trees_are_small():
    x, y = load("digits")
    artifact = convert(boosted("CatBoostClassifier", iterations=50, depth=6).fit(x, y))[1]
    assert len(artifact.content) < 50 * 64 * 10 * 4 + 20_000  # leaves of float32, and their questions


def test_what_cannot_be_compiled_says_why():
    x, y = load("breast_cancer")

    def refused(model: Any) -> str:
        described = describe(model)
        ((converter,),) = (route for route in routes(described.kind, "onnx") if len(route) == 1)
        reason = str(converter.offers(described)["float32"])
        with pytest.raises(UnsupportedModelError, match=re.escape(reason)):
            converter.convert(described, "float32", None)
        return reason

    own = boosted("LGBMClassifier", objective=lambda y, p: (p - y, np.ones_like(p))).fit(x, y)
    with pytest.warns(UserWarning, match="customized objective"):
        assert refused(own).endswith("gives scores instead of labels; compile its booster_")
    assert_same(*convert(own.booster_), x)
    with pytest.raises(UnsupportedModelError, match="not fitted: call fit before compiling"):
        describe(boosted("CatBoostClassifier"))
    with pytest.raises(ConversionError, match="xgboost-to-onnx makes float32, not int8-static"):
        described = describe(xgboost_booster("binary:logistic", "breast_cancer").model)
        routes("xgboost", "onnx")[0][0].convert(described, "int8-static", None)


def test_categories_of_catboost_are_refused():
    require_module("pandas", "catboost")
    import pandas

    x, y = load("breast_cancer")
    frame = pandas.DataFrame(x[:, :3]).assign(kind=words(np.arange(len(x)) % 7))
    fitted = boosted("CatBoostClassifier").fit(frame, y, cat_features=["kind"])
    with pytest.raises(UnsupportedModelError, match=r"keeps hashes .* encode them before the model"):
        convert(fitted)


def test_text_files_that_are_no_models(tmp_path):
    for name, text in (("notes.txt", "tree\nhouse\n"), ("data.json", "{}"), ("list.json", "[1, 2]")):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(EdgeMLError) as caught:
            load_model(path)
        assert isinstance(caught.value, InputError)
        assert ("is no LightGBM model" if "tree" in text else "is not a kind of model file") in str(
            caught.value
        )


def replaced(pattern: str, by: str) -> Any:
    return lambda text: re.sub(pattern, by, text, count=1)


DAMAGED = {
    "lightgbm truncated": ("lgb", lambda t: t[: len(t) // 2], "is truncated: its header announces 6 trees"),
    "lightgbm child": ("lgb", replaced(r"left_child=\S+", "left_child=900"), "tree 0: a child index is"),
    "lightgbm cycle": ("lgb", replaced(r"left_child=\S+", "left_child=0"), "tree 0: a node is reached twice"),
    "lightgbm feature": (
        "lgb", replaced(r"split_feature=\S+", "split_feature=99"), "outside of the model's 30",
    ),
    "lightgbm leaves": ("lgb", replaced(r"num_leaves=\d+", "num_leaves=3"), "numbers where 2 are due"),
    "lightgbm threshold": ("lgb", replaced(r"threshold=\S+", "threshold=nan"), "a threshold is not a number"),
    "lightgbm category": (
        "lgb", replaced(r"decision_type=\S+", "decision_type=1"), "tree 0: its arrays are damaged",
    ),
    "lightgbm header": ("lgb", replaced(r"num_class=\d+", "classes=1"), "its header lacks 'num_class'"),
    "xgboost truncated": ("xgb", lambda t: t[: len(t) // 2], "is no XGBoost model, or is damaged"),
    "xgboost child": ("xgb", replaced(r'"left_children":\[\d+', '"left_children":[900'), "a child index is"),
    "xgboost cycle": ("xgb", replaced(r'"left_children":\[\d+', '"left_children":[0'), "reached twice"),
    "xgboost feature": (
        "xgb", replaced(r'"split_indices":\[\d+', '"split_indices":[99'), "outside of the model's 30",
    ),
    "xgboost length": (
        "xgb", replaced(r'"default_left":\[\d,', '"default_left":['), "tree 0: its arrays are damaged",
    ),
    "xgboost group": ("xgb", replaced(r'"tree_info":\[0', '"tree_info":[7'), "do not fit each other"),
    "xgboost category": (
        "xgb", replaced(r'"split_type":\[0', '"split_type":[1'), "tree 0: its arrays are damaged",
    ),
    "xgboost base score": (
        "xgb", replaced(r'"base_score":"[^"]+"', '"base_score":"[1,2,3]"'), "3 base scores and 1 outputs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_damaged_and_hostile_files_are_refused(name, tmp_path):
    library, change, message = DAMAGED[name]
    if library == "lgb":
        path, specimen = tmp_path / "model.txt", lightgbm_booster("binary", "breast_cancer")
    else:
        path, specimen = tmp_path / "model.json", xgboost_booster("binary:logistic", "breast_cancer")
    specimen.model.save_model(str(path))
    text = path.read_text()
    path.write_text(change(text))
    assert path.read_text() != text
    with pytest.raises(EdgeMLError, match=re.escape(message)) as caught:
        load_model(path)
    assert type(caught.value) in (InputError, UnsupportedModelError)


def test_truncated_binary_files_are_refused(tmp_path):
    """XGBoost itself ends the process on these."""
    whole, part = tmp_path / "whole.ubj", tmp_path / "part.ubj"
    xgboost_booster("binary:logistic", "breast_cancer", rounds=2).model.save_model(str(whole))
    content = whole.read_bytes()
    for size in (20, 64, 200, len(content) // 2, len(content) - 1):
        part.write_bytes(content[:size])
        with pytest.raises(
            InputError, match=r"is no XGBoost model, or is damaged|is not a kind of model file"
        ):
            load_model(part)
    specimen = SPECIMENS["catboost-rmse"]()
    specimen.model.save_model(str(tmp_path / "whole.cbm"))
    content = (tmp_path / "whole.cbm").read_bytes()
    for part_of in (content[:30], content[: len(content) // 2], content[:-1], b"no model" * 100):
        Path(tmp_path, "part.cbm").write_bytes(part_of)
        with pytest.raises(InputError, match="is truncated or not a CatBoost model"):
            load_model(tmp_path / "part.cbm")


def test_binary_json_is_what_json_says():
    booster = xgboost_booster("multi:softprob", "wine", num_class=3).model
    binary, text = bytes(booster.save_raw("ubj")), json.loads(bytes(booster.save_raw("json")))

    def assert_equal(mine: Any, theirs: Any) -> None:
        if isinstance(theirs, dict):
            assert list(mine) == list(theirs)
            for key in theirs:
                assert_equal(mine[key], theirs[key])
        elif isinstance(theirs, list) and theirs and isinstance(theirs[0], dict):
            for a, b in zip(mine, theirs, strict=True):
                assert_equal(a, b)
        elif isinstance(theirs, list):
            np.testing.assert_array_equal(np.asarray(mine, np.float32), np.asarray(theirs, np.float32))
        else:
            assert mine == theirs

    assert_equal(decode(binary), text)
    assert decode(b"[#U\x02TZ") == [True, None]
    assert decode(b"[i\x05Si\x02abC!]") == [5, "ab", "!"]
    for size in range(1, 400):
        with pytest.raises(ValueError):
            decode(binary[:size])
    for content in (
        b"",
        b"x",
        b"{",
        b"[$S#i\x01",
        b"[#i\xff",
        b"{i\x01aZ}Z",
        b"[" * 200,
        b"[$L#L\x7f" + b"\xff" * 7,
    ):
        with pytest.raises(ValueError):
            decode(content)
