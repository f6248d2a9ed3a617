"""One view of everything Keras calls a model: named tensors in, named tensors out.

Keras 3 models, tf-keras models and loaded SavedModels differ in how inputs are nested, how outputs are named
and what a call returns. `view` flattens that; converters and predictions work on the view.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgeml_converters.tensorflow_import import import_tensorflow, quiet
from edgeml_runtime.errors import UnsupportedModelError
from edgeml_runtime.signature import TENSOR_DTYPES, TensorSpec

Family = Literal["keras", "tf-keras", "saved-model"]
Returns = Literal["array", "list", "mapping"]

# Names that Keras makes up carry a counter of the process that built the model.
_AUTOMATIC = re.compile(r"(keras_tensor|input_layer|inputs?|args|output|outputs?)(_\d+)*")


@dataclass(frozen=True, slots=True)
class View:
    """`inputs`, `outputs`: real values, batch None.

    `arrange` nests flat values as the model takes them; `call` maps flat tensors to flat tensors (inference
    mode), in the order of the specs.
    """

    family: Family
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    returns: Returns
    arrange: Callable[[Sequence[Any]], Any]
    call: Callable[[Sequence[Any]], list[Any]]

    def tensor_function(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Named TensorFlow tensors in and out, as the converters trace it."""
        results = self.call([tensors[spec.name] for spec in self.inputs])
        return {spec.name: value for spec, value in zip(self.outputs, results, strict=True)}


def family_of(model: object) -> Family | None:
    """Which library made the object, by class names along its MRO; nothing is imported."""
    for cls in type(model).__mro__:
        package = cls.__module__.partition(".")[0]
        if cls.__name__ == "Model" and package == "keras":
            return "keras"
        if cls.__name__ == "Model" and package == "tf_keras":
            return "tf-keras"
    loaded = any(cls.__name__ == "_UserObject" for cls in type(model).__mro__)
    return "saved-model" if loaded and hasattr(model, "signatures") else None


def view(model: Any) -> View:
    """The view of a model; raises UnsupportedModelError where it has no fixed inputs and outputs."""
    tf = import_tensorflow()
    family = family_of(model)
    if family == "saved-model":
        return _saved_model_view(tf, model)
    if family == "keras":
        import keras

        if keras.backend.backend() != "tensorflow":
            raise UnsupportedModelError(
                f"{model.name}: Keras runs on {keras.backend.backend()} here, conversion needs TensorFlow; "
                "save the model as .keras and compile that file with KERAS_BACKEND=tensorflow"
            )
    with quiet():
        return _model_view(tf, model, family or "keras")


def walk(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every layer below a Keras model with its path, those inside models and wrappers included."""
    # Keras 3 keeps bare operators (keras.ops.add on symbolic tensors) beside the layers.
    members = list(getattr(model, "operations", None) or getattr(model, "layers", None) or ())
    if not members and not _is_own(type(model)):
        held = getattr(model, "_layers", None) or getattr(model, "_self_tracked_trackables", None) or ()
        members = [member for member in held if hasattr(member, "name") and hasattr(member, "call")]
    for name in ("layer", "forward_layer", "backward_layer"):  # TimeDistributed, Bidirectional
        inner = getattr(model, name, None)
        if hasattr(inner, "name") and all(inner is not other for other in members):
            members.append(inner)
    for layer in members:
        path = f"{prefix}{layer.name}"
        yield path, layer
        yield from walk(layer, f"{path}/")


def _is_own(cls: type) -> bool:
    """Whether a layer's class is Keras' own: what is inside of those is their affair."""
    return cls.__module__.partition(".")[0] in ("keras", "tf_keras")


def _model_view(tf: Any, model: Any, family: Family) -> View:
    nested = _input_structure(model)
    inputs = _input_specs(model.name, _name_leaves(nested), tf.nest.flatten(nested))

    def arrange(values: Sequence[Any]) -> Any:
        return tf.nest.pack_sequence_as(nested, list(values))

    def call(tensors: Sequence[Any]) -> list[Any]:
        results = tf.nest.flatten(model(arrange(tensors), training=False))
        return [tf.cast(t, _real_dtype(t.dtype.name)) for t in results]

    results = _output_structure(tf, model, inputs, arrange)
    leaves = tf.nest.flatten(results)
    returns: Returns = "mapping" if isinstance(results, Mapping) else "array" if len(leaves) == 1 else "list"
    outputs = _specs(model.name, "y", _name_leaves(results), leaves)
    return View(family, inputs, outputs, returns, arrange, call)


def _input_structure(model: Any) -> Any:
    """Nested symbolic inputs of a model: tensors, or anything with a shape and a dtype."""
    if getattr(model, "inputs", None):
        # A Sequential model has one input and is not nested; only functional models have `.input`.
        sequential = any(cls.__name__ == "Sequential" for cls in type(model).__mro__)
        return model.inputs[0] if sequential else model.input
    spec = model.save_spec() if hasattr(model, "save_spec") else None
    if spec is not None:
        (arguments, keywords) = spec
        if len(arguments) == 1 and not keywords:
            return arguments[0]
    shapes = getattr(model, "_build_shapes_dict", None)
    if shapes and len(shapes) == 1 and model.built:
        import keras

        shape = next(iter(shapes.values()))
        if isinstance(shape, (tuple, list)) and all(d is None or isinstance(d, int) for d in shape):
            return keras.KerasTensor(shape, dtype=model.input_dtype)
    raise UnsupportedModelError(
        f"{model.name} ({type(model).__name__}) has no known inputs; call it once on an array "
        "(model(x[:1])), or build it from keras.Input. Subclassed models may take one argument only"
    )


def _output_structure(tf: Any, model: Any, inputs: tuple[TensorSpec, ...], arrange: Any) -> Any:
    if getattr(model, "outputs", None):
        sequential = any(cls.__name__ == "Sequential" for cls in type(model).__mro__)
        return model.outputs[0] if sequential else model.output
    specs = [tf.TensorSpec(spec.shape, spec.dtype) for spec in inputs]
    function = tf.function(lambda *tensors: model(arrange(tensors), training=False), autograph=False)
    return function.get_concrete_function(*specs).structured_outputs


def _name_leaves(nested: Any) -> list[str | None]:
    """The user's name of each leaf, in flat order; None where Keras made the name up."""
    if isinstance(nested, Mapping):
        names: list[str | None] = []
        for key in sorted(nested):
            leaves = _name_leaves(nested[key])
            names += [str(key)] if len(leaves) == 1 else [f"{key}_{i}" for i in range(len(leaves))]
        return names
    if isinstance(nested, (list, tuple)) and not hasattr(nested, "dtype"):
        return [name for item in nested for name in _name_leaves(item)]
    history = getattr(nested, "_keras_history", None)
    layer = getattr(history, "operation", None) or getattr(history, "layer", None)
    if layer is None:
        return [None]
    # Keras' own spelling of automatic names: Conv2D gives conv2d, MaxPooling2D gives max_pooling2d.
    kind = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
    kind = re.sub(r"([a-z])([A-Z])", r"\1_\2", kind).lower()
    automatic = re.fullmatch(rf"{re.escape(kind)}(_\d+)?", layer.name) or _AUTOMATIC.fullmatch(layer.name)
    return [None if automatic else layer.name]


def _input_specs(model: str, names: list[str | None], leaves: list[Any]) -> tuple[TensorSpec, ...]:
    return _specs(model, "x", names, leaves)


def _specs(model: str, letter: str, names: list[str | None], leaves: list[Any]) -> tuple[TensorSpec, ...]:
    given = [None if n is None else re.sub(r"[^A-Za-z0-9_.-]", "_", n) for n in names]
    positional = [letter if len(leaves) == 1 else f"{letter}_{i}" for i in range(len(leaves))]
    chosen = [g or p for g, p in zip(given, positional, strict=True)]
    if len(set(chosen)) != len(chosen):
        chosen = positional
    specs = []
    for name, leaf in zip(chosen, leaves, strict=True):
        dtype = getattr(leaf.dtype, "name", str(leaf.dtype))
        dtype = "str" if dtype == "string" else _real_dtype(dtype)
        shape = None if leaf.shape is None else list(leaf.shape)
        if not shape or dtype not in TENSOR_DTYPES:
            raise UnsupportedModelError(
                f"{model}: tensor {name} is {dtype} of shape {shape}; expected a batch axis and one of "
                f"{', '.join(TENSOR_DTYPES)}"
            )
        specs.append(TensorSpec(name, dtype, (None, *shape[1:])))
    return tuple(specs)


def _real_dtype(name: str) -> str:
    """Half floats, of models trained in mixed precision, come out as float32."""
    return "float32" if name in ("float16", "bfloat16") else name


def serving_function(model: Any) -> Any:
    """The function of a loaded SavedModel: `serving_default`, or the only one there is."""
    signatures = dict(model.signatures)
    if "serving_default" in signatures:
        return signatures["serving_default"]
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    raise UnsupportedModelError(
        f"the SavedModel has no serving_default signature (it has: {', '.join(signatures) or 'none'}); "
        "write it with model.export(folder), or tf.saved_model.save(..., signatures=...)"
    )


def _saved_model_view(tf: Any, model: Any) -> View:
    function = serving_function(model)
    _, taken = function.structured_input_signature
    given = function.structured_outputs
    keys, results = sorted(taken), sorted(given)

    def names(of: list[str]) -> list[str | None]:
        return [None if _AUTOMATIC.fullmatch(name) else name for name in of]

    def arrange(values: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(keys, values, strict=True))

    def call(tensors: Sequence[Any]) -> list[Any]:
        named = function(**arrange(tensors))
        return [tf.cast(named[key], _real_dtype(named[key].dtype.name)) for key in results]

    def shaped(specs: Mapping[str, Any], of: list[str]) -> list[Any]:
        unknown = [key for key in of if specs[key].shape.rank is None]
        if unknown:
            raise UnsupportedModelError(f"SavedModel: tensor {unknown[0]} has no known rank")
        return [specs[key] for key in of]

    return View(
        "saved-model",
        _specs("SavedModel", "x", names(keys), shaped(taken, keys)),
        _specs("SavedModel", "y", names(results), shaped(given, results)),
        "array" if len(results) == 1 else "mapping",
        arrange,
        call,
    )
