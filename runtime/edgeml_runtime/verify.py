"""Golden vectors: does this engine on this machine give what the build host's gave?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeml_runtime.bundle import Bundle
from edgeml_runtime.errors import ManifestError, MissingDependencyError, SignatureError
from edgeml_runtime.feeds import tensors_of
from edgeml_runtime.manifest import Tolerance
from edgeml_runtime.session import Session
from edgeml_runtime.signature import Array, Signature

_SUM_TOLERANCE = 0.05  # of probabilities in steps of 1/256


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """One output against its golden vector; `rows_outside` are the rows beyond the tolerance.

    `max_abs_difference` is None where it is no number: shapes differ, or one side is NaN or infinite.
    """

    output: str
    max_abs_difference: float | None
    atol: float
    rtol: float
    rows_outside: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What the golden vectors say; integrity holds, since a broken bundle raises.

    `rows_flipped`: golden rows whose predicted class is another one here, whatever the tolerance says.
    `rows_encoded_differently`: golden rows that this machine makes other inputs of than the build host did.
    """

    bundle: str
    bundle_digest: str
    golden: Literal["ok", "drift", "not run"]
    engine: str | None
    engine_version: str | None
    rows: int
    outputs: tuple[OutputCheck, ...]
    reason: str = ""
    rows_encoded_differently: tuple[int, ...] = ()
    rows_flipped: tuple[int, ...] = ()


def verify(
    bundle: Bundle,
    *,
    engine: str | None = None,
    options: Mapping[str, int | str | bool] | None = None,
    tuned: bool = True,
) -> Verification:
    """Run the golden vectors; where no engine is installed they are reported as not run, with the pip line.

    options, tuned: as `load` takes them.
    Raises MissingDependencyError for an engine asked for by name, EngineFailedError where the engine fails.
    """
    manifest = bundle.manifest
    inputs = bundle.golden(manifest.fixture.inputs)
    rows = len(next(iter(inputs.values())))
    try:
        session = Session(bundle, engine=engine, options=options, tuned=tuned)
    except MissingDependencyError as error:
        if engine is not None:
            raise
        return Verification(manifest.name, bundle.digest, "not run", None, None, rows, (), str(error))
    encoded_differently = _encoded_differently(bundle, inputs)
    results = session.run(inputs)
    golden = bundle.golden(manifest.fixture.outputs)
    checks = tuple(
        _compare(tolerance, results[tolerance.output], golden[tolerance.output])
        for tolerance in manifest.fixture.tolerances
    )
    flipped = _rows_flipped(manifest.signature, results, golden)
    differs = encoded_differently or flipped or any(check.rows_outside for check in checks)
    return Verification(
        bundle=manifest.name,
        bundle_digest=bundle.digest,
        golden="drift" if differs else "ok",
        engine=session.engine.name,
        engine_version=session.engine.version(),
        rows=rows,
        outputs=checks,
        rows_encoded_differently=encoded_differently,
        rows_flipped=flipped,
    )


def _encoded_differently(bundle: Bundle, golden: Mapping[str, Array]) -> tuple[int, ...]:
    signature = bundle.manifest.signature
    if not signature.encodes:
        return ()
    try:
        tensors = tensors_of(signature, bundle.golden_rows())
    except SignatureError as error:
        raise ManifestError(f"golden rows do not fit the signature: {error}") from error
    rows = np.zeros(len(next(iter(golden.values()))), bool)
    for name, want in golden.items():
        got = tensors[name]
        different = (got != want) & ~((got != got) & (want != want))
        rows |= different.reshape(len(want), -1).any(axis=1)
    return tuple(int(row) for row in np.flatnonzero(rows))


def _rows_flipped(
    signature: Signature, got: Mapping[str, Array], golden: Mapping[str, Array]
) -> tuple[int, ...]:
    """Rows of which a method gives another class: by its labels, or the largest of its probabilities."""
    flipped = np.zeros(len(next(iter(golden.values()))), bool)
    for method in signature.methods:
        have, want = got[method.outputs[0]], golden[method.outputs[0]]
        if have.shape != want.shape:
            continue  # no row of it can be compared, which the check of that output says
        if method.labels or (method.name == "predict" and want.dtype.kind in "iubU"):
            flipped |= (have != want).reshape(len(want), -1).any(axis=1)
        elif len(method.outputs) == 1 and _are_probabilities(want):
            flipped |= have.argmax(axis=1) != want.argmax(axis=1)
    return tuple(int(row) for row in np.flatnonzero(flipped))


def _are_probabilities(values: Array) -> bool:
    """Whether every row is a distribution over classes, as near as quantized ones come."""
    if values.dtype.kind != "f" or values.ndim != 2 or values.shape[1] < 2 or not np.isfinite(values).all():
        return False
    return bool(values.min() >= 0.0 and np.abs(values.sum(axis=1) - 1.0).max() <= _SUM_TOLERANCE)


def _compare(tolerance: Tolerance, got: Array, want: Array) -> OutputCheck:
    """got, want: [rows, ...] of any dtype."""
    if got.shape != want.shape:
        return OutputCheck(tolerance.output, None, tolerance.atol, tolerance.rtol, tuple(range(len(want))))
    if want.dtype.kind == "f":
        gap = _gap(got, want)
        outside = gap > tolerance.atol + tolerance.rtol * np.nan_to_num(np.abs(want), posinf=0.0)
    else:
        outside = got != want
        gap = np.abs(got.astype(np.float64) - want) if want.dtype.kind in "iu" else outside.astype(np.float64)
    worst = float(gap.max(initial=0.0))
    rows = np.flatnonzero(outside.reshape(len(want), -1).any(axis=1))
    return OutputCheck(
        output=tolerance.output,
        max_abs_difference=worst if math.isfinite(worst) else None,
        atol=tolerance.atol,
        rtol=tolerance.rtol,
        rows_outside=tuple(int(row) for row in rows),
    )


def _gap(got: Array, want: Array) -> Array:
    """|got - want|, 0 where both are the same NaN or infinity, infinite where only one is."""
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    with np.errstate(invalid="ignore"):  # inf - inf of opposite signs is infinite, of the same sign "same"
        gap: Array = np.abs(got.astype(np.float64) - want)
    gap[np.isnan(gap)] = np.inf
    gap[same] = 0.0
    return gap
