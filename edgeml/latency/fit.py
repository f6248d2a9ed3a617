"""From published latencies to the lines of `lines.py`: own fits, and translations between libraries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgeml.latency import transfer
from edgeml.latency.features import COSTS
from edgeml.latency.intervals import spread, transfer_deviation, transfer_quantile
from edgeml.latency.lines import Line
from edgeml.latency.model import cycles, fit_core, shape
from edgeml.latency.published import ALL, MICROCONTROLLER, Published
from edgeml.latency.validation import FAMILIES, LeftOut, family, left_out

# Libraries that our engines run on, for which other libraries' numbers are translated.
ENGINE_LIBRARIES = ("xnnpack", "xnnpack 32-bit", "onnxruntime", "tflite-micro-cmsis-nn")
DTYPES = ("float32", "int8")


def fit(rows: Published) -> tuple[Line, ...]:
    """Every line that the published rows support, sorted."""
    # A microcontroller's four networks are each the only one of their kind of work: none can be spared.
    small = rows.mode == MICROCONTROLLER
    errors = [
        *left_out(rows.at(~small), new_networks=True),
        *left_out(rows.at(small), new_networks=False),
    ]
    lines = [*_direct(rows, errors), *_translated(rows)]
    return tuple(sorted(lines, key=_order))


def _order(line: Line) -> tuple[str | bool, ...]:
    return line.core, line.library, line.dtype, line.mode, line.memory, bool(line.libraries)


def _direct(rows: Published, errors: Sequence[LeftOut]) -> Iterator[Line]:
    modes = sorted(set(rows.mode))
    spreads = {mode: spread([one for one in errors if one.mode == mode]) for mode in modes}
    for variant, dtype, mode in sorted(set(zip(rows.variant, rows.dtype, rows.mode, strict=True))):
        library = rows.at((rows.variant == variant) & (rows.dtype == dtype) & (rows.mode == mode))
        for memory in (False, True) if mode == ALL else (False,):
            usable = library.at(np.isfinite(library.memory_bytes_per_s)) if memory else library
            if not len(usable):
                continue
            cost = cycles(usable, memory=memory)
            prior = shape(usable, cost)
            for core in np.unique(usable.core):
                here = usable.core == core
                part = usable.at(here)
                if not _enough(part.network):
                    continue
                own = [one for one in errors if (one.core, one.variant, one.dtype) == (core, variant, dtype)]
                squares = [float(np.mean(one.errors**2)) for one in own if one.mode == mode]
                yield _line(
                    usable,
                    part,
                    memory=memory,
                    half_width=spreads[mode].half_width(squares),
                    coefficients=fit_core(part, cost[here], prior),
                )


def _translated(rows: Published) -> Iterator[Line]:
    for dtype in DTYPES:
        for mode in sorted(set(rows.mode)):
            part = rows.at((rows.dtype == dtype) & (rows.mode == mode))
            if mode == MICROCONTROLLER:  # vector units of other makers' cores are another world
                part = part.at(np.char.startswith(part.core, "Cortex-M"))
            published = transfer.cells(part)
            # Of a library that was published on other cores, and of one that was published nowhere.
            known, new = transfer.left_out(part)
            for core in np.unique(part.core):
                here = part.at(part.core == core)
                for library in _possible(here, published, mode):
                    found = transfer.transfer(published, str(core), library)
                    measured = any(cell.variant == library for cell in published)
                    errors = known if measured else new
                    if found is None or not errors:
                        continue
                    yield _line(
                        part,
                        here,
                        memory=False,
                        half_width=transfer_quantile(errors) * transfer_deviation(found.variance),
                        coefficients=found.coefficients,
                        library=library,
                        libraries=found.libraries,
                        known=measured,
                    )


def _possible(here: Published, published: Sequence[transfer.Cell], mode: str) -> Iterator[str]:
    """Engines' libraries that could run on a core: 32-bit ones where 32-bit ones did."""
    bits = np.char.endswith(here.variant, "32-bit")
    small = mode == MICROCONTROLLER
    for library in ENGINE_LIBRARIES:
        ran = (bits == library.endswith("32-bit")).any() and library.startswith("tflite-micro") == small
        if ran and (not small or any(cell.variant == library for cell in published)):
            yield library


def _enough(networks: transfer.Names) -> bool:
    return len({family(name) for name in networks}) >= FAMILIES


def _line(
    fitted: Published,
    here: Published,
    *,
    memory: bool,
    half_width: float,
    coefficients: transfer.Array,
    library: str | None = None,
    libraries: tuple[str, ...] = (),
    known: bool = True,
) -> Line:
    macs = fitted.costs[:, : COSTS.index("activation_elements")].sum(axis=1)
    return Line(
        core=str(here.core[0]),
        library=library or str(here.variant[0]),
        dtype=str(here.dtype[0]),
        mode=str(here.mode[0]),
        memory=memory,
        boards=tuple(sorted(set(map(str, here.board)))),
        libraries=libraries,
        known=known,
        networks=len(set(fitted.network)),
        smallest_macs=int(macs.min()),
        half_width=round(half_width, 4),
        coefficients=tuple(float(f"{c:.5g}") for c in coefficients),
    )
