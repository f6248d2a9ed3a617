"""Writes devices/latency/networks.csv: what the networks that others measured cost, by class of operator.

    python benchmarks/latency_data/networks.py [--check]

`--check` compares with the committed table instead and exits with 1 where they differ.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import classic
import detectors
import efficientdet
import mobile
import tiny
from layers import Counter

TABLE = Path(__file__).parents[2] / "devices" / "latency" / "networks.csv"
COLUMNS = (
    "network",
    "input",
    "pointwise_macs",
    "conv_macs",
    "winograd_macs",
    "depthwise_macs",
    "dense_macs",
    "activation_elements",
    "weight_elements",
    "operators",
    "source",
)
NCNN = "Tencent/ncnn benchmark/models/{}.param"
V1, V2, V3 = "arXiv:1704.04861", "arXiv:1801.04381", "arXiv:1905.02244"
LITE = "tensorflow/tpu models/official/efficientnet/lite"
Row = tuple[str, str, Callable[[], Counter], str]


def square(size: int, channels: int = 3) -> str:
    """As the tables write an input."""
    return f"{size}x{size}x{channels}"


def mobilenets() -> Iterator[Row]:
    """MobileNets and EfficientNets, each width and input size that somebody measured."""
    for alpha in (0.25, 0.5, 0.75, 1.0):
        for size in (128, 160, 192, 224):
            yield (
                f"mobilenet-v1-{alpha}",
                square(size),
                partial(mobile.mobilenet_v1, size, alpha),
                V1,
            )
    sizes = dict.fromkeys((0.35, 0.5, 0.75, 1.0), (96, 128, 160, 192, 224)) | {1.3: (224,), 1.4: (224,)}
    for alpha, known in sizes.items():
        for size in known:
            yield (
                f"mobilenet-v2-{alpha}",
                square(size),
                partial(mobile.mobilenet_v2, size, alpha),
                V2,
            )
    for large in (True, False):
        for minimalistic, alpha in ((False, 0.75), (False, 1.0), (True, 1.0)):
            kind = ("large" if large else "small") + ("-minimalistic" if minimalistic else "")
            yield (
                f"mobilenet-v3-{kind}-{alpha}",
                square(224),
                partial(mobile.mobilenet_v3, 224, alpha, large=large, minimalistic=minimalistic),
                V3,
            )
    lite = ((224, 1.0, 1.0), (240, 1.0, 1.1), (260, 1.1, 1.2), (280, 1.2, 1.4), (300, 1.4, 1.8))
    for index, (size, width, depth) in enumerate(lite):
        yield (
            f"efficientnet-lite{index}",
            square(size),
            partial(mobile.efficientnet_lite, size, width, depth),
            LITE,
        )
    yield "efficientnet-b0", square(224), mobile.efficientnet_b0, "arXiv:1905.11946"
    yield "mnasnet-1.0", square(224), mobile.mnasnet, "arXiv:1807.11626; " + NCNN.format("mnasnet")
    yield "mobilenet-v2-ncnn", square(224), mobile.mobilenet_v2_ncnn, NCNN.format("mobilenet_v2")
    yield "mobilenet-v3-ncnn", square(224), mobile.mobilenet_v3_ncnn, NCNN.format("mobilenet_v3")
    yield "proxylessnas-ncnn", square(224), mobile.proxylessnas_ncnn, NCNN.format("proxylessnasnet")


def classics() -> Iterator[Row]:
    """Networks of ordinary convolutions, and the shuffled ones."""
    yield "alexnet", square(227), classic.alexnet, NCNN.format("alexnet")
    yield "vgg16", square(224), classic.vgg16, "arXiv:1409.1556"
    yield "squeezenet-1.1", square(227), partial(classic.squeezenet, 227), NCNN.format("squeezenet")
    yield "googlenet", square(224), classic.googlenet, "arXiv:1409.4842"
    yield "resnet18", square(224), classic.resnet18, NCNN.format("resnet18")
    yield "resnet50-v1", square(224), partial(classic.resnet50, stride_in_3x3=False), "arXiv:1512.03385"
    yield "resnet50-v1.5", square(224), partial(classic.resnet50, stride_in_3x3=True), "torchvision resnet50"
    yield "shufflenet-v1-g3", square(224), classic.shufflenet_v1, NCNN.format("shufflenet")
    yield "shufflenet-v2-1.0", square(224), classic.shufflenet_v2, NCNN.format("shufflenet_v2")
    yield "vit-b-32", square(384), classic.vision_transformer, NCNN.format("vision_transformer")
    yield "regnet-y-400mf", square(224), classic.regnet_y_400mf, "arXiv:2003.13678"


def detecting() -> Iterator[Row]:
    """The detectors of ncnn, its EfficientNetV2, and EfficientDet-lite."""
    for name, size, count, file in (
        ("efficientnet-v2-b0-ncnn", 224, mobile.efficientnet_v2_b0_ncnn, "efficientnetv2_b0"),
        ("mobilenet-ssd-ncnn", 300, detectors.mobilenet_ssd, "mobilenet_ssd"),
        ("squeezenet-ssd-ncnn", 300, detectors.squeezenet_ssd, "squeezenet_ssd"),
        ("blazeface", 128, detectors.blazeface, "blazeface"),
        ("mobilenet-yolo-ncnn", 416, detectors.mobilenet_yolo, "mobilenet_yolo"),
        ("mobilenet-v2-yolov3-ncnn", 352, detectors.mobilenet_v2_yolov3, "mobilenetv2_yolov3"),
        ("nanodet-m", 320, detectors.nanodet_m, "nanodet_m"),
        ("fastestdet", 352, detectors.fastestdet, "FastestDet"),
        ("yolo-fastest-v2", 352, detectors.yolo_fastest_v2, "yolo-fastestv2"),
        ("yolo-fastest-1.1", 320, detectors.yolo_fastest, "yolo-fastest-1.1"),
        ("yolov4-tiny", 416, detectors.yolov4_tiny, "yolov4-tiny"),
    ):
        yield name, square(size), count, NCNN.format(file)
    for variant, (size, *_) in efficientdet.VARIANTS.items():
        yield (
            f"efficientdet-{variant}",
            square(size),
            partial(efficientdet.efficientdet_lite, variant),
            "arXiv:1911.09070; google/automl efficientdet",
        )


def tiny_ones() -> Iterator[Row]:
    """MLPerf Tiny's, and the person detection of TensorFlow Lite Micro's examples."""
    source = "mlcommons/tiny benchmark/training"
    yield "mlperf-tiny-ad", "1x1x640", tiny.autoencoder, source
    yield "mlperf-tiny-ic", square(32), tiny.resnet8, source
    yield "mlperf-tiny-kws", "49x10x1", tiny.ds_cnn, source
    yield "mlperf-tiny-vww", square(96), partial(mobile.mobilenet_v1, 96, 0.25, classes=2), source
    yield (
        "person-detect",
        square(96, 1),
        partial(mobile.mobilenet_v1, 96, 0.25, channels=1, classes=2),
        "tensorflow/tflite-micro tensorflow/lite/micro/examples/person_detection",
    )


def networks() -> Iterator[Row]:
    """Name, input, how to count it, where its architecture is written down."""
    yield from mobilenets()
    yield from classics()
    yield from detecting()
    yield from tiny_ones()


def table() -> str:
    """The whole table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, size, count, source in sorted(networks(), key=lambda row: row[:2]):
        net = count()
        key = f"{name}-{size.split('x')[0]}" if not name.startswith("mlperf-tiny") else name
        writer.writerow([key, size, *(getattr(net, column) for column in COLUMNS[2:-1]), source])
    return text.getvalue()


def main() -> int:
    """Exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    if arguments.check:
        same = TABLE.read_text(encoding="utf-8") == table()
        print(f"{TABLE.name} is {'as' if same else 'not what'} the script writes it")
        return 0 if same else 1
    TABLE.write_text(table(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
