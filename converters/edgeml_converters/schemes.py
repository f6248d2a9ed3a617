"""The names of quantization schemes and what each promises."""

from __future__ import annotations

SCHEMES = {
    "float32": "weights and activations in float32",
    "float16": "weights in float16; the engine computes in float16 where it can, else in float32",
    "int8-dynamic": "weights in int8, activations quantized by the engine at each call",
    "int8-static": "weights and activations in int8, ranges calibrated on data",
    "int16x8-static": "weights in int8, activations in int16, ranges calibrated on data",
}
CALIBRATED = ("int8-static", "int16x8-static")
