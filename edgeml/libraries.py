"""Libraries that run artifacts on microcontrollers: C or C++ linked into the firmware, never a wheel.

None of them runs here. An artifact for a microcontroller is judged in the host's engine of its format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Library:
    """What a library reads: artifact formats and, of those, the schemes it has kernels for.

    `refused`: why a scheme that is not in `schemes` does not run.
    """

    description: str
    formats: tuple[str, ...]
    schemes: tuple[str, ...]
    refused: Mapping[str, str]


# tflite-micro, from tensorflow/tflite-micro, folder tensorflow/lite/micro/kernels: conv, depthwise_conv and
# fully_connected refuse "hybrid" models; dequantize takes int8, int16 and uint8 only.
LIBRARIES: Mapping[str, Library] = {
    "tflite-micro": Library(
        description="TensorFlow Lite Micro, a C++ library that is compiled into the firmware",
        formats=("tflite",),
        schemes=("float32", "int8-static", "int16x8-static"),
        refused={
            "float16": "TensorFlow Lite Micro does not expand float16 weights",
            "int8-dynamic": "TensorFlow Lite Micro has no kernels for float activations with int8 weights",
        },
    ),
}
