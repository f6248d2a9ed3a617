"""What callers pass: accepted as it is, converted, or refused by name; quantization at the edge."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeml_runtime.errors import SignatureError
from edgeml_runtime.inputs import InputGate, check_feeds, check_input
from edgeml_runtime.signature import Affine, TensorSpec, dequantize, quantize
from tests.conftest import require_module

X = TensorSpec("x", "float32", (None, 2))
NAN = TensorSpec("x", "float32", (None, 2), allow_nan=True)
INT = TensorSpec("n", "int32", (None,))
BYTE = TensorSpec("n", "uint8", (None,))
FLAG = TensorSpec("flag", "bool", (None,))
TEXT = TensorSpec("word", "str", (None, 1))
INT8 = TensorSpec("x", "int8", (None, 2), Affine((0.5,), (0.0,)), allow_nan=True)
ROW = np.float32([[1, 2]])


class Rows(np.ndarray):
    """A subclass that lies about its items."""

    def __getitem__(self, key: Any) -> Any:
        return 0


def misaligned() -> Any:
    array = np.zeros(9, np.uint8)[1:].view(np.float32).reshape(1, 2)
    array[:] = ROW
    assert not array.flags.aligned
    return array


def matrix() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.asmatrix(ROW)


def read_only() -> Any:
    array = ROW.copy()
    array.flags.writeable = False
    return array


ACCEPTED = {
    "as it is": (X, ROW),
    "float64": (X, ROW.astype(np.float64)),
    "float16": (X, ROW.astype(np.float16)),
    "int64": (X, ROW.astype(np.int64)),
    "uint8": (X, ROW.astype(np.uint8)),
    "bool for float": (X, np.array([[True, False]])),
    "list": (X, [[1, 2.0]]),
    "tuple": (X, ((1, 2),)),
    "list of arrays": (X, [ROW[0]]),
    "big-endian": (X, ROW.astype(">f4")),
    "Fortran order": (X, np.asfortranarray(np.float32([[1, 2], [3, 4]]))),
    "every other column": (X, np.float32([[1, 0, 2, 0]])[:, ::2]),
    "backwards": (X, np.float32([[2, 1]])[:, ::-1]),
    "broadcast": (X, np.broadcast_to(np.float32([1, 2]), (3, 2))),
    "misaligned": (X, misaligned()),
    "read-only": (X, read_only()),
    "matrix": (X, matrix()),
    "subclass": (X, ROW.view(Rows)),
    "masked, nothing hidden": (X, np.ma.masked_array(ROW, False)),
    "memory view": (X, memoryview(ROW)),
    "largest float32": (X, np.float32([[3.4e38, -3.4e38]])),
    "sum of squares overflows": (X, np.float32([[1e30, 1e30]])),
    "NaN where it may be": (NAN, np.float32([[np.nan, 1]])),
    "infinity where NaN may be": (NAN, np.float32([[np.inf, 1]])),
    "None where NaN may be": (NAN, np.array([[np.nan, 1]])),
    "wider integer": (INT, np.array([2**31 - 1])),
    "unsigned integer": (INT, np.array([7], np.uint64)),
    "bool for integer": (INT, np.array([True])),
    "bool": (FLAG, [True, False]),
    "strings": (TEXT, np.array([["a"]])),
    "strings as objects": (TEXT, np.array([["a"]], object)),
    "list of strings": (TEXT, [["a"], ["ü"]]),
    "big-endian strings": (TEXT, np.array([["a"]], ">U1")),
    "empty string": (TEXT, [[""]]),
    "quantized": (INT8, ROW),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str):
    spec, value = ACCEPTED[name]
    array = check_input(spec, value)
    assert type(array) is np.ndarray
    assert array.flags.c_contiguous
    assert array.flags.aligned
    assert array.dtype.isnative
    assert "str" in array.dtype.name if spec.dtype == "str" else array.dtype.name == spec.real_dtype
    plain = np.array(value.tolist() if hasattr(value, "tolist") else value)
    np.testing.assert_array_equal(array, plain.astype(array.dtype), strict=True)
    if spec.dtype != "str":
        np.testing.assert_array_equal(InputGate(spec)(value), quantize(spec, array), strict=True)


REFUSED = {
    "scalar": (X, 1.0, "input x: float32[batch, 2]: expected rank 2, got shape []"),
    "0-dimensional": (X, np.float32(1), "expected rank 2, got shape []"),
    "one row": (X, ROW[0], "expected rank 2, got shape [2]; for one row, pass x[None]"),
    "too deep": (X, ROW[None], "expected rank 2, got shape [1, 1, 2]"),
    "too wide": (X, np.zeros((1, 3), np.float32), "axis 1 must be 2, got shape [1, 3]"),
    "no rows": (X, np.zeros((0, 2), np.float32), "expected at least one row, got shape [0, 2]"),
    "empty list": (X, [], "expected rank 2, got shape [0]; for one row"),
    "ragged": (X, [[1, 2], [3]], "cannot make an array of list: setting an array element with a sequence"),
    "None": (X, None, "expected real numbers as float32, got object; convert it with .astype('float32')"),
    "text": (X, [["1", "2"]], "expected real numbers as float32, got str"),
    "bytes": (X, np.array([[b"1", b"2"]]), "expected real numbers as float32, got bytes"),
    "objects": (X, np.array([[1, 2]], object), "expected real numbers as float32, got object"),
    "complex": (X, np.array([[1j, 2]]), "expected real numbers as float32, got complex128"),
    "dates": (X, np.array([["2024-01-01"] * 2], "M8[D]"), "expected real numbers as float32, got datetime64"),
    "record": (X, np.zeros((1, 2), "f4,f4"), "expected real numbers as float32, got void"),
    "NaN": (X, np.float32([[1, np.nan]]), "nan at index [0, 1]; this model takes finite values only"),
    "infinity": (X, np.float32([[1, -np.inf]]), "-inf at index [0, 1]; this model takes finite values only"),
    "both infinities": (X, np.float32([[np.inf, -np.inf]]), "inf at index [0, 0]"),
    "beyond float32": (X, [[1.0, 1e300]], "1e+300 at index [0, 1]; this model takes values that float32"),
    "NaN for int8": (INT8, np.float32([[np.nan, 1]]), "x: float32[batch, 2]: nan at index [0, 0]"),
    "int8 for int8": (INT8, np.zeros((1, 3), np.int8), "axis 1 must be 2"),
    "masked": (X, np.ma.masked_array(ROW, [[True, False]]), "masked values; fill them first"),
    "mapping": (X, {"x": ROW}, "expected real numbers as float32, got object"),
    "float for integer": (INT, np.array([1.0]), "n: int32[batch]: expected integers as int32, got float64"),
    "too large an integer": (INT, np.array([2**31]), "values 2147483648 to 2147483648 do not fit in int32"),
    "negative for unsigned": (BYTE, np.array([-1]), "expected integers as uint8, got int64"),
    "too large for unsigned": (BYTE, np.array([256], np.uint16), "values 256 to 256 do not fit in uint8"),
    "integer for bool": (FLAG, np.array([1]), "expected booleans as bool, got int64"),
    "number for text": (TEXT, np.array([[1.0]]), "word: str[batch, 1]: expected strings, got float64"),
    "bytes for text": (TEXT, np.array([[b"a"]]), "expected strings, got bytes8"),
    "None for text": (TEXT, np.array([["a"], [None]], object), "got NoneType None among them"),
    "NaN for text": (TEXT, np.array([["a"], [np.nan]], object), "expected strings, got float nan among them"),
    "NUL": (TEXT, [["a\0b"]], "strings with NUL or lone surrogate characters cannot be passed on"),
    "NUL at the end": (TEXT, np.array([["a\0"]], object), "strings with NUL or lone surrogate"),
    "lone surrogate": (TEXT, [["\ud800"]], "strings with NUL or lone surrogate"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str):
    spec, value, message = REFUSED[name]
    for check in (lambda: check_input(spec, value), lambda: InputGate(spec)(value)):
        with pytest.raises(SignatureError, match=re.escape(message)):
            check()


@pytest.mark.parametrize(
    "name", [n for n in ACCEPTED if n in ("float64", "int64", "list", "big-endian", "bool for float")]
)
def test_strict_takes_the_exact_dtype_only(name: str):
    spec, value = ACCEPTED[name]
    with pytest.raises(SignatureError, match=r"got (int64|float64|bool|float32 of foreign byte order)"):
        check_input(spec, value, strict=True)
    check_input(X, ROW, strict=True)
    with pytest.raises(SignatureError, match="expected strings, got object"):
        check_input(TEXT, np.array([["a"]], object), strict=True)


def test_data_frames():
    require_module("pandas")
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    assert check_input(X, frame).tolist() == [[1.0, 0.5], [2.0, 1.5]]
    assert check_input(INT, frame["a"]).tolist() == [1, 2]
    with pytest.raises(SignatureError, match="expected real numbers as float32, got object"):
        check_input(X, pd.DataFrame({"a": [1], "b": ["x"]}))
    assert check_input(TEXT, pd.DataFrame({"a": ["x"]})).tolist() == [["x"]]


def test_sparse_matrices_are_not_made_dense_silently():
    require_module("scipy")
    from scipy.sparse import csr_matrix

    with pytest.raises(SignatureError, match=r"got a sparse matrix; pass x\.toarray"):
        check_input(X, csr_matrix(ROW))


def test_an_array_type_that_raises_is_refused():
    class Broken:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("on another device")

    with pytest.raises(SignatureError, match="cannot make an array of Broken: on another device"):
        check_input(X, Broken())


def test_feeds():
    specs = (X, INT)
    assert [a.shape for a in check_feeds(specs, {"n": [1], "x": ROW})] == [(1, 2), (1,)]
    for feeds, message in (
        ({"x": ROW}, "expected inputs x: float32[batch, 2], n: int32[batch]; missing: n"),
        ({"x": ROW, "n": [1], "z": 0, 5: 0}, "; unknown: z, 5"),
        ({}, "missing: x, n"),
        ({"x": ROW, "n": [1, 2]}, "inputs differ in their number of rows: x 1, n 2"),
    ):
        with pytest.raises(SignatureError, match=re.escape(message)):
            check_feeds(specs, feeds)


def test_fitting_arrays_pass_without_a_copy():
    assert InputGate(X)(ROW) is ROW
    large = np.float32([[1e30, 1e30]])
    assert InputGate(X)(large) is large


def test_free_axes():
    spec = TensorSpec("x", "float32", (None, None, 2))
    assert InputGate(spec)(np.zeros((1, 5, 2), np.float32)).shape == (1, 5, 2)
    with pytest.raises(SignatureError, match=re.escape("x: float32[batch, any, 2]: axis 2 must be 2")):
        InputGate(spec)(np.zeros((1, 5, 3), np.float32))


# Quantization: real = (stored - zero_point) * scale.


def test_rounding_is_half_to_even_and_saturates():
    spec = TensorSpec("x", "int8", (None,), Affine((1.0,), (0.0,)))
    real = np.float32([-0.5, 0.5, 1.5, 2.5, -1.5, 126.5, 127.5, 1e30, -1e30, 3.4e38, -128.5, -129])
    assert quantize(spec, real).tolist() == [0, 0, 2, 2, -2, 126, 127, 127, -128, 127, -128, -128]


def test_an_odd_zero_point_does_not_turn_ties_around():
    """As ONNX QuantizeLinear: the rounding comes before the zero point."""
    spec = TensorSpec("x", "uint8", (None,), Affine((1.0,), (3.0,)))
    assert quantize(spec, np.float32([0.5, 1.5, -0.5])).tolist() == [3, 5, 3]


def test_overflow_on_the_way_saturates_without_a_warning():
    spec = TensorSpec("x", "int16", (None,), Affine((1e-30,), (0.0,)))
    assert quantize(spec, np.float32([3e38, -3e38])).tolist() == [32767, -32768]


def test_each_column_has_its_own_affine():
    """A folded standardization: scale and zero point by column, off the integer grid."""
    spec = TensorSpec("x", "int8", (None, 2), Affine((0.1, 10.0), (-3.25, 0.5)))
    stored = quantize(spec, np.float32([[0.0, 0.0], [1.0, -100.0]]))
    assert stored.tolist() == [[-3, 0], [7, -10]]
    np.testing.assert_allclose(dequantize(spec, stored), [[0.025, -5.0], [1.025, -105.0]], rtol=1e-5)
    assert dequantize(spec, stored).dtype == np.float32


affines = st.tuples(st.floats(1e-3, 1e3), st.floats(-1000, 1000)).map(lambda p: Affine((p[0],), (p[1],)))
values = hnp.arrays(np.float32, (5,), elements=st.floats(-1e4, 1e4, width=32))


@given(st.sampled_from(["int8", "uint8", "int16"]), affines, values)
def test_quantization_is_within_half_a_step_or_saturated(dtype: str, affine: Affine, real: Any):
    spec = TensorSpec("x", dtype, (None,), affine)
    stored = quantize(spec, real)
    limits, (scale,), (zero,) = np.iinfo(dtype), affine.scale, affine.zero_point
    low, high = (limits.min - zero) * scale, (limits.max - zero) * scale
    error = np.abs(dequantize(spec, stored).astype(np.float64) - np.clip(real.astype(np.float64), low, high))
    # Half a step, and what float32 loses of numbers as large as these.
    assert (error <= scale * 0.5 + 1e-6 * (np.abs(real) + abs(low) + abs(high) + scale * abs(zero))).all()


@given(st.sampled_from(["int8", "uint8", "int16"]), st.floats(1e-3, 1e3), st.integers(-128, 127), st.data())
def test_stored_values_survive_the_way_out_and_back(dtype: str, scale: float, zero: int, data: st.DataObject):
    spec = TensorSpec("x", dtype, (None,), Affine((scale,), (float(zero),)))
    limits = np.iinfo(dtype)
    stored = data.draw(hnp.arrays(dtype, (4,), elements=st.integers(int(limits.min), int(limits.max))))
    np.testing.assert_array_equal(quantize(spec, dequantize(spec, stored)), stored, strict=True)


@given(st.floats(2**-10, 2**10, width=32), st.integers(-128, 127), values)
def test_integral_zero_points_agree_with_onnx(scale: float, zero: int, real: Any):
    """The specification of QuantizeLinear, literally: saturate(round_half_even(x / scale) + zero_point)."""
    spec = TensorSpec("x", "int8", (None,), Affine((scale,), (float(zero),)))
    reference = np.clip(np.rint(real / np.float32(scale)).astype(np.int64) + zero, -128, 127).astype(np.int8)
    np.testing.assert_array_equal(quantize(spec, real), reference, strict=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((), ()), "at least 1"),
        (((1.0,), (0.0, 1.0)), "the same length"),
        (((0.0,), (0.0,)), "scale must be positive"),
        (((-1.0,), (0.0,)), "scale must be positive"),
        (((float("nan"),), (0.0,)), "scale must be positive"),
        (((float("inf"),), (0.0,)), "scale must be positive"),
        (((1e-40,), (0.0,)), "normal in float32"),
        (((1.0,), (float("nan"),)), "zero_point must be finite"),
        (((1.0,), (1e39,)), "zero_point must be finite"),
    ],
)
def test_affine_that_is_none(arguments: Any, message: str):
    with pytest.raises(ValueError, match=message):
        Affine(*arguments)


def test_affine_of_other_columns_than_the_tensor():
    with pytest.raises(ValueError, match=re.escape("affine has 2 columns, shape (None, 3) has not")):
        TensorSpec("x", "int8", (None, 3), Affine((1.0, 1.0), (0.0, 0.0)))


def test_columns_of_a_table_are_the_models():
    require_module("pandas")
    import pandas as pd

    named = TensorSpec("x", "float32", (None, 2), columns=("a", "b"))
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    assert InputGate(named)(frame).tolist() == [[1.0, 2.0]]
    assert InputGate(named)(ROW) is ROW  # an array has no names to compare
    for other, got in ((frame[["b", "a"]], "b, a"), (frame.rename(columns={"b": "c"}), "a, c")):
        with pytest.raises(
            SignatureError, match=f"expected columns a, b; got {got}; select them in that order"
        ):
            InputGate(named)(other)
