"""What is known not to convert from Keras, found before any conversion starts."""

from __future__ import annotations

from collections.abc import Iterator

from edgeml_converters.model import TrainedModel
from edgeml_converters.sources.keras_interface import walk

# Layers whose work is done by Python code, by tables or on strings: no inference format has them.
_LAYERS = {
    "Lambda": "runs Python code that cannot be compared or shipped; use layers of Keras instead",
    "TFSMLayer": "wraps a SavedModel; compile that folder itself",
    "TorchModuleWrapper": "wraps a PyTorch module; export that to .onnx",
    "JaxLayer": "wraps JAX code",
    "FlaxLayer": "wraps JAX code",
    "StringLookup": "looks strings up in a table; do it before the model",
    "TextVectorization": "splits text into tokens; do it before the model",
    "Hashing": "hashes strings; do it before the model",
    "HashedCrossing": "hashes strings; do it before the model",
    "FeatureSpace": "preprocesses tables of strings; do it before the model",
}
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
    reasons = [*_refused_steps(model), *_stateful_layers(model)]
    half = [path for path, layer in walk(model.model) if getattr(layer, "compute_dtype", "") in _HALF]
    if half:
        reasons.append(f"{half[0]} computes in half precision; rebuild the model under the float32 policy")
    reasons += [
        f"input {spec.name} holds strings; map them to numbers before the model"
        for spec in model.signature.inputs
        if spec.dtype == "str"
    ]
    return f"{model.name}: {'; '.join(reasons)}" if reasons else None


def _refused_steps(model: TrainedModel) -> Iterator[str]:
    for step in model.steps:
        known = _OPERATORS if step.path.startswith("graph/") else _LAYERS
        if step.kind in known:
            yield f"{step.path} ({step.kind}) {known[step.kind]}"


def _stateful_layers(model: TrainedModel) -> Iterator[str]:
    for path, layer in walk(model.model):
        if getattr(layer, "stateful", False) and hasattr(layer, "unroll"):
            yield (
                f"{path} ({type(layer).__name__}) is stateful, it carries state from call to call; "
                "rebuild it with stateful=False"
            )
