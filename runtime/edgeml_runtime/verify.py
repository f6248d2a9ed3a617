"""Golden vectors: does this engine on this machine give what the build host's gave?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgeml_runtime.bundle import Bundle
from edgeml_runtime.errors import MissingDependencyError
from edgeml_runtime.manifest import Tolerance
from edgeml_runtime.session import Session
from edgeml_runtime.signature import Array


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """One output against its golden vector; `rows_outside` are the rows beyond the tolerance."""

    output: str
    max_abs_difference: float
    atol: float
    rtol: float
    rows_outside: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What the golden vectors say; integrity holds, since a broken bundle raises."""

    bundle: str
    bundle_digest: str
    golden: Literal["ok", "drift", "not run"]
    engine: str | None
    engine_version: str | None
    rows: int
    outputs: tuple[OutputCheck, ...]
    reason: str = ""


def verify(bundle: Bundle, *, engine: str | None = None) -> Verification:
    """Run the golden vectors; without an installed engine they are reported as not run, with the pip line."""
    manifest = bundle.manifest
    inputs = bundle.golden(manifest.fixture.inputs)
    rows = len(next(iter(inputs.values())))
    try:
        session = Session(bundle, engine=engine)
    except MissingDependencyError as error:
        return Verification(manifest.name, bundle.digest, "not run", None, None, rows, (), str(error))
    results = session.run(inputs)
    golden = bundle.golden(manifest.fixture.outputs)
    checks = tuple(
        _compare(tolerance, results[tolerance.output], golden[tolerance.output])
        for tolerance in manifest.fixture.tolerances
    )
    return Verification(
        bundle=manifest.name,
        bundle_digest=bundle.digest,
        golden="drift" if any(check.rows_outside for check in checks) else "ok",
        engine=session.engine.name,
        engine_version=session.engine.version(),
        rows=rows,
        outputs=checks,
    )


def _compare(tolerance: Tolerance, got: Array, want: Array) -> OutputCheck:
    if got.shape != want.shape:
        outside = np.ones(len(want), bool)
        worst = float("inf")
    elif want.dtype.kind == "f":
        difference = np.abs(got.astype(np.float64) - want)
        difference[np.isnan(got) & np.isnan(want)] = 0.0
        difference[np.isnan(difference)] = np.inf
        outside = difference > tolerance.atol + tolerance.rtol * np.abs(want)
        worst = float(difference.max(initial=0.0))
    else:
        outside = got != want
        numeric = want.dtype.kind in "iub"
        gap = np.abs(got.astype(np.float64) - want) if numeric else outside.astype(np.float64)
        worst = float(gap.max(initial=0.0))
    rows = np.flatnonzero(outside.reshape(len(want), -1).any(axis=1))
    return OutputCheck(tolerance.output, worst, tolerance.atol, tolerance.rtol, tuple(int(r) for r in rows))
