"""Keras model files: which library may open one, and what is refused before any of them does.

A file decides by what it says of itself, not by its suffix: `.keras` is a zip with `config.json`, legacy
files are HDF5 with a `model_config` attribute, a SavedModel is a folder with `saved_model.pb`. Files that
Keras 2 wrote go to tf-keras, because Keras 3 refuses many of them; the rest go to Keras 3.

Code in a file is not run unless its user says so (`load_trusted`): Lambda layers hold marshalled Python,
custom classes are imported by name.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeml_converters.tensorflow_import import import_tensorflow, quiet
from edgeml_runtime.errors import EdgeMLError, InputError, MissingDependencyError, UnsupportedModelError

# What h5py, zipfile, json, TensorFlow and both Keras raise on a file that is not what it should be.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError, EOFError)
_OWN_MODULES = ("keras", "tf_keras", "tensorflow", "builtins")


def load(path: Path) -> Any:
    """The model of that file or folder, not compiled.

    Raises InputError for what is not a model or is damaged, UnsupportedModelError for files that hold Python
    code, MissingDependencyError where tf-keras is needed and absent.
    """
    return _load(path, trusted=False)


def load_trusted(path: Path) -> Any:
    """`load`, running the code in the file and importing what it names.

    Raises what `load` raises, UnsupportedModelError for classes that cannot be imported.
    """
    return _load(path, trusted=True)


def _load(path: Path, *, trusted: bool) -> Any:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    config: Any = None
    try:
        if path.is_dir():
            return _load_saved_model(path)
        with path.open("rb") as file:
            magic = file.read(8)
        if magic.startswith(b"PK"):
            config, version = _read_archive(path)
        elif magic == b"\x89HDF\r\n\x1a\n":
            config, version = _read_hdf5(path)
        else:
            raise InputError(
                f"{path}: neither a .keras archive nor an HDF5 file; not a Keras model, or damaged"
            )
        if not trusted:
            _refuse_code(path, config)
        return _open(path, version, trusted=trusted)
    except EdgeMLError:
        raise
    except (*_DAMAGE, zipfile.BadZipFile) as error:
        # Legacy files do not say whose class it is.
        unknown = re.match(r"Unknown (\w+): '?(\w+)", str(error))
        custom = [node["class_name"] for node in _serialized(config) if _is_custom(node)]
        if unknown or custom:
            kind, name = unknown.groups() if unknown else ("class", custom[0])
            raise UnsupportedModelError(
                f"{path}: {name} is a custom {kind}, whose code is not in the file; "
                "load the model in Python and pass the live object"
            ) from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{path}: not a Keras model, or damaged: {lines[0]}") from error


def _load_saved_model(path: Path) -> Any:
    if not (path / "saved_model.pb").is_file():
        raise InputError(f"{path}: the folder holds no saved_model.pb; not a SavedModel")
    tf = import_tensorflow()
    try:
        with quiet():
            return tf.saved_model.load(str(path))
    except tf.errors.OpError as error:
        raise InputError(f"{path}: the SavedModel is damaged: {error.message}") from error


def _read_archive(path: Path) -> tuple[Any, str]:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        metadata = json.loads(archive.read("metadata.json"))
    return config, str(metadata.get("keras_version", ""))


def _read_hdf5(path: Path) -> tuple[Any, str]:
    import_tensorflow()
    import h5py

    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise InputError(f"{path}: holds weights without a model; save the whole model with model.save")
        return json.loads(file.attrs["model_config"]), _text(file.attrs.get("keras_version", ""))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _open(path: Path, version: str, *, trusted: bool) -> Any:
    import_tensorflow()
    if version.startswith(("1.", "2.")):
        try:
            with quiet():
                import tf_keras
        except ImportError as error:
            raise MissingDependencyError(
                f"{path} was written by Keras {version}, which takes tf-keras to read ({error}); "
                "pip install 'edgeml-converters[keras]'"
            ) from error
        with quiet():
            return tf_keras.models.load_model(str(path), compile=False, safe_mode=not trusted)
    import keras

    with quiet():
        return keras.models.load_model(str(path), compile=False, safe_mode=not trusted)


def _refuse_code(path: Path, config: Any) -> None:
    for node in _serialized(config):
        layer = _layer_name(node)
        if node["class_name"] == "Lambda":
            raise UnsupportedModelError(
                f"{path}: layer {layer} is a Lambda; it holds Python code, which is not run from a file "
                "unless you say that you trust it: --trust-pickle (trust_pickle=True). Or pass the live "
                "model, or replace it with a layer of Keras (Rescaling, Reshape, ...)"
            )
        if _is_custom(node):
            raise UnsupportedModelError(
                f"{path}: layer {layer} is of the custom class {node['class_name']}, whose code is "
                "not in the file; load the model in Python and pass the live object, or pass --trust-pickle "
                "(trust_pickle=True) where its module can be imported"
            )


def _is_custom(node: dict[str, Any]) -> bool:
    """Whether a serialized object's class is neither Keras' nor TensorFlow's own."""
    module, registered = node.get("module"), node.get("registered_name")
    if module is None:
        return registered is not None
    return str(module).partition(".")[0] not in _OWN_MODULES or ">" in str(registered)


def _serialized(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str):
            yield value
        for item in value.values():
            yield from _serialized(item)
    elif isinstance(value, list):
        for item in value:
            yield from _serialized(item)


def _layer_name(node: dict[str, Any]) -> str:
    config = node.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return repr(name or node.get("name") or node["class_name"])
