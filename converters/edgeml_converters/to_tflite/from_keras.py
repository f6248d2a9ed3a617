"""Keras to TFLite, every scheme, through TensorFlow's own converter.

Recurrent layers of up to 128 steps are unrolled: the operators of an unrolled loop all have integer kernels,
and its steps share their weights. Longer ones, and sequences of any length, loop in float (`recurrence`);
those of tf-keras do not, as TFLite's converter takes no list of tensors with a free batch axis.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from edgeml_converters.keras_support import refusal, refused_steps, require_supported
from edgeml_converters.keras_tracing import replaced, tracing
from edgeml_converters.model import Artifact, TrainedModel
from edgeml_converters.recipe import Quantizer
from edgeml_converters.registry import Calibration, Converter
from edgeml_converters.schemes import CALIBRATED, SCHEMES
from edgeml_converters.sources.keras_interface import family_of, view, walk
from edgeml_converters.tensorflow_graph import TensorFunction
from edgeml_converters.tensorflow_import import quiet
from edgeml_converters.tensorflow_rewrite import Rule, rewritten
from edgeml_converters.to_tflite import error_function, quantizable, zeros
from edgeml_converters.to_tflite.flatbuffer import compile_function, static_quantizer, too_small_for_dynamic
from edgeml_converters.to_tflite.recurrence import MAX_UNROLLED_STEPS, recurrence
from edgeml_converters.to_tflite.tensorflow_rules import RULES
from edgeml_runtime.errors import UnsupportedOperatorError

T = TypeVar("T")


def _offers(model: TrainedModel) -> Mapping[str, str | None]:
    offers: dict[str, str | None] = dict.fromkeys(SCHEMES, refusal(model) or _refused_loops(model))
    integers = [spec.name for spec in model.signature.inputs if spec.dtype.startswith(("int", "uint"))]
    if integers and offers["int16x8-static"] is None:
        offers["int16x8-static"] = (
            f"TensorFlow's int16 quantizer takes no integer inputs, {', '.join(integers)} is one"
        )
    if offers["int8-dynamic"] is None:
        offers["int8-dynamic"] = _too_small(model)
    return offers


def _too_small(model: TrainedModel) -> str | None:
    """Why dynamic quantization would change nothing; None where a layer is large enough, or nobody knows."""
    sizes = [math.prod(w.shape) for w in getattr(model.model, "weights", ()) if len(w.shape) > 1]
    return too_small_for_dynamic(sizes) if sizes else None


def _refused_loops(model: TrainedModel) -> str | None:
    found = next(_endless(model), None)
    return None if found is None else f"{model.name}: {found[0]} {found[1]}"


def _endless(model: TrainedModel) -> Iterator[tuple[str, str]]:
    """Steps that loop in a way that TFLite does not take, with the reason."""
    for step in model.steps:
        if step.kind == "TensorListReserve":
            yield (
                step.path,
                "is part of a loop with a free batch axis, which TFLite does not take; compile the Keras "
                "model itself, or use unroll=True in the recurrent layer",
            )
    if family_of(model.model) != "tf-keras":
        return
    for path, layer in walk(model.model):
        steps = _time_steps(layer) if hasattr(layer, "unroll") else 1
        if steps is None or steps > MAX_UNROLLED_STEPS:
            yield (
                path,
                f"({type(layer).__name__}) runs over {steps or 'any number of'} steps; TFLite takes at most "
                f"{MAX_UNROLLED_STEPS} of a tf-keras model, fixed in the input shape",
            )


def _time_steps(layer: Any) -> int | None:
    try:
        shape = layer.input.shape
    except (AttributeError, ValueError, RuntimeError):  # inside a wrapper or a subclassed model
        shape = getattr(layer, "_build_shapes_dict", {}) or {}
        shape = next(iter(shape.values()), ())
    return shape[1] if len(shape) > 1 and isinstance(shape[1], int) else None


@contextlib.contextmanager
def _unrolled(model: Any) -> Iterator[None]:
    """Recurrent layers unroll what is traced within the block, or loop as TFLite can."""
    if family_of(model) == "keras":
        from keras.src import backend

        with replaced([(backend, "rnn", recurrence(backend.rnn))]):
            yield
        return
    flags = {"unroll": True, "_could_use_gpu_kernel": False}  # tf-keras ignores `unroll` in its fused form
    changes = [
        (layer, name, value)
        for _, layer in walk(model)
        if hasattr(layer, "unroll")
        for name, value in flags.items()
        if hasattr(layer, name)
    ]
    with replaced(changes):
        yield


def _compiled(model: TrainedModel, scheme: str, make: Callable[[TensorFunction], T]) -> T:
    """What `make` makes of the model's function; the second time without the converter's own patterns."""
    rules = {**RULES, **quantizable.RULES} if scheme in CALIBRATED else dict(RULES)
    if scheme == "int8-static" and _has_masks(model):
        rules |= zeros.RULES
    try:
        return make(_function(model, rules))
    except UnsupportedOperatorError:
        return make(_function(model, {**rules, **error_function.RULES}))


def _has_masks(model: TrainedModel) -> bool:
    return any(
        type(layer).__name__ == "Masking" or getattr(layer, "mask_zero", False)
        for _, layer in walk(model.model)
    )


def _function(model: TrainedModel, rules: Mapping[str, Rule]) -> TensorFunction:
    with tracing(model.model), _unrolled(model.model), quiet():
        return rewritten(view(model.model).tensor_function, model.signature, rules)


def _convert(model: TrainedModel, scheme: str, calibration: Calibration | None) -> Artifact:
    require_supported(model)
    return _compiled(model, scheme, lambda f: compile_function(f, model.signature, scheme, calibration))


def _quantizer(model: TrainedModel, calibration: Calibration | None) -> Quantizer:
    require_supported(model)
    return _compiled(model, "int8-static", lambda f: static_quantizer(f, model.signature, calibration))


def _steps(model: TrainedModel) -> Mapping[str, str | None]:
    return {**refused_steps(model), **dict(_endless(model))}


CONVERTER = Converter(
    name="keras-to-tflite",
    source="keras",
    target="tflite",
    requires=("tensorflow",),
    extra="keras",
    offers=_offers,
    convert=_convert,
    quantizer=_quantizer,
    steps=_steps,
)
