"""From a function of TensorFlow operators to a TFLite artifact: the last step of every way to TFLite.

    function --freeze--> tf.function --export--> SavedModel --TensorFlow's converter--> flatbuffer

Batch: the function is traced with a free batch axis, so an interpreter can be resized to any number of
rows. What computes shapes from it is folded away where it can be (`tensorflow_graph`).
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeml_converters.model import Artifact
from edgeml_converters.recipe import QuantizedOperator, Recipe, explained
from edgeml_converters.schemes import CALIBRATED
from edgeml_converters.tensorflow_graph import ConstantGraph, TensorFunction, freeze
from edgeml_converters.tensorflow_import import import_tensorflow, quiet
from edgeml_converters.to_tflite import canonical
from edgeml_converters.to_tflite.bias import correct_bias
from edgeml_converters.to_tflite.equalize import equalize
from edgeml_converters.to_tflite.input_affine import Lifted, calibration_of, lift_inputs
from edgeml_converters.to_tflite.static import CalibratedGraph, calibrate, quantized_operators
from edgeml_runtime.errors import CalibrationError, ConversionError, UnsupportedOperatorError
from edgeml_runtime.manifest import FloatOperator
from edgeml_runtime.signature import Array, Signature


def compile_function(
    function: TensorFunction,
    signature: Signature,
    scheme: str,
    calibration: Mapping[str, Array] | None = None,
) -> Artifact:
    """The TFLite artifact that computes `function`, only TFLite's own operators inside.

    `function({input name: tensor})` returns a tensor for every output of `signature`; it is traced once, with
    tensors of the signature's dtypes and shapes (batch None). Variables that it uses become constants.
    `calibration`: real values by input name, each [n, ...]; the static schemes need it, and for them
    arithmetic on the inputs moves into their affines (`input_affine`).

    Raises UnsupportedOperatorError naming TensorFlow operators that TFLite lacks, CalibrationError, and
    ConversionError for whatever else the converter refuses. Errors raised by `function` pass unchanged.
    """
    if scheme == "int8-static":
        return static_quantizer(function, signature, calibration).artifact(Recipe())
    rows = _check_calibration(signature, calibration) if scheme in CALIBRATED else {}
    with quiet():
        frozen = freeze(function, signature)
        lifted = lift_inputs(frozen) if scheme in CALIBRATED else {}
        artifact = _artifact(frozen, scheme, _compile(frozen, scheme, calibration_of(lifted, rows)))
        if _left_in_float(artifact, lifted):
            # The converter left such an input in float: nothing there to take the arithmetic.
            frozen = freeze(function, signature)
            return _artifact(frozen, scheme, _compile(frozen, scheme, rows))
    return _with_lifted(artifact, lifted)


def static_quantizer(
    function: TensorFunction, signature: Signature, calibration: Mapping[str, Array] | None
) -> TfliteQuantizer:
    """int8-static of `function`, not yet quantized; arguments and errors are those of `compile_function`."""
    rows = _check_calibration(signature, calibration)
    with quiet():
        frozen = freeze(function, signature)
        lifted = lift_inputs(frozen)
        made = TfliteQuantizer(frozen, _calibrated(frozen, calibration_of(lifted, rows)), lifted)
    if not _left_in_float(made.artifact(Recipe()), lifted):
        return made
    with quiet():
        frozen = freeze(function, signature)
        return TfliteQuantizer(frozen, _calibrated(frozen, rows), {})


@dataclass(frozen=True)
class TfliteQuantizer:
    """The int8-static artifacts of a frozen graph (a `recipe.Quantizer`)."""

    frozen: ConstantGraph
    calibrated: CalibratedGraph
    lifted: Mapping[str, Lifted]

    varies = frozenset({"calibrator", "per_channel_dense", "equalized", "corrected_bias", "in_float"})

    @functools.cached_property
    def operators(self) -> tuple[QuantizedOperator, ...]:
        """What the default recipe computes in integers."""
        with quiet():
            return quantized_operators(self.calibrated, self.calibrated.quantize(Recipe()))

    @functools.cached_property
    def _equalized(self) -> CalibratedGraph:
        rows = self.calibrated.rows
        return CalibratedGraph(equalize(self.calibrated.content, rows), rows)

    def artifact(self, recipe: Recipe) -> Artifact:
        """The artifact of a recipe; raises ConversionError."""
        with quiet():
            calibrated = self._equalized if recipe.equalized else self.calibrated
            content = calibrated.quantize(recipe)
            if recipe.corrected_bias:
                content = correct_bias(calibrated, content)
            artifact = _artifact(self.frozen, "int8-static", content)
        if recipe.in_float:
            left = (*artifact.float_operators, *canonical.conversions(canonical.parse(artifact.content)))
            artifact = replace(artifact, float_operators=explained(left, recipe, self._plain_floats))
        return _with_lifted(artifact, self.lifted)

    @functools.cached_property
    def _plain_floats(self) -> tuple[FloatOperator, ...]:
        with quiet():
            plain = canonical.parse(self.calibrated.quantize(Recipe()))
            canonical.argmax_in_int8(plain)
        return (*canonical.operators_in_float(plain), *canonical.conversions(plain))


def _left_in_float(artifact: Artifact, lifted: Mapping[str, Lifted]) -> bool:
    return any(spec.affine is None for spec in artifact.signature.inputs if spec.name in lifted)


def _with_lifted(artifact: Artifact, lifted: Mapping[str, Lifted]) -> Artifact:
    inputs = tuple(lifted[s.name].compose(s) if s.name in lifted else s for s in artifact.signature.inputs)
    return replace(artifact, signature=replace(artifact.signature, inputs=inputs))


def _names(signature: Signature) -> tuple[dict[str, str], dict[str, str]]:
    """The converter's name of every input and output to ours."""
    return (
        {f"input_{i}": spec.name for i, spec in enumerate(signature.inputs)},
        {f"output_{i}": spec.name for i, spec in enumerate(signature.outputs)},
    )


def _compile(frozen: ConstantGraph, scheme: str, rows: Mapping[str, Array]) -> bytes:
    tf = import_tensorflow()
    with tempfile.TemporaryDirectory(prefix="edgeml-") as folder:
        _export(tf, frozen.function(), Path(folder))
        return _convert(tf, Path(folder), scheme, _names(frozen.signature)[0], rows)


def _calibrated(frozen: ConstantGraph, rows: Mapping[str, Array]) -> CalibratedGraph:
    tf = import_tensorflow()
    with tempfile.TemporaryDirectory(prefix="edgeml-") as folder:
        _export(tf, frozen.function(), Path(folder))
        converter = _converter(tf, Path(folder))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            tf.lite.OpsSet.TFLITE_BUILTINS,
        ]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        inputs = _names(frozen.signature)[0]
        return calibrate(lambda c: _run(tf, c, "int8-static"), converter, inputs, rows)


def _artifact(frozen: ConstantGraph, scheme: str, converted: bytes) -> Artifact:
    """What the converter wrote, in canonical form and tried once."""
    signature = frozen.signature
    model = canonical.parse(converted)
    canonical.argmax_in_int8(model)
    canonical.normalise(model, *_names(signature))
    content = canonical.pack(model)
    _check_runs(import_tensorflow(), content, frozen, scheme)
    return Artifact(
        format="tflite",
        scheme=scheme,
        content=content,
        signature=replace(
            signature,
            inputs=tuple(canonical.stored_spec(model, s, output=False) for s in signature.inputs),
            outputs=tuple(canonical.stored_spec(model, s, output=True) for s in signature.outputs),
        ),
        float_operators=_float_operators(model, scheme),
    )


def _export(tf: Any, function: Any, folder: Path) -> None:
    tf.saved_model.save(
        tf.Module(), str(folder), signatures={"serving_default": function.get_concrete_function()}
    )


def _convert(
    tf: Any,
    folder: Path,
    scheme: str,
    inputs: Mapping[str, str],
    rows: Mapping[str, Array],
) -> bytes:
    sets = tf.lite.OpsSet
    if scheme not in CALIBRATED:
        converter = _converter(tf, folder)
        if scheme != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if scheme == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return _run(tf, converter, scheme)
    integer = sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    failure: ConversionError | None = None
    # First every operator in integers; if one cannot be, that one in float and listed.
    for operator_sets in ([integer], [integer, sets.TFLITE_BUILTINS]):
        converter = _converter(tf, folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _rows(inputs, rows)
        converter.target_spec.supported_ops = operator_sets
        converter.inference_input_type = converter.inference_output_type = tf.int16
        try:
            return _run(tf, converter, scheme)
        except ConversionError as error:
            failure = failure or error
    raise failure or ConversionError(f"no TFLite {scheme} file was made")


def _converter(tf: Any, folder: Path) -> Any:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    # One scale for each unit of a dense layer costs 12 bytes a unit. Measured: 15% of a dense autoencoder's
    # file, for an error of 1% of its range instead of 2%; nothing gained on keyword spotting or tables.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    return converter


def _run(tf: Any, converter: Any, scheme: str) -> bytes:
    from tensorflow.lite.python.convert import ConverterError

    try:
        return bytes(converter.convert())
    except (ConverterError, ValueError, RuntimeError, TypeError, tf.errors.OpError) as error:
        message = str(error)
        missing = re.findall(r"(?:TF Select|Custom) ops: ([^\n]*)", message)
        if missing:
            names = ", ".join(sorted({n.strip() for line in missing for n in line.split(",")}))
            raise UnsupportedOperatorError(
                f"TFLite {scheme}: TFLite has no operator for TensorFlow's {names}; "
                "replace the layers that use it, or compile to onnx"
            ) from error
        refused = re.search(r"'\S+' op [^\n]*", message)  # MLIR's own words, without its stack of locations
        reason = refused[0] if refused else message.strip().partition("\n")[0] or type(error).__name__
        raise ConversionError(f"TFLite {scheme}: TensorFlow's converter failed: {reason}") from error


def _check_runs(tf: Any, content: bytes, frozen: ConstantGraph, scheme: str) -> None:
    """One call on two rows of zeros: kernels refuse some files that the converter writes, int16 GRUs."""
    if any(None in spec.shape[1:] for spec in frozen.signature.inputs):
        return  # no size is known to be big enough
    try:
        interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
        details = interpreter.get_input_details()
        for detail in details:
            interpreter.resize_tensor_input(detail["index"], [2, *detail["shape"][1:]])
        interpreter.allocate_tensors()
        for detail in details:
            interpreter.set_tensor(detail["index"], np.zeros((2, *detail["shape"][1:]), detail["dtype"]))
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        raise ConversionError(f"TFLite {scheme}: the converted file does not run: {error}") from error


def _rows(inputs: Mapping[str, str], rows: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    arrays = {theirs: rows[ours] for theirs, ours in inputs.items()}
    for row in range(len(next(iter(arrays.values())))):
        yield {name: array[row : row + 1] for name, array in arrays.items()}


def _check_calibration(signature: Signature, calibration: Mapping[str, Array] | None) -> Mapping[str, Array]:
    if calibration is None:
        raise CalibrationError(
            "static quantization needs calibration data; pass data that looks like real input"
        )
    for spec in signature.inputs:
        if spec.name not in calibration:
            raise CalibrationError(f"calibration data lacks input {spec.describe()}")
        array = np.asarray(calibration[spec.name])
        if array.size == 0:
            raise CalibrationError(f"calibration data of input {spec.describe()} has no values")
        if array.dtype.kind != "f":
            continue
        if not np.isfinite(array).all():
            raise CalibrationError(
                f"calibration data of input {spec.describe()} holds NaN or infinity; "
                "a quantization range cannot be taken from it"
            )
        if float(array.min()) == float(array.max()):
            raise CalibrationError(
                f"calibration data of input {spec.describe()} is constant ({float(array.min())}); "
                "pass rows that vary as real input does"
            )
    return calibration


def too_small_for_dynamic(sizes: Iterable[int]) -> str | None:
    """Why layers of so many weights make int8-dynamic the float32 file; None where one is large enough."""
    least = canonical.LEAST_DYNAMIC_WEIGHTS
    if max(sizes, default=0) >= least:
        return None
    return f"no layer has {least} weights, the least that TensorFlow's converter quantizes dynamically"


def _float_operators(model: canonical.Model, scheme: str) -> tuple[FloatOperator, ...]:
    if scheme in CALIBRATED:
        return canonical.operators_in_float(model)
    if scheme == "int8-dynamic":
        in_float, quantized = canonical.weights_in_float(model)
        if not quantized:
            raise ConversionError(f"TFLite int8-dynamic: {too_small_for_dynamic(())}")
        return in_float
    return ()
