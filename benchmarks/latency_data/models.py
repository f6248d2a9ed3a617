"""Which network of networks.csv a row of somebody's table measured."""

from __future__ import annotations

import re

# Tencent/ncnn benchmark/README.md, each with the input that its files have.
NCNN = {
    "alexnet": "alexnet-227",
    "blazeface": "blazeface-128",
    "efficientnet_b0": "efficientnet-b0-224",
    "efficientnetv2_b0": "efficientnet-v2-b0-ncnn-224",
    "FastestDet": "fastestdet-352",
    "googlenet": "googlenet-224",
    "mnasnet": "mnasnet-1.0-224",
    "mobilenet": "mobilenet-v1-1.0-224",
    "mobilenet_ssd": "mobilenet-ssd-ncnn-300",
    "mobilenet_v2": "mobilenet-v2-ncnn-224",
    "mobilenet_v3": "mobilenet-v3-ncnn-224",
    "mobilenet_yolo": "mobilenet-yolo-ncnn-416",
    "mobilenetv2_yolov3": "mobilenet-v2-yolov3-ncnn-352",
    "nanodet_m": "nanodet-m-320",
    "proxylessnasnet": "proxylessnas-ncnn-224",
    "regnety_400m": "regnet-y-400mf-224",
    "resnet18": "resnet18-224",
    "resnet50": "resnet50-v1-224",
    "shufflenet": "shufflenet-v1-g3-224",
    "shufflenet_v2": "shufflenet-v2-1.0-224",
    "squeezenet": "squeezenet-1.1-227",
    "squeezenet_ssd": "squeezenet-ssd-ncnn-300",
    "vgg16": "vgg16-224",
    "vision_transformer": "vit-b-32-384",
    "yolo-fastest-1.1": "yolo-fastest-1.1-320",
    "yolo-fastestv2": "yolo-fastest-v2-352",
    "yolov4-tiny": "yolov4-tiny-416",
}
# Everybody else's names that say which architecture and which input was meant.
OTHERS = {
    "mobilenet": "mobilenet-v1-1.0-224",
    "mobilenet-quantized": "mobilenet-v1-1.0-224",
    "mobilenetv1": "mobilenet-v1-1.0-224",
    "MobileNetV1": "mobilenet-v1-1.0-224",
    "MobileNet v1": "mobilenet-v1-1.0-224",
    "Mobilenet_v1": "mobilenet-v1-1.0-224",
    "MobileNet v1 1.0X": "mobilenet-v1-1.0-224",
    "mobilenet-v1-1.0": "mobilenet-v1-1.0-224",
    "MobileNetV2": "mobilenet-v2-1.0-224",
    "MobileNet v2": "mobilenet-v2-1.0-224",
    "Mobilenet_v2": "mobilenet-v2-1.0-224",
    "MobileNetV2_224": "mobilenet-v2-1.0-224",
    "MobileNet v2 1.0X": "mobilenet-v2-1.0-224",
    "MobileNetV3_large_x1_0": "mobilenet-v3-large-1.0-224",
    "MobileNetV3_small_x1_0": "mobilenet-v3-small-1.0-224",
    "MobileNet v3 Large": "mobilenet-v3-large-1.0-224",
    "MobileNet v3 Small": "mobilenet-v3-small-1.0-224",
    "ResNet50": "resnet50-v1.5-224",
    "resnet": "resnet50-v1.5-224",
    "resnet50": "resnet50-v1.5-224",
    "resnet18": "resnet18-224",
    "googlenet": "googlenet-224",
    "squeezenet_v1.1": "squeezenet-1.1-227",
    "vgg16": "vgg16-224",
    "mnasnet_1.0_224": "mnasnet-1.0-224",
}
SIZES = {"lite0": 320, "lite1": 384, "lite2": 448, "lite3": 512, "lite3x": 640, "lite4": 640}
OTHERS |= {f"efficientdet-{variant}": f"efficientdet-{variant}-{size}" for variant, size in SIZES.items()}
# Names that say something else in one project: its networks are Caffe's.
TENGINE = {"resnet50": "resnet50-v1-224"}
LITE_SIZES = (224, 240, 260, 280, 300)
PATTERNS = (
    (re.compile(r"mobilenet[-_]v([12])[-_](?:precision_\w+-)?([\d.]+)[-_](\d+)"), "mobilenet-v{0}-{1}-{2}"),
    (
        re.compile(r"mobilenet-v3-(large-minimalistic|small-minimalistic|large|small)_224_([\d.]+)_\w+"),
        "mobilenet-v3-{0}-{1}-224",
    ),
    (
        re.compile(r"mobilenet-v3-precision_\w+-(large-minimalistic|small-minimalistic|large|small)-224"),
        "mobilenet-v3-{0}-1.0-224",
    ),
)
LITE = re.compile(r"(?:(?:non-)?quantized-)?efficientnet-(?:\w+-)?lite([0-4])(?:-(?:non-)?quantized)?")


def network(repository: str, model: str) -> str | None:
    """The key in networks.csv, or None where the name does not tell an architecture that is counted there."""
    if repository == "Tencent/ncnn":
        return NCNN.get(model)
    if repository == "OAID/Tengine" and model in TENGINE:
        return TENGINE[model]
    if model in OTHERS:
        return OTHERS[model]
    lite = LITE.fullmatch(model)
    if lite is not None:
        return f"efficientnet-lite{lite[1]}-{LITE_SIZES[int(lite[1])]}"
    plain = re.sub(r"-(non-)?quantized$", "", model)
    for pattern, key in PATTERNS:
        found = pattern.fullmatch(plain)
        if found is not None:
            parts = [str(float(part)) if re.fullmatch(r"\d+\.\d+", part) else part for part in found.groups()]
            return key.format(*parts)
    return None
