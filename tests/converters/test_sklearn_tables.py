"""Tables as people have them, cell by cell: taken as scikit-learn takes them, with the same answers."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any

import numpy as np
import pytest
from catalogue import artifact, described, session
from conftest import printed_elsewhere, require_module
from zoo import ZOO, encoders, text
from zoo.real_rows import descriptions, patient_table, wine_table
from zoo.specimen import Specimen, new, pipe

from edgeml.reference import as_arrays
from edgeml_converters.model import TrainedModel
from edgeml_converters.sources.sklearn import SOURCE
from edgeml_converters.sources.sklearn_columns import inputs_of
from edgeml_converters.to_onnx.from_sklearn import CONVERTER
from edgeml_runtime.encodings import Categories
from edgeml_runtime.errors import SignatureError, UnsupportedModelError
from edgeml_runtime.manifest import Budget
from edgeml_runtime.session import Session

CELLS = (
    None, float("nan"), "nan", "None", "", "zz", "HIGH", "high ", "médian", "me\u0301dian", "low", "東",
    "1", 1, 1.0, True, 2, 2.5, "True", -1,
)  # fmt: skip
NUMBERS = {name for name in encoders.SPECIMENS if name.startswith("imputer-")} | {"missing-indicator"}
BY_CELL = sorted(
    {*encoders.SPECIMENS, "table-transformed", "table-missing", "table-boosting-from-dtype"} - NUMBERS
)
IN_ANOTHER_PROCESS = ("table-text", "table-union", "tfidf-svd-svc", "one-hot-infrequent", "feature-hasher")


@pytest.fixture(autouse=True)
def _installed():
    require_module("sklearn", "skl2onnx", "onnxruntime", "pandas")


def opened(model: Any, rows: Any) -> tuple[TrainedModel, Session]:
    """A fitted model as its source describes it, and its bundle in ONNX as users open it."""
    from edgeml.pack import bundle_of, provenance_of
    from edgeml_converters.model import Data, take_rows

    trained = SOURCE.describe(model, "model")
    made = CONVERTER.convert(trained, "float32", None)
    data = Data(take_rows(rows, np.arange(2)))
    provenance = provenance_of(trained, "onnx", (), "", {})
    return trained, Session(bundle_of(made, trained, data, device="", budget=Budget(), provenance=provenance))


def assert_same(trained: TrainedModel, session: Session, rows: Any) -> None:
    """Every method, within float32."""
    for method in trained.signature.methods:
        wanted = as_arrays(SOURCE.predict(trained, method.name, rows))
        got = as_arrays(session.call(method.name, rows))
        for theirs, mine in zip(wanted, got, strict=True):
            assert theirs.shape == mine.shape
            if theirs.dtype.kind in "US":
                assert (theirs == mine).all()
            else:
                np.testing.assert_allclose(mine, theirs.astype(float), rtol=1e-5, atol=1e-5)


def with_cell(rows: Any, place: int, cell: Any) -> Any:
    """The fourth row with another cell in that column."""
    if not hasattr(rows, "iloc"):
        made = rows[3:4].copy()
        made[0, place] = cell
        return made
    import pandas

    made = rows.iloc[[3]].reset_index(drop=True)
    made.isetitem(place, pandas.Series([cell], dtype=object))
    return made


@pytest.mark.parametrize("name", BY_CELL)
def test_every_cell_goes_as_in_scikit_learn(name):
    """Taken with the same answer, or refused by both; the runtime alone may refuse another kind of cell."""
    trained, opened = described(name), session(name, "onnx")
    for spec in trained.signature.inputs:
        place = trained.signature.columns.index(spec.source_name)
        for cell in CELLS:
            rows = with_cell(ZOO[name]().x, place, cell)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of unknown categories, as the model was told to
                    assert_same(trained, opened, rows)
            except SignatureError as error:
                kinds = "expected" in str(error)
                assert kinds or refuses(trained, rows), f"{spec.source_name} {cell!r}: {error}"
            except (ValueError, TypeError) as error:
                with pytest.raises(SignatureError):
                    opened.predict(rows) if trained.task != "transform" else opened.transform(rows)
                assert "NaN" in str(error) or "unknown" in str(error) or "convert" in str(error)


def refuses(trained: TrainedModel, rows: Any) -> bool:
    """Whether the original fails on those rows."""
    try:
        SOURCE.predict(trained, trained.signature.methods[0].name, rows)
    except (ValueError, TypeError):
        return True
    return False


@pytest.mark.parametrize("name", ["table-logistic", "table-text", "table-array", "table-rest"])
def test_every_form_of_a_table_gives_the_same(name):
    rows, opened = ZOO[name]().x, session(name, "onnx")
    wanted = opened.predict(rows)
    names = described(name).signature.columns
    columns = {n: rows[n].tolist() if hasattr(rows, "iloc") else rows[:, i] for i, n in enumerate(names)}
    records = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    used = {n: columns[n] for n in described(name).signature.sources}
    for form in (columns, records, used, dict(reversed(columns.items()))):
        assert (opened.predict(form) == wanted).all()
        assert (np.asarray(SOURCE.predict(described(name), "predict", form)) == rows_answer(name)).all()


def rows_answer(name: str) -> Any:
    return SOURCE.predict(described(name), "predict", ZOO[name]().x)


def test_other_columns_are_refused_with_both_lists():
    frame, opened = wine_table()[0], session("table-logistic", "onnx")
    renamed = frame.rename(columns={"hue": "tint"})
    everything = "bottle, alcohol, malic acid, proline, hue, cellar, strong, shade, label"
    with pytest.raises(SignatureError, match=f"expected columns {everything}; got .*tint.*missing: hue"):
        opened.predict(renamed)
    with pytest.raises(SignatureError, match=r"expected columns .*; got label, .*select them in that order"):
        opened.predict(frame[frame.columns[::-1]])
    with pytest.raises(SignatureError, match="column 'alcohol': expected numbers, got str 'strong'"):
        opened.predict(frame.assign(alcohol="strong"))
    with pytest.raises(SignatureError, match=r"column 'hue': expected text, got float 1\.5 in row 0"):
        opened.predict(frame.assign(hue=1.5))
    with pytest.raises(
        SignatureError, match="column 'label': '7' in row 0 is not one of its categories: '1'"
    ):
        opened.predict(frame.assign(label="7"))
    with pytest.raises(SignatureError, match="column 'label': the value in row 0 is missing"):
        opened.predict(frame.assign(label=None))


def test_unused_columns_are_known_but_no_inputs():
    signature = described("table-logistic").signature
    assert set(signature.columns) - set(signature.sources) == {"bottle", "proline", "shade"}
    only_used = wine_table()[0][[c for c in signature.columns if c in signature.sources]]
    opened = session("table-logistic", "onnx")
    assert (opened.predict(only_used) == opened.predict(wine_table()[0])).all()


def fitted(*parts: Any, last: Any = None, remainder: Any = "drop", data: Any = patient_table) -> Specimen:
    rows, y = data()
    columns = new("compose.ColumnTransformer", list(parts), remainder=remainder)
    model = columns if last is None else pipe(columns, last)
    return Specimen(model.fit(rows, y), rows, y)


def spec_of(model: Any, column: str) -> Any:
    return next(s for s in inputs_of(model, "model").specs if s.source_name == column)


def test_numbers_alone_stay_one_matrix():
    frame, y = wine_table()
    frame = frame[["alcohol", "proline", "strong"]]
    model = pipe(new("preprocessing.StandardScaler"), new("linear_model.LogisticRegression")).fit(frame, y)
    (x,) = inputs_of(model, "model").specs
    assert (x.name, x.columns, x.encoding) == ("x", ("alcohol", "proline", "strong"), None)
    assert_same(*opened(model, frame), frame)


def test_booleans_with_gaps_are_numbers_where_a_step_calculates_with_them():
    gaps = new("impute.SimpleImputer", missing_values=None, strategy="most_frequent")
    age = ("age", new("preprocessing.OneHotEncoder"), ["age"])
    specimen = fitted(("smoker", gaps, ["smoker"]), age, last=new("linear_model.Ridge"))
    spec = spec_of(specimen.model, "smoker")
    assert (spec.encoding, spec.allow_nan) == (None, True)
    trained, session = opened(specimen.model, specimen.x)
    for rows in (specimen.x, specimen.x.assign(smoker=True), specimen.x.assign(smoker=0.25)):
        assert_same(trained, session, rows)


def test_codes_that_a_step_calculates_with_become_their_numbers():
    frame, y = patient_table()
    frame = frame.assign(ward=np.array([16777216, 16777217, 3])[np.arange(len(frame)) % 3])
    specimen = fitted(
        ("hot", new("preprocessing.OneHotEncoder"), ["ward"]),
        ("number", new("preprocessing.MinMaxScaler"), ["ward"]),
        last=new("linear_model.Ridge"),
        data=lambda: (frame, y),
    )
    assert spec_of(specimen.model, "ward").encoding.values == (3, 16777216, 16777217)
    assert_same(*opened(specimen.model, specimen.x), specimen.x)


def test_text_among_numbers_is_refused_by_column():
    marked = new("impute.SimpleImputer", missing_values="?", strategy="constant", fill_value=0)
    frame, y = patient_table()
    frame = frame.assign(bp=np.where(np.arange(len(frame)) % 5, frame["bp"], "?").astype(object))
    numbers = frame.assign(bp=[v if v == "?" else float(v) for v in frame["bp"]]).astype({"bp": object})
    specimen = fitted(("bp", marked, ["bp"]), last=new("linear_model.Ridge"), data=lambda: (numbers, y))
    with pytest.raises(UnsupportedModelError, match=r"column 'bp' holds '\?' beside numbers.* use NaN"):
        SOURCE.describe(specimen.model, "model")


def test_missing_cells_are_refused_where_a_later_step_would():
    scale, impute = new("preprocessing.StandardScaler"), new("impute.SimpleImputer")
    encode = new("preprocessing.OneHotEncoder")
    model = fitted(
        ("scaled", scale, ["bmi"]), ("filled", impute, ["bp"]), ("age", encode, ["age"]),
        last=new("linear_model.Ridge"),
    ).model  # fmt: skip
    assert [spec_of(model, name).allow_nan for name in ("bmi", "bp", "age")] == [False, True, False]
    boosting = new("ensemble.HistGradientBoostingRegressor", max_iter=2)
    model = fitted(("scaled", scale, ["bmi"]), ("age", encode, ["age"]), last=boosting).model
    assert [spec_of(model, name).allow_nan for name in ("bmi", "age")] == [True, False]


def test_unknown_cells_that_become_nan_are_refused_where_a_later_step_would():
    encode = new("preprocessing.OrdinalEncoder", handle_unknown="use_encoded_value", unknown_value=np.nan)
    last = new("linear_model.Ridge"), new("ensemble.HistGradientBoostingRegressor", max_iter=2)
    unknown = [
        spec_of(fitted(("age", encode, ["age"]), ("bmi", "passthrough", ["bmi"]), last=m).model, "age")
        for m in last
    ]
    assert [spec.encoding.unknown for spec in unknown] == ["refuse", "code"]


def test_readers_of_one_column_share_its_codes():
    """Each with categories of its own; what one of them refuses is refused."""
    given = new(
        "preprocessing.OneHotEncoder", categories=[["old", "young", "ancient"]], handle_unknown="ignore"
    )
    all_of_them = new("preprocessing.OrdinalEncoder")
    specimen = fitted(("given", given, ["age"]), ("all", all_of_them, ["age"]))
    encoding = spec_of(specimen.model, "age").encoding
    assert encoding == Categories(("old", "young", "adult"), "refuse")  # "ancient" the other one refuses
    assert_same(*opened(specimen.model, specimen.x), specimen.x)


@pytest.mark.parametrize(
    "names",
    [
        ("label", "probabilities", "x"),
        ("concat_0", "constant_0", "gather_1"),
        ("größe (m²)", " ", "a/b:0"),
        ("True", "0", "None"),
    ],
)
def test_any_names_of_columns(names):
    frame, y = wine_table()
    frame = frame[["alcohol", "proline", "label"]].set_axis(list(names), axis=1)
    model = pipe(
        new(
            "compose.ColumnTransformer",
            [("text", new("preprocessing.OneHotEncoder"), [names[2]])],
            remainder=new("preprocessing.StandardScaler"),
        ),
        new("linear_model.LogisticRegression"),
    ).fit(frame, y)
    trained, session = opened(model, frame)
    assert trained.signature.columns == names
    assert_same(trained, session, frame)
    assert_same(trained, session, frame.to_dict("records"))


def test_whole_numbers_that_float32_confuses_have_codes():
    ids = np.array([16777216, 16777217, 16777218, 5])[np.arange(40) % 4][:, None]
    model = pipe(
        new("preprocessing.OneHotEncoder", handle_unknown="ignore"), new("linear_model.Ridge", 0.001)
    ).fit(ids, np.arange(40) % 4)
    trained, session = opened(model, ids)
    assert trained.signature.inputs[0].encoding.values == (5, 16777216, 16777217, 16777218)
    assert_same(trained, session, ids)


def test_documents_without_words_and_others():
    odd = [
        "",
        " \t\n",
        "the the the",
        "ÄÖÜ ß ﬁne",
        "a" * 3000,
        "wine\u0000wine",
        "🍷 Wine",
        "x-y_z's 1,000.5",
    ]
    for name in sorted(set(text.SPECIMENS)):
        specimen = ZOO[name]()
        if not isinstance(specimen.x, list) or not isinstance(specimen.x[0], str):
            continue
        assert_same(described(name), session(name, "onnx"), odd)
    with pytest.raises(SignatureError, match="input 'x': expected text, got nothing in row 1"):
        session("tfidf-logistic", "onnx").predict(["wine", None])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tokenizer": str.split, "token_pattern": None}, "tokenizer is a function"),
        ({"preprocessor": str.lower}, "preprocessor is a function"),
        ({"analyzer": str.split}, "analyzer is a function"),
        ({"strip_accents": str.lower}, "strip_accents is a function"),
        ({"input": "filename"}, "input='filename' reads files"),
    ],
)
def test_what_cannot_be_sent_to_a_device_is_refused_by_step(options, reason):
    vectorizer = new("feature_extraction.text.CountVectorizer", **options)
    vectorizer.vocabulary_ = {"wine": 0, "patients": 1}
    _, y = descriptions()
    model = pipe(vectorizer, new("naive_bayes.MultinomialNB"))
    model.steps[1][1].fit(np.eye(2)[np.arange(len(y)) % 2], y)
    offered = CONVERTER.offers(SOURCE.describe(model, "model"))["float32"]
    assert offered is not None and offered.startswith("pipeline.countvectorizer (CountVectorizer): ")
    assert reason in offered and ("leave it outside" in offered or "use input='content'" in offered)


def test_text_that_goes_through_is_refused_by_column():
    with pytest.raises(UnsupportedModelError, match=r"column 'age' holds text, .*encode the column"):
        SOURCE.describe(
            fitted(
                ("filled", new("impute.SimpleImputer", strategy="constant", fill_value="?"), ["age"])
            ).model,
            "model",
        )


@pytest.mark.parametrize("target", ["onnx", pytest.param("tflite", marks=pytest.mark.slow)])
def test_the_whole_way_from_a_frame(target):
    import edgeml

    frame, y = wine_table()
    model = ZOO["table-logistic"]().model
    result = edgeml.compile(
        model, device="raspberry-pi-4", data=edgeml.Data(frame, y), formats=[target], schemes=["float32"]
    )
    (outcome,) = result.outcomes
    assert outcome.parity.flips == () and outcome.boundaries.flips == ()
    assert outcome.boundaries.total > 15
    session = Session(outcome.bundle)
    assert (session.predict(frame) == model.predict(frame)).all()
    assert (session.predict(frame.to_dict("records")) == model.predict(frame)).all()


def test_without_data_rows_are_drawn_from_the_tables():
    import edgeml

    for name in ("table-logistic", "table-text", "tfidf-logistic", "feature-hasher"):
        result = edgeml.compile(
            ZOO[name]().model, device="raspberry-pi-4", formats=["onnx"], schemes=["float32"]
        )
        assert result.chosen is not None and result.outcomes[0].parity.flips == ()


def test_the_command_line_takes_tables(tmp_path, capsys):
    import joblib

    from edgeml.cli import main

    frame, y = wine_table()
    joblib.dump(ZOO["table-logistic"]().model, tmp_path / "m.joblib")
    frame.assign(grade=y).to_csv(tmp_path / "rows.csv", index=False)
    frame.to_json(tmp_path / "rows.json", orient="records")
    compile_it = (
        f"compile {tmp_path}/m.joblib --trust-pickle --device raspberry-pi-4 --data {tmp_path}/rows.csv "
        f"--target grade --formats onnx --schemes float32 -o {tmp_path}/m.edgeml"
    )
    try:
        main(compile_it.split())
    except SystemExit as done:
        assert done.code in (0, None)
    capsys.readouterr()
    answers = set()
    for rows in ("rows.csv", "rows.json"):
        try:
            main(["run", str(tmp_path / "m.edgeml"), "--input", str(tmp_path / rows)])
        except SystemExit as done:
            assert done.code in (0, None)
        answers.add(capsys.readouterr().out)
    assert len(answers) == 1
    assert [int(v) for v in "".join(c if c.isdigit() else " " for c in answers.pop()).split()] == list(
        ZOO["table-logistic"]().model.predict(frame)
    )


def fingerprints(names: tuple[str, ...]) -> list[str]:
    return [
        f"{name} {described(name).digest} {hashlib.sha256(artifact(name, 'onnx').content).hexdigest()}"
        for name in names
    ]


@pytest.mark.slow  # a fresh process
def test_another_process_gives_the_same_bytes():
    there = printed_elsewhere(__file__, "print(*t.fingerprints(t.IN_ANOTHER_PROCESS[::-1]), sep='\\n')")
    assert sorted(there) == sorted(fingerprints(IN_ANOTHER_PROCESS))
