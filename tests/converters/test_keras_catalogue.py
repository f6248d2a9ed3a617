"""The whole of Keras: every layer it exports is converted and compared, or refused with its reason."""

from __future__ import annotations

import keras_catalogue as catalogue
import pytest
from conftest import require_module
from keras_layers import LAYERS
from keras_structures import STRUCTURES, first_rows
from keras_zoo import by_name, run_onnx, run_tflite

from edgeml.coverage import coverage
from edgeml_converters.keras_support import LAYERS as REFUSED
from edgeml_converters.model import as_feeds
from edgeml_converters.sources.keras import SOURCE
from edgeml_converters.tensorflow_import import import_tensorflow, quiet
from edgeml_converters.to_onnx.from_keras import CONVERTER as TO_ONNX
from edgeml_converters.to_tflite.from_keras import CONVERTER as TO_TFLITE
from edgeml_runtime.errors import UnsupportedModelError

pytestmark = pytest.mark.slow

TOLERANCE = 1e-4  # of values, relative to the largest
FORMATS = {"onnx": (TO_ONNX, run_onnx), "tflite": (TO_TFLITE, run_tflite)}
# Comparisons are kept for the table: one process makes all of a format's.
IN_EACH = [pytest.param(name, marks=pytest.mark.xdist_group(f"keras in {name}")) for name in FORMATS]


@pytest.fixture(autouse=True)
def _installed():
    require_module("tensorflow", "tf2onnx", "ai_edge_litert", "onnxruntime")


def test_every_layer_is_shown_or_refused():
    shown = {catalogue.kind_of(b).split()[0] for name in LAYERS for b in catalogue.built(name).branches}
    listed = set(catalogue.exported())
    assert listed - shown - set(REFUSED) - set(catalogue.NOT_IN_MODELS) == set()
    assert (shown | set(catalogue.NOT_IN_MODELS)) - listed - {"InputLayer"} == set()
    assert not shown & set(REFUSED)


def test_every_activation_is_shown():
    import keras

    other = {"deserialize", "get", "serialize", "hard_swish", "swish"}  # the last two are other names
    listed = {name for name in vars(keras.activations) if not name.startswith("_")} - other
    shown = {catalogue.kind_of(b) for name in LAYERS for b in catalogue.built(name).branches}
    assert {f"Activation {name}" for name in listed} - shown == set()


@pytest.mark.parametrize("target", IN_EACH)
@pytest.mark.parametrize("name", sorted(LAYERS))
def test_layers_agree_with_keras(name, target):
    model, _ = catalogue.described(name)
    assert FORMATS[target][0].offers(model)["float32"] is None
    for branch, largest in catalogue.differences(name, target).items():
        assert largest <= TOLERANCE, branch


@pytest.mark.parametrize("target", IN_EACH)
@pytest.mark.parametrize("name", sorted(STRUCTURES))
def test_structures_agree_with_keras(name, target):
    converter, run = FORMATS[target]
    built = STRUCTURES[name]()
    model = SOURCE.describe(built.model, name)
    artifact = converter.convert(model, "float32", None)
    for rows in catalogue.ROWS_AT_ONCE:
        x = first_rows(built.x, rows)
        expected = by_name(model, SOURCE.predict(model, "predict", x))
        got = run(artifact, as_feeds(model, x))
        assert {key: catalogue.share(expected[key], value) <= TOLERANCE for key, value in got.items()} == (
            dict.fromkeys(expected, True)
        )


# What TensorFlow's quantizer spoils by itself: masked scores, one-hot rows, extremes, volumes. All branches
# at once, or those, each apart: its quantizer wants one scale for all that a mask chooses between.
IN_INT8 = {
    "attention": ("Attention causal", "Attention masked", "MultiHeadAttention window"),
    "categories": (), "conv2d": (), "conv3d": (), "depthwise": (), "embedding": ("Embedding Attention",),
    "grouped": (), "gru": (), "lstm": (), "masked": ("Masking LSTM", "Masking SimpleRNN", "Masking zeros"),
    "merging": (), "pooling3d": (),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_INT8)
def test_layers_in_int8(name):
    for only in [(branch,) for branch in IN_INT8[name]] or [()]:
        specimen = catalogue.build(LAYERS[name], only)
        model = SOURCE.describe(specimen.model, name)
        expected = SOURCE.predict(model, "predict", specimen.x)
        artifact = TO_TFLITE.convert(model, "int8-static", dict(specimen.x))
        got = run_tflite(artifact, dict(specimen.x))
        far = {key: catalogue.share(expected[key], value) for key, value in got.items()}
        assert max(far.values()) <= 0.1, (specimen.branches, far)


@pytest.mark.parametrize("file", ["m.keras", "m.h5", "saved"])
@pytest.mark.parametrize(
    "name", ["functional_with_residuals", "several_inputs_and_outputs", "shared", "transformer"]
)
def test_structures_in_files(name, file, tmp_path):
    """The file's model in both formats gives what the live model predicts."""
    if (name, file) == ("transformer", "m.h5"):
        pytest.skip("Keras does not read its own legacy files of MultiHeadAttention")
    built = STRUCTURES[name]()
    with quiet():
        if file == "saved":
            built.model.export(tmp_path / file, verbose=False)
        else:
            built.model.save(tmp_path / file)
    live = SOURCE.describe(built.model, name)
    model = SOURCE.describe(SOURCE.load(tmp_path / file), name)
    x = as_feeds(live, first_rows(built.x, 7))
    expected = by_name(live, SOURCE.predict(live, "predict", x))
    for converter, run in FORMATS.values():
        got = run(converter.convert(model, "float32", None), x)
        for key, value in got.items():
            assert catalogue.share(expected[key], value) <= TOLERANCE


@pytest.mark.parametrize("target", IN_EACH)
def test_the_support_table_is_up_to_date(target):
    """The same rows; what is measured here within the documented power of ten, or little above it."""
    documented = catalogue.read_table(catalogue.TABLE.read_text())
    hint = "run `python tests/keras_catalogue.py`"
    refused = REFUSED | catalogue.NOT_IN_MODELS
    found = catalogue.rows((target,))
    assert set(documented) == set(found) | set(refused), hint
    for kind, reason in refused.items():
        assert documented[kind] == (reason,), hint
    for kind, row in found.items():
        *bounds, branches = documented[kind]
        assert branches == str(row.branches), hint
        stated, measured = bounds[catalogue.FORMATS.index(target)], catalogue.bound(row.largest[target])
        assert 0.05 < magnitude(measured) / magnitude(stated) < 20, (kind, stated, measured, hint)


def magnitude(cell: str) -> float:
    # Sums in another order are the same, or differ by float32's resolution.
    return 1e-7 if cell == "same" else float(cell)


def _refused_layers(keras):
    layers = keras.layers
    strings, numbers = keras.Input((1,), dtype="string"), keras.Input((3,), dtype="int32")
    picture, lines = keras.Input((3, 12, 10)), keras.Input((8, 5))
    fixed = keras.Input(batch_shape=(1, 5, 3))
    return {
        "StringLookup": (strings, layers.StringLookup(vocabulary=["a", "b"])),
        "TextVectorization": (strings, layers.TextVectorization(vocabulary=["a", "b"])),
        "Hashing": (numbers, layers.Hashing(4)),
        "HashedCrossing": (keras.Input((1,), dtype="int32"), layers.HashedCrossing(4)),
        "Conv2D": (picture, layers.Conv2D(4, 3, data_format="channels_first")),
        "Conv1DTranspose": (lines, layers.Conv1DTranspose(4, 3, dilation_rate=2)),
        "LSTM": (fixed, layers.LSTM(4, stateful=True)),
        "GRU": (lines, layers.GRU(4, dtype="mixed_float16")),
    }


@pytest.mark.parametrize(
    "kind",
    [
        "StringLookup",
        "TextVectorization",
        "Hashing",
        "HashedCrossing",
        "Conv2D",
        "Conv1DTranspose",
        "LSTM",
        "GRU",
    ],
)
def test_unsupported_layers_are_refused_by_path_before_conversion(kind):
    """Each with the rewrite, in `offers`, in the steps that inspect shows, and by `convert` itself."""
    import_tensorflow()
    import keras

    with quiet():
        inputs, layer = _refused_layers(keras)[kind]
        layer.name = "odd"
        feed = (inputs, inputs) if kind == "HashedCrossing" else inputs
        inner = keras.Model(inputs, layer(feed), name="inner")
        outer = keras.Input(batch_shape=inputs.shape, dtype=inputs.dtype)
        model = SOURCE.describe(keras.Model(outer, inner(outer)), "net")
    shown = coverage(model)  # what `edgeml inspect` and the start of compile say
    (odd,) = (step for step in shown.steps if any(step.formats.values()))
    assert (odd.path, odd.kind) == ("inner/odd", kind) and all(odd.formats.values())
    assert all("inner/odd" in reason for reason in shown.formats.values())
    for converter in FORMATS.values():
        steps = converter[0].steps(model)
        (path,) = (path for path, reason in steps.items() if reason)
        assert path == "inner/odd" and any(word in steps[path] for word in ("before the model", "rebuild"))
        with pytest.raises(UnsupportedModelError) as caught:
            converter[0].convert(model, "float32", None)
        assert f"net: inner/odd ({kind}) {steps[path]}" in str(caught.value)
        assert str(caught.value) in converter[0].offers(model)["float32"]
