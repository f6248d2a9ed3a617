"""Tables, documents, records and sets made of the bundled sets, which themselves hold nothing but numbers.

Measurements become bands with names, booleans by a threshold, categories, and cells that are missing; the
descriptions of the sets are documents, each line labelled with its set.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.specimen import ROWS, Array, Builder, Specimen

_BANDS = ("low", "médian", "high", "very high")


@functools.cache
def _measured(name: str) -> tuple[Any, Array]:
    """The set's columns as a frame, and its targets, in one random order."""
    from sklearn import datasets

    loaded = getattr(datasets, f"load_{name}")(as_frame=True)
    order = np.random.default_rng(0).permutation(len(loaded.data))[:ROWS]
    return loaded.data.iloc[order].reset_index(drop=True), loaded.target.to_numpy()[order]


def banded(values: Any, names: tuple[str, ...] = _BANDS) -> Array:
    """object[n]: the name of the quantile band that each value lies in."""
    inner = np.quantile(values, np.linspace(0, 1, len(names) + 1)[1:-1])
    return np.array(names, object)[np.digitize(values, inner)]


def _without(values: Array, seed: int, missing: Any) -> Array:
    """object[n]: a tenth of the values replaced by what stands for a missing one."""
    values = values.astype(object)
    values[np.random.default_rng(seed).random(len(values)) < 0.1] = missing
    return values


def wine_table() -> tuple[Any, Array]:
    """Wines: numbers, text with NaN and with None, booleans, categories, a column that says nothing."""
    import pandas

    measured, y = _measured("wine")
    malic = measured["malic_acid"].to_numpy().copy()
    malic[np.random.default_rng(5).random(len(malic)) < 0.1] = np.nan
    frame = pandas.DataFrame(
        {
            "bottle": np.arange(len(measured)),
            "alcohol": measured["alcohol"],
            "malic acid": malic,
            "proline": measured["proline"].astype(int),
            "hue": pandas.Series(_without(banded(measured["hue"]), 2, np.nan), dtype=object),
            "cellar": pandas.Series(
                _without(banded(measured["ash"], ("North", "Süd", "東")), 3, None), dtype=object
            ),
            "strong": (measured["alcohol"] > 13).to_numpy(),
            "shade": pandas.Categorical(_without(banded(measured["color_intensity"]), 4, None)),
            "label": banded(measured["magnesium"], ("1", "2", "10")),
        }
    )
    return frame, y


def patient_table() -> tuple[Any, Array]:
    """Diabetes patients: sex and age as text, blood pressure in whole numbers, the progression as target."""
    import pandas

    measured, y = _measured("diabetes")
    return pandas.DataFrame(
        {
            "sex": np.where(measured["sex"] > 0, "f", "m"),
            "age": banded(measured["age"], ("young", "adult", "old")),
            "bmi": (measured["bmi"] * 1000).round(1),
            "bp": (measured["bp"] * 100).round().astype(int),
            "smoker": _without((measured["s5"] > 0).to_numpy(), 7, None),
        }
    ), y


@functools.cache
def descriptions() -> tuple[list[str], Array]:
    """Lines of the sets' descriptions, with the name of their set."""
    from sklearn import datasets

    found = []
    for name in ("iris", "wine", "breast_cancer", "diabetes", "linnerud", "digits"):
        text = getattr(datasets, f"load_{name}")().DESCR
        found += [(line.strip(), name) for line in text.splitlines() if len(line.split()) > 4]
    order = np.random.default_rng(0).permutation(len(found))[:150]
    return [found[i][0] for i in order], np.array([found[i][1] for i in order])


def wine_records() -> tuple[list[dict[str, Any]], Array]:
    """Wines as mappings of some of their features, text and numbers; not every wine has each."""
    frame, y = wine_table()
    records = []
    for row in frame.drop(columns=["bottle", "shade"]).to_dict("records"):
        records.append({name: value for name, value in row.items() if value is not None and value == value})
    return records, y


def wine_sets() -> tuple[list[list[str]], Array]:
    """Wines as the names of the measurements in which they are above the median."""
    measured, y = _measured("wine")
    above = (measured > measured.median()).to_numpy()
    return [measured.columns[row].tolist() for row in above], y


def fit_rows(make: Callable[[], Any], rows: Callable[[], tuple[Any, Array]]) -> Builder:
    """A builder of a specimen of such rows, fitted on the first two thirds of them."""

    @functools.cache
    def build() -> Specimen:
        x, y = rows()
        known = 2 * len(y) // 3
        return Specimen(make().fit(x[:known], y[:known]), x, y)

    return build
