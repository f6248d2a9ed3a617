"""tflite-runtime, LiteRT's predecessor: the stand-in where LiteRT has no wheel (32-bit ARM)."""

from __future__ import annotations

from edgeml_runtime.engines import Engine, Handle
from edgeml_runtime.engines.litert import open_with
from edgeml_runtime.signature import Signature
from edgeml_runtime.tuning import SessionOptions


def _open(content: bytes, signature: Signature, options: SessionOptions) -> Handle:
    return open_with("tflite_runtime.interpreter", content, signature, options)


ENGINE = Engine(
    name="tflite-runtime",
    formats=("tflite",),
    requires="tflite_runtime.interpreter",
    distribution="tflite-runtime",
    open=_open,
    options=("threads", "xnnpack"),
)
