"""The tables of published latencies: counted costs, the rules of reading, what is committed."""

from __future__ import annotations

import csv
import gzip
import importlib
import math
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import require_module

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "benchmarks" / "latency_data"
TABLES = ROOT / "devices" / "latency"
CLASSES = ("pointwise_macs", "conv_macs", "depthwise_macs", "dense_macs")
SOURCE = re.compile(r"[\w.-]+/[\w.-]+")


@pytest.fixture(scope="module")
def scripts():
    names = [path.stem for path in SCRIPTS.glob("*.py")]
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    for name in names:
        del sys.modules[name]


def rows(name: str) -> list[dict[str, str]]:
    content = (TABLES / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    return list(csv.DictReader(text.splitlines()))


def macs(row: dict[str, str]) -> int:
    return sum(int(row[name]) for name in CLASSES)


@pytest.fixture(scope="module")
def networks() -> dict[str, dict[str, str]]:
    return {row["network"]: row for row in rows("networks.csv")}


def test_the_table_of_networks_is_what_its_script_writes():
    done = subprocess.run(
        [sys.executable, SCRIPTS / "networks.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "networks.csv is as the script writes it\n"), done.stderr


@pytest.mark.parametrize(
    ("network", "million_macs", "million_weights"),
    [
        # Of the papers, of torchvision's and of TensorFlow's own pages; weights without normalization.
        ("mobilenet-v1-1.0-224", 568.7, 4.23),
        ("mobilenet-v1-0.25-128", 13.6, 0.47),
        ("mobilenet-v2-1.0-224", 300.8, 3.49),
        ("mobilenet-v2-1.4-224", 582, 6.1),
        ("mobilenet-v3-large-1.0-224", 217, 5.47),
        ("mobilenet-v3-large-0.75-224", 155, 3.98),
        ("mobilenet-v3-large-minimalistic-1.0-224", 209, 3.91),
        ("mobilenet-v3-small-1.0-224", 56.5, 2.54),
        ("efficientnet-b0-224", 386, 5.27),
        ("efficientnet-lite4-300", 2553, 12.95),
        ("mnasnet-1.0-224", 314.4, 4.36),
        ("shufflenet-v2-1.0-224", 145, 2.27),
        ("resnet50-v1-224", 3858, 25.5),
        ("resnet50-v1.5-224", 4089, 25.5),
        ("resnet18-224", 1827, 11.7),
        ("vgg16-224", 15470, 138.36),
        ("alexnet-227", 724.4, 60.97),
        ("googlenet-224", 1582, 7.0),
        ("regnet-y-400mf-224", 401.8, 4.32),
        ("vit-b-32-384", 13040, 88.1),
    ],
)
def test_networks_cost_what_the_literature_says(networks, network, million_macs, million_weights):
    row = networks[network]
    assert macs(row) / 1e6 == pytest.approx(million_macs, rel=0.005)
    assert int(row["weight_elements"]) / 1e6 == pytest.approx(million_weights, rel=0.01)


def test_every_network_has_sound_numbers(networks):
    assert len(networks) == len(rows("networks.csv"))
    for row in networks.values():
        numbers = {name: int(value) for name, value in row.items() if name.endswith(("_macs", "_elements"))}
        assert all(value >= 0 for value in numbers.values())
        assert numbers["winograd_macs"] <= numbers["conv_macs"]
        assert macs(row) > 0 and int(row["operators"]) > 3
        assert numbers["activation_elements"] > 0 and numbers["weight_elements"] > 0
        assert row["source"]


@pytest.mark.parametrize(
    ("variant", "megabytes"),
    list({"lite0": 13.6828, "lite1": 18.1733, "lite2": 22.7969, "lite3": 37.3961, "lite4": 68.005}.items()),
)
def test_efficientdet_has_the_weights_of_its_published_file(networks, scripts, variant, megabytes):
    """TensorFlow Lite printed the sizes; a float file is its weights, and anchors of four numbers each."""
    size, *_ = scripts.efficientdet.VARIANTS[variant]
    anchors = 9 * sum(math.ceil(size / stride) ** 2 for stride in (8, 16, 32, 64, 128))
    weights = int(networks[f"efficientdet-{variant}-{size}"]["weight_elements"])
    assert (weights + 4 * anchors) * 4 / 1e6 == pytest.approx(megabytes, rel=0.004)


def keras_costs(model) -> dict[str, int]:
    """Multiply-adds by class and folded weights, from the layers that Keras built."""
    from keras import layers

    total = dict.fromkeys(("conv", "dense", "depthwise", "weights"), 0)
    for layer in model._flatten_layers():
        if not isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)):
            continue
        kernel = next(weight for weight in layer.weights if "kernel" in weight.name).shape
        count = 1
        for extent in kernel:
            count *= int(extent)
        _, *positions, channels = layer.output.shape
        pixels = 1
        for extent in positions:
            pixels *= extent
        total["weights"] += count + channels
        if isinstance(layer, layers.DepthwiseConv2D):
            total["depthwise"] += count * pixels
        elif pixels == 1 or tuple(kernel[:2]) == (1, 1):
            total["dense"] += count * pixels
        else:
            total["conv"] += count * pixels
    return total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "application", "options"),
    [
        ("mobilenet-v1-0.5-160", "MobileNet", {"alpha": 0.5, "input_shape": (160, 160, 3)}),
        ("mobilenet-v1-1.0-224", "MobileNet", {}),
        ("mobilenet-v2-0.35-96", "MobileNetV2", {"alpha": 0.35, "input_shape": (96, 96, 3)}),
        ("mobilenet-v2-1.3-224", "MobileNetV2", {"alpha": 1.3}),
        ("mobilenet-v3-small-0.75-224", "MobileNetV3Small", {"alpha": 0.75}),
        ("mobilenet-v3-small-minimalistic-1.0-224", "MobileNetV3Small", {"minimalistic": True}),
        ("mobilenet-v3-large-1.0-224", "MobileNetV3Large", {}),
        ("efficientnet-b0-224", "EfficientNetB0", {}),
        ("efficientnet-v2-b0-ncnn-224", "EfficientNetV2B0", {}),
        ("resnet50-v1-224", "ResNet50", {}),
        ("vgg16-224", "VGG16", {}),
    ],
)
def test_networks_cost_what_keras_builds(networks, network, application, options):
    require_module("keras", "tensorflow")
    import keras

    counted = networks[network]
    options = {"input_shape": (224, 224, 3)} | options
    built = keras_costs(getattr(keras.applications, application)(weights=None, **options))
    assert int(counted["depthwise_macs"]) == built["depthwise"]
    assert int(counted["conv_macs"]) == built["conv"]
    assert int(counted["pointwise_macs"]) + int(counted["dense_macs"]) == built["dense"]
    assert int(counted["weight_elements"]) == built["weights"]


def test_the_tiny_networks_cost_what_the_benchmarks_files_do(networks, shared_data):
    files = {
        "mlperf-tiny-ad": "ad01_int8",
        "mlperf-tiny-ic": "pretrainedResnet_quant",
        "mlperf-tiny-kws": "kws_ref_model",
        "mlperf-tiny-vww": "vww_96_int8",
    }
    with (shared_data / "devices/macs.csv").open(encoding="utf-8") as file:
        measured = {Path(row["file"]).stem: row for row in csv.DictReader(file)}
    for network, file in files.items():
        row, told = networks[network], measured[file]
        assert int(row["pointwise_macs"]) + int(row["conv_macs"]) == int(told["conv"])
        assert int(row["depthwise_macs"]) == int(told["dw"])
        assert int(row["dense_macs"]) == int(told["fc"])


def test_published_rows_are_whole_and_point_to_networks(networks, scripts):
    table = rows("published.csv.gz")
    boards = {board.name: board for board in scripts.boards.BOARDS.values()}
    assert len(table) == 7811
    for row in table:
        board = boards[row["board"]]
        assert row["soc"] and row["core"] in {cluster.core for cluster in board.clusters}
        assert 0 < float(row["latency_ms"]) < 1e6
        assert 100_000_000 <= int(row["clock_hz"]) <= 6_000_000_000
        assert 1 <= int(row["threads"]) <= 2 * board.cores
        assert row["network"] in networks
        assert row["dtype"] in ("float32", "float16", "int8")
        assert row["dtype"] != "float16" or row["core"] in scripts.boards.HALF_PRECISION
        assert SOURCE.fullmatch(row["repository"]) and len(row["commit"]) == 40 and row["path"]


# Multiply-adds a cycle that the vector units of one core can do.
PEAKS = {
    ("Cortex-A7", "float32"): 1,
    ("Cortex-A53", "float32"): 4,
    ("Cortex-A53", "int8"): 8,
    ("Cortex-A55", "float16"): 8,
    ("Cortex-A55", "int8"): 16,
    ("Cortex-A57", "float32"): 4,
    ("Cortex-A72", "float32"): 4,
    ("Cortex-A72", "int8"): 8,
    ("Cortex-A73", "float32"): 4,
    ("Cortex-A75", "float32"): 8,
    ("Cortex-A76", "float32"): 8,
    ("Gracemont", "float32"): 8,
    ("Cortex-A76", "float16"): 16,
    ("Cortex-A76", "int8"): 32,
    ("Neoverse-N2", "float16"): 16,
    ("Tremont", "float32"): 4,
    ("Zen2", "float32"): 16,
    ("Zen4", "float32"): 16,
}


def test_no_core_does_more_than_its_vector_units_can(networks):
    """A wrong clock, thread count or dtype would show. Without what Winograd\'s method makes faster."""
    checked = set()
    for row in rows("published.csv.gz"):
        counted, key = networks[row["network"]], (row["core"], row["dtype"])
        if key in PEAKS and row["clusters"] == "1" and int(counted["winograd_macs"]) < 0.1 * macs(counted):
            cycles = float(row["latency_ms"]) / 1e3 * int(row["clock_hz"]) * int(row["threads"])
            assert macs(counted) / cycles < PEAKS[key], row
            checked.add(key)
    assert checked == set(PEAKS)


def test_bandwidths_name_boards_that_were_measured(scripts):
    known = {(b.name, c.core) for b in scripts.boards.BOARDS.values() for c in b.clusters}
    table = rows("boards.csv")
    for row in table:
        assert (row["board"], row["core"]) in known
        assert 100e6 < min(int(row["memcpy_bytes_per_s"]), int(row["memset_bytes_per_s"])) < 100e9
        assert "sbc-bench" in row["source"]
    assert (TABLES / "boards.csv").read_text() == scripts.bandwidth.table()


def test_microcontrollers_are_whole():
    table = rows("microcontrollers.csv")
    assert len(table) == 387
    for row in table:
        cycles = float(row["latency_ms"]) / 1e3 * int(row["clock_hz"]) / int(row["macs"])
        assert cycles == pytest.approx(float(row["cycles_per_mac"]), rel=1e-3)
        assert cycles > 0.1
        assert row["operators"] in ("dense", "convolution", "separable")
        assert row["library"] and row["core"]
        assert SOURCE.fullmatch(row["repository"]) and len(row["commit"]) == 40 and row["path"]


NCNN = {
    "source_repo": "Tencent/ncnn",
    "device": "Rockchip RK3399 (Cortex-A72 1.8GHz x 2 + Cortex-A53 1.5GHz x 4)",
    "threads": "4",
    "flag": "powersave=1 (0 all,1 little,2 big); random weights",
    "freq_mhz": "1500",
    "framework": "ncnn",
    "precision": "fp32",
    "stat": "min of 8 (avg 10.5, max 11.0)",
    "latency_ms": "10",
    "model": "mobilenet",
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("Cortex-A53", 1_500_000_000, 4, True, 1)),
        ({"flag": "powersave=2 (", "threads": "1"}, ("Cortex-A72", 1_800_000_000, 1, False, 1)),
        ({"flag": "powersave=0 (", "threads": "6"}, ("Cortex-A72", 1_800_000_000, 6, True, 2)),
        ({"flag": "powersave=0 (", "threads": "1"}, "not known which kind of core ran"),
        ({"flag": "powersave=2 ("}, "more threads than cores"),
        ({"device": "Somebody's board"}, "a machine whose cores are not known"),
        (
            {
                "device": "Raspberry Pi 4",
                "source_repo": "mlcommons/inference_results_v2.0",
                "freq_mhz": "1800",
            }
            | {"flag": "MLPerf Inference v2.0", "threads": "all (not stated)"},
            ("Cortex-A72", 1_500_000_000, 4, True, 1),
        ),
        (
            {"device": "Xiaomi Mi 9", "flag": "", "threads": "1", "source_repo": "PaddlePaddle/Paddle-Lite"},
            ("Cortex-A76", 2_840_000_000, 1, False, 1),
        ),
        (
            {"device": "Mate 30", "flag": "", "threads": "1", "source_repo": "PaddlePaddle/Paddle-Lite"},
            ("Cortex-A76", 2_860_000_000, 1, False, 1),
        ),
        (
            {"device": "MacBook Pro (13-inch, M1, 2020)", "flag": "powersave=0 (", "threads": "1"},
            ("Firestorm", 3_200_000_000, 1, False, 1),
        ),
    ],
)
def test_where_a_row_ran(scripts, change, expected):
    row = NCNN | change
    if isinstance(expected, str):
        with pytest.raises(scripts.rules.Unused, match=expected):
            scripts.rules.execution(row)
    else:
        ran = scripts.rules.execution(row)
        assert (ran.core, ran.clock_hz, ran.threads, ran.all_cores, ran.clusters) == expected


def test_float_is_half_precision_only_where_the_core_computes_in_it(scripts):
    row = NCNN | {"precision": "fp16 (ncnn fp16 arithmetic default)"}
    assert [scripts.rules.dtype(row, core) for core in ("Cortex-A55", "Cortex-A57")] == ["float16", "float32"]
    assert scripts.rules.dtype(row | {"precision": "int8"}, "Cortex-A57") == "int8"


def test_a_disturbed_row_is_left_out(scripts):
    assert scripts.rules.refuse_spread(NCNN) == 10.5
    with pytest.raises(scripts.rules.Unused, match="the mean is over"):
        scripts.rules.refuse_spread(NCNN | {"stat": "min of 8 (avg 15.5, max 30)"})


def test_tables_of_ncnn_are_dated_by_what_they_list(scripts):
    models = ("mobilenet", "nanodet_m", "mobilenet", "yolo-fastestv2")
    table = [NCNN | {"source_line": str(line), "model": model} for line, model in enumerate(models)]
    dated = scripts.rules.with_ncnn_generations([*table, NCNN | {"source_repo": "OAID/Tengine"}])
    assert [row["ncnn_generation"] for row in dated] == ["2 (nanodet_m)"] * 2 + ["3 (yolo-fastestv2)"] * 2 + [
        ""
    ]


@pytest.fixture(scope="module")
def collected(scripts, shared_data) -> list[dict[str, str]]:
    return scripts.published.read(shared_data / "devices/published_latency.csv.gz")


def test_committed_rows_are_what_the_rules_select(scripts, collected):
    selected, left_out = scripts.published.select(collected)
    assert len(selected) + left_out.total() == len(collected) + len(list(scripts.further.rows()))
    assert [{name: str(value) for name, value in row.items()} for row in selected] == rows("published.csv.gz")
    readme = (TABLES / "README.md").read_text(encoding="utf-8")
    for count in left_out.values():
        assert re.search(rf"^\|.*\b{count}\b", readme, re.MULTILINE), (
            f"README.md does not explain {count} rows"
        )


def test_committed_microcontrollers_are_what_the_rules_select(scripts, collected, shared_data):
    selected, _ = scripts.microcontrollers.select(collected)
    assert [{k: str(v) for k, v in row.items()} for row in selected] == rows("microcontrollers.csv")
    ours = {(row["clock_hz"], row["network"]): [] for row in selected}
    for row in selected:
        ours[row["clock_hz"], row["network"]].append(float(row["cycles_per_mac"]))
    with (shared_data / "devices/mcu_cycles_per_mac.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["device"].startswith(("xG24", "NUCLEO-U3C5")):
                continue  # their accelerators take part
            for task in ("ic", "vww", "kws", "ad"):
                told = row[f"{task}_cyc_per_mac"]
                found = ours[round(float(row["freq_mhz"]) * 1e6), f"mlperf-tiny-{task}"]
                assert not told or any(abs(float(told) - cycles) <= 0.011 for cycles in found), row


def test_multiply_adds_agree_with_the_collection(scripts, collected, networks):
    # The collection miscounts padding in these (README.md of the tables).
    wrong = {"efficientnet-v2-b0-ncnn-224", "blazeface-128"}
    compared = set()
    for row in collected:
        name = scripts.models.network(row["source_repo"], row["model"])
        if name is not None and row["macs"] and name not in wrong:
            assert macs(networks[name]) == pytest.approx(float(row["macs"]), rel=0.01), name
            compared.add(name)
    assert len(compared) > 55
