"""What is known not to convert from Keras, found before any conversion starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeml_converters.model import TrainedModel
from edgeml_converters.sources.keras_interface import walk
from edgeml_runtime.errors import UnsupportedModelError

# Layers whose work is done by other frameworks, or on strings: no inference format has them.
LAYERS = {
    "FeatureSpace": "looks strings up in tables; encode the columns before the model, or use "
    "Normalization, Discretization and CategoryEncoding on numbers",
    "FlaxLayer": "wraps JAX code; rebuild it of Keras layers",
    "HashedCrossing": "hashes strings; hash the crossed columns before the model and give it the bin "
    "(int32), which CategoryEncoding takes",
    "Hashing": "hashes strings; hash before the model and give it the bin (int32), which "
    "CategoryEncoding and Embedding take",
    "JaxLayer": "wraps JAX code; rebuild it of Keras layers",
    "StringLookup": "looks strings up in a table; look them up before the model and give it the index "
    "(int32) in layer.get_vocabulary(), which CategoryEncoding and Embedding take",
    "TFSMLayer": "wraps a SavedModel; compile that folder itself",
    "TextVectorization": "splits text into tokens; call the layer before the model and give it the token ids "
    "(int32)",
    "TorchModuleWrapper": "wraps a PyTorch module; export that to .onnx",
}
# TensorFlow computes these on a GPU only; converted files are compared with what it computes here.
_CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
# The same in the graph of a SavedModel.
_OPERATORS = {
    "PyFunc": "calls back into Python",
    "EagerPyFunc": "calls back into Python",
    "PyFuncStateless": "calls back into Python",
    "LookupTableFindV2": "looks values up in a table; do it before the model",
    "StringToHashBucketFast": "hashes strings; do it before the model",
    "StringSplitV2": "splits strings; do it before the model",
    "RegexReplace": "works on strings; do it before the model",
    "ParseExampleV2": "parses tf.Example records; export a signature that takes tensors",
}

# Mixed precision: engines for the edge have no mixed kernels, and float32 would be no float32.
_HALF = ("float16", "bfloat16")


def refusal(model: TrainedModel) -> str | None:
    """Why nothing can be made of this Keras model, naming each step by path and class; or None."""
    kinds = {step.path: step.kind for step in model.steps}
    reasons = [f"{path} ({kinds[path]}) {reason}" for path, reason in refused_steps(model).items() if reason]
    reasons += [
        f"input {spec.name} holds strings; map them to numbers before the model"
        for spec in model.signature.inputs
        if spec.dtype == "str"
    ]
    return f"{model.name}: {'; '.join(reasons)}" if reasons else None


def refused_steps(model: TrainedModel) -> Mapping[str, str | None]:
    """By path of a layer, or of a SavedModel's operator, why no format takes it and what to do instead."""
    known = {
        step.path: (_OPERATORS if step.path.startswith("graph/") else LAYERS).get(step.kind)
        for step in model.steps
    }
    return known | {path: reason for path, layer in walk(model.model) if (reason := _by_options(layer))}


def require_supported(model: TrainedModel) -> None:
    """Raises UnsupportedModelError with the reason of `refusal`, before anything is converted."""
    reason = refusal(model)
    if reason is not None:
        raise UnsupportedModelError(reason)


def _by_options(layer: Any) -> str | None:
    """Why a layer of a kind that is supported is not, with the options it has."""
    kind = type(layer).__name__
    if getattr(layer, "compute_dtype", "") in _HALF:
        return "computes in half precision; rebuild the model under the float32 policy"
    if getattr(layer, "stateful", False) and hasattr(layer, "unroll"):
        return (
            "is stateful, it carries state from call to call; rebuild it with stateful=False, and to carry "
            "state make it an input (initial_state=) and an output (return_state=True) of the model"
        )
    if kind not in _CONVOLUTIONS:
        return None
    if getattr(layer, "data_format", "") == "channels_first":
        return (
            "has its channels first, which TensorFlow cannot compute on a CPU; rebuild it with "
            "data_format='channels_last' and Permute, the weights stay as they are"
        )
    if kind.endswith("Transpose") and any(rate != 1 for rate in np.ravel(layer.dilation_rate)):
        return (
            "is dilated and transposed, which TensorFlow cannot compute on a CPU; rebuild it with "
            "dilation_rate=1 and zeros between its weights"
        )
    return None
