"""What artifacts need, against the engines that are installed, and what the tables say of releases."""

from __future__ import annotations

import dataclasses

import pytest
from bundles import GOLDEN, classifier_bundle, node, onnx_graph

from edgeml.devices import DeviceProfile, device_names, load_device
from edgeml.requirements.liveness import Step, arena_bytes, lifetimes, peak_bytes
from edgeml.requirements.loading import engine_loading
from edgeml.requirements.memory import flash, memory, sram
from edgeml.requirements.needs import Needs, OperatorUse, needs_of
from edgeml.requirements.operators import acceptance
from edgeml.requirements.releases import comparable, engine_releases, usable_versions
from edgeml_runtime.engines import choose_engine
from edgeml_runtime.errors import InputError
from tests.conftest import require_module

ENGINES = ("onnxruntime", "litert", "tflite-runtime", "tflite-micro")


def board(**changes: object) -> DeviceProfile:
    return dataclasses.replace(load_device("raspberry-pi-4"), sources={}, unsourced=(), **changes)


def answers(requirements) -> dict[str, str]:
    return {r.name: r.answer for r in requirements}


# --- what is alive at once ---

CHAIN = (Step(("x",), ("a",)), Step(("a",), ("b",)), Step(("a", "b"), ("c",)))
SIZES = {"x": 100, "a": 40, "b": 40, "c": 16}


def test_a_tensor_lives_from_its_maker_to_its_last_reader():
    assert lifetimes(CHAIN, ["x"], ["c"]) == {"x": (-1, 0), "a": (0, 2), "b": (1, 2), "c": (2, 3)}


def test_the_peak_is_of_the_step_with_most_alive():
    spans = lifetimes(CHAIN, ["x"], ["c"])
    assert peak_bytes(CHAIN, spans, SIZES) == 140
    assert peak_bytes(CHAIN, spans, SIZES | {"x": 4}) == 96


def test_an_output_takes_the_place_of_its_dying_input_where_the_operator_may():
    for in_place, expected in ((True, 64), (False, 128)):
        steps = (Step(("x",), ("y",), in_place=in_place),)
        assert peak_bytes(steps, lifetimes(steps, ["x"], ["y"]), {"x": 64, "y": 64}) == expected


def test_an_arena_reuses_the_place_of_the_dead_and_aligns():
    assert arena_bytes(lifetimes(CHAIN, ["x"], ["c"]), SIZES) == 112 + 48
    spans = {"x": (0, 1), "y": (1, 2), "z": (2, 3)}
    assert arena_bytes(spans, {"x": 100, "y": 50, "z": 100}) == 112 + 64


# --- ONNX ---


def test_an_onnx_file_tells_its_opset_operators_and_weights():
    bundle, _, _ = classifier_bundle()
    needs = needs_of("onnx", bundle.artifact)
    assert (needs.ir_version, dict(needs.opsets)) == (8, {"ai.onnx": 17})
    assert needs.weights_bytes == 4 * (4 * 3 + 3)
    assert [(o.name, o.count, o.version) for o in needs.operators] == [
        ("ArgMax", 1, 13),
        ("Gemm", 1, 13),
        ("Softmax", 1, 13),
    ]
    # Scores and probabilities of three classes with the label, once the row is gone.
    assert needs.peak_bytes == 3 * 4 + 8 + 4 * 2


def test_onnx_weights_in_attributes_and_in_inner_graphs_count(tmp_path):
    require_module("onnx", "sklearn", "skl2onnx")
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    import edgeml

    x, y = load_digits(return_X_y=True)
    model = RandomForestClassifier(5, random_state=0).fit(x, y)
    result = edgeml.compile(model, device="raspberry-pi-4", formats=["onnx"], schemes=["float32"])
    artifact = result.chosen.artifact
    needs = needs_of("onnx", artifact.content)
    assert 0.9 * len(artifact.content) < needs.weights_bytes < 4 * len(artifact.content)
    assert {o.domain for o in needs.operators} <= {"ai.onnx", "ai.onnx.ml"}


def test_a_tensor_without_a_known_size_leaves_the_peak_open():
    shape = {"x": ("float32", [None, "n"])}
    needs = needs_of("onnx", onnx_graph([node("Relu", "x", "y")], shape, {"y": ("float32", [None, "n"])}, {}))
    assert (needs.peak_bytes, needs.unsized) == (None, ("x", "y"))


# --- TFLite ---


def test_a_tflite_file_tells_its_operators_with_versions_and_its_arena(shared_data):
    needs = needs_of("tflite", (shared_data / "kws/kws_reference_int8.tflite").read_bytes())
    assert {o.name: (o.count, o.version) for o in needs.operators} == {
        "AVERAGE_POOL_2D": (1, 2),
        "CONV_2D": (5, 3),
        "DEPTHWISE_CONV_2D": (4, 3),
        "FULLY_CONNECTED": (1, 4),
        "RESHAPE": (1, 1),
        "SOFTMAX": (1, 2),
    }
    # Two activations of 25 x 5 x 64 int8 values: no convolution writes over its input.
    assert needs.peak_bytes == needs.arena_bytes == 2 * 25 * 5 * 64
    assert (needs.file_bytes, needs.weights_bytes) == (53_936, 24_392)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"\0" * 64])
@pytest.mark.parametrize("artifact_format", ["tflite", "onnx"])
def test_what_is_no_artifact_is_refused(artifact_format, damage):
    whole = (GOLDEN / "iris_int8.tflite").read_bytes()
    if artifact_format == "onnx":
        whole = classifier_bundle()[0].artifact
    with pytest.raises(InputError, match=r"not an? (ONNX|TFLite) file|damaged TFLite file"):
        needs_of(artifact_format, damage(whole))


def test_other_formats_are_refused_by_name():
    with pytest.raises(InputError, match="what 'native' artifacts need cannot be read; only onnx, tflite"):
        needs_of("native", b"")


# --- releases ---


@pytest.mark.parametrize("name", ENGINES)
def test_the_tables_read_and_have_sources(name):
    known = engine_releases(name)
    assert known is not None
    assert known.sources
    assert len({r.version for r in known.releases}) == len(known.releases)


def test_a_third_partys_engine_has_no_table():
    assert engine_releases("someone-elses") is None


def test_versions_compare_as_numbers():
    assert comparable("1.9.0") < comparable("1.15.0") < comparable("1.15.1") < comparable("2.0")


def test_a_version_between_two_known_ones_reads_what_the_older_reads():
    known = engine_releases("onnxruntime")
    assert known.find("1.19.1").opsets == known.find("1.19.0").opsets
    assert known.find("1.19.1").ran_with == {}
    assert known.find("1.2.0") is None


def test_operators_of_a_release_are_those_of_all_before_it():
    known = engine_releases("litert")
    assert known.newest_versions("1.0.1")["FULLY_CONNECTED"] == 13
    assert known.newest_versions("2.3.0")["FULLY_CONNECTED"] == 14
    assert known.newest_versions("2.3.0")["ABS"] == known.newest_versions("1.0.1")["ABS"]
    assert known.newest_versions("1.0.0") == {}


def test_usable_versions_leave_broken_ones_out():
    assert list(usable_versions("onnxruntime", "1.20.0", "1.21.1", ("1.21.0",))) == [
        "1.21.1",
        "1.20.1",
        "1.20.0",
    ]


@pytest.mark.parametrize("opset", [17, 27, 28, 29])
def test_the_table_of_onnxruntime_says_what_the_installed_one_does(opset):
    require_module("onnx", "onnxruntime")
    from onnx import TensorProto, helper

    rt = choose_engine("onnx", "onnxruntime")
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None, 2]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    content = model.SerializeToString()
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument

    try:
        onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        opens = True
    except (Fail, InvalidArgument):
        opens = False
    found = answers(
        acceptance(needs_of("onnx", content), "onnxruntime", rt.version(), scheme="", ran_with=None)
    )
    assert (found["opset"] == "yes") == opens


def test_the_table_of_litert_says_what_the_installed_one_does():
    require_module("ai_edge_litert")
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    engine = choose_engine("tflite", "litert")
    newest = engine_releases("litert").newest_versions(engine.version())
    codes = {k: v for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    differing = []
    for name in sorted(set(newest) | {"STABLEHLO_ABS"}):
        for version in {1, newest.get(name, 0), newest.get(name, 0) + 1} - {0}:
            model, graph, tensor = schema.ModelT(), schema.SubGraphT(), schema.TensorT()
            code = schema.OperatorCodeT()
            code.builtinCode, code.deprecatedBuiltinCode = codes[name], min(codes[name], 127)
            code.version = version
            tensor.shape, tensor.type, tensor.buffer, tensor.name = [1], 0, 0, b"x"
            graph.tensors, graph.inputs, graph.outputs, graph.operators = [tensor], [0], [0], []
            model.version, model.operatorCodes, model.buffers, model.subgraphs = (
                3,
                [code],
                [schema.BufferT()],
                [graph],
            )
            builder = flatbuffers.Builder(256)
            builder.Finish(model.Pack(builder), b"TFL3")
            try:
                Interpreter(model_content=bytes(builder.Output()))
                takes = True
            except ValueError:
                takes = False
            if takes != (version <= newest.get(name, 0)):
                differing.append((name, version, takes))
    assert differing == [("BROADCAST_TO", 1, False)]  # the one version that was taken back


# --- what a version accepts ---


def onnx_of(opset: int = 18, ir_version: int = 8, domain: str = "ai.onnx", version: int | None = 13) -> Needs:
    operators = (OperatorUse("Relu", 1, version, domain),)
    return Needs("onnx", 100, 10, operators, ir_version, {"ai.onnx": opset})


@pytest.mark.parametrize(
    ("needs", "version", "opset", "operators", "reason"),
    [
        (
            onnx_of(),
            "1.15.0",
            "yes",
            "yes",
            "reads opset 18 of ai.onnx (reads up to 19), IR version 8 (up to 9)",
        ),
        (
            onnx_of(22),
            "1.20.1",
            "no",
            "yes",
            "opset 22 of ai.onnx; onnxruntime 1.20.1 reads up to 21; 1.21.0 would",
        ),
        (onnx_of(99), "1.32.0", "no", "yes", "reads up to 28; no release known here would"),
        (
            onnx_of(ir_version=10),
            "1.17.0",
            "no",
            "yes",
            "IR version 10; onnxruntime 1.17.0 reads up to 9; 1.18.0 would",
        ),
        (onnx_of(19, version=19), "1.15.0", "yes", "unproven", "which may lack the kernel"),
        (onnx_of(domain="com.acme"), "1.20.0", "yes", "unproven", "com.acme:Relu: not of the standard"),
        (onnx_of(5), "1.20.0", "unproven", "yes", "opset 5; onnxruntime 1.20.0 promises 7 and newer"),
    ],
)
def test_what_onnxruntime_accepts(needs, version, opset, operators, reason):
    found = acceptance(needs, "onnxruntime", version, scheme="float32", ran_with="1.32.1")
    assert answers(found) == {"opset": opset, "operators": operators}
    assert reason in " ".join(r.reason for r in found)


def test_the_version_that_ran_it_accepts_it():
    (found,) = acceptance(onnx_of(99), "onnxruntime", "1.32.0", scheme="float32", ran_with="1.32.0")
    assert (found.answer, "ran this very artifact" in found.reason) == ("yes", True)


def tflite_of(name: str, version: int | None, domain: str = "") -> Needs:
    return Needs("tflite", 100, 10, (OperatorUse(name, 1, version, domain),))


@pytest.mark.parametrize(
    ("needs", "engine", "version", "answer", "reason"),
    [
        (tflite_of("FULLY_CONNECTED", 9), "tflite-runtime", "2.14.0", "yes", "in the file's versions"),
        (
            tflite_of("FULLY_CONNECTED", 14),
            "tflite-runtime",
            "2.14.0",
            "no",
            "version 14; tflite-runtime 2.14.0 takes",
        ),
        (
            tflite_of("STABLEHLO_SORT", 1),
            "litert",
            "2.3.0",
            "no",
            "ai-edge-litert 2.3.0 has no STABLEHLO_SORT",
        ),
        (tflite_of("FlexErf", None, "custom"), "litert", "2.3.0", "no", "no kernels for custom:FlexErf"),
        (tflite_of("RELU", 1), "litert", "1.0.0", "unproven", "is not known here"),
        (tflite_of("RELU", 1), "someone-elses", "1.0", "unproven", "is not known here"),
        (tflite_of("CONV_2D", 99), "tflite-micro", "933f830", "yes", "has CONV_2D"),
        (
            tflite_of("TOPK_V2", 1),
            "tflite-micro",
            "933f830",
            "unproven",
            "has no TOPK_V2; a newer revision may",
        ),
    ],
)
def test_what_interpreters_of_tflite_accept(needs, engine, version, answer, reason):
    (found,) = acceptance(needs, engine, version, scheme="int8-static", ran_with=None)
    assert (found.answer, reason in found.reason) == (answer, True), found


def test_a_linked_librarys_float_kernels_are_not_certain():
    (found,) = acceptance(tflite_of("GATHER", 1), "tflite-micro", "933f830", scheme="float32", ran_with=None)
    assert found.answer == "unproven"


# --- wheels and instructions ---


@pytest.mark.parametrize("name", device_names())
def test_every_device_answers_for_every_engine(name):
    profile = load_device(name)
    for engine in profile.engines:
        loading = engine_loading(profile, engine)
        assert answers(loading.requirements)["wheel"] in ("yes", "no", "unproven")
        assert all(r.reason for r in loading.requirements)


def test_the_newest_wheel_of_the_devices_glibc_and_python():
    old = board(userland=dataclasses.replace(board().userland, libc="glibc 2.27"))
    loading = engine_loading(old, "onnxruntime")
    assert loading.version == "1.28.0"
    assert "1.32.0 needs glibc 2.28 and the device has glibc 2.27" in loading.requirements[0].reason
    ancient = board(userland=dataclasses.replace(board().userland, libc="glibc 2.13"))
    assert answers(engine_loading(ancient, "onnxruntime").requirements)["wheel"] == "no"
    musl = board(userland=dataclasses.replace(board().userland, libc="musl"))
    assert answers(engine_loading(musl, "onnxruntime").requirements)["wheel"] == "no"
    python = board(userland=dataclasses.replace(board().userland, python="3.9"))
    (wheel, *_) = engine_loading(python, "onnxruntime").requirements
    assert (wheel.answer, "the device has 3.9" in wheel.reason) == ("no", True)


def test_a_broken_newest_version_is_passed_over():
    wheel = dataclasses.replace(board().engines["onnxruntime"], last_version="1.21.0")
    loading = engine_loading(board(engines={"onnxruntime": wheel}), "onnxruntime")
    assert (loading.version, answers(loading.requirements)["wheel"]) == ("1.20.1", "yes")
    only = dataclasses.replace(wheel, first_version="1.21.0")
    loading = engine_loading(board(engines={"onnxruntime": only}), "onnxruntime")
    assert (loading.version, loading.requirements[0].answer) == (None, "no")
    assert "is broken there: " in loading.requirements[0].reason


def test_instructions_are_proven_by_the_weakest_core_that_ran_them():
    found = {v: engine_loading(_newest(v), "onnxruntime").requirements[1] for v in ("1.32.0", "1.27.0")}
    assert (found["1.32.0"].answer, found["1.27.0"].answer) == ("yes", "unproven")
    assert "edgeml verify --on raspberry-pi-4 tries it" in found["1.27.0"].reason


def _newest(version: str) -> DeviceProfile:
    wheel = dataclasses.replace(board().engines["onnxruntime"], last_version=version)
    return board(engines={"onnxruntime": wheel})


# --- memory ---


def test_memory_under_linux():
    needs = dataclasses.replace(onnx_of(), file_bytes=10**6, peak_bytes=10**5)
    small = board(memory_bytes=(1 << 27,))
    assert memory(needs, small, None).answer == "unproven"
    assert memory(needs, small, 80 * 10**6).answer == "yes"
    assert memory(needs, small, 100 * 10**6).answer == "unproven"
    assert memory(needs, small, 100 * 10**6, here=True).answer == "yes"
    assert memory(dataclasses.replace(needs, file_bytes=1 << 28), small, None).answer == "no"
    assert memory(needs, board(memory_bytes=()), 10**6).answer == "unproven"


def test_flash_and_sram_of_a_microcontroller():
    device = dataclasses.replace(load_device("stm32l4r5"), sources={}, unsourced=())
    needs = Needs("tflite", 50_000, 20_000, (), peak_bytes=16_000, arena_bytes=20_000)
    assert (flash(needs, device).answer, sram(needs, device).answer) == ("yes", "yes")
    tight = dataclasses.replace(device, flash_bytes=1 << 17, sram_bytes=1 << 15)
    assert (flash(needs, tight).answer, sram(needs, tight).answer) == ("unproven", "unproven")
    tiny = dataclasses.replace(device, flash_bytes=1 << 15, sram_bytes=1 << 13)
    assert (flash(needs, tiny).answer, sram(needs, tiny).answer) == ("no", "no")
    unsized = dataclasses.replace(needs, peak_bytes=None, arena_bytes=None, unsized=("3 (string)",))
    assert "3 (string)" in sram(unsized, tiny).reason
    unknown = dataclasses.replace(device, flash_bytes=None, sram_bytes=None)
    assert (flash(needs, unknown).answer, sram(needs, unknown).answer) == ("unproven", "unproven")


def test_numbers_of_an_answer_are_bytes():
    device = load_device("stm32l4r5")
    found = sram(Needs("tflite", 50_000, 20_000, (), peak_bytes=10**9, arena_bytes=10**9), device)
    assert (found.need, found.have, found.unit) == (10**9, device.sram_bytes, "bytes")
