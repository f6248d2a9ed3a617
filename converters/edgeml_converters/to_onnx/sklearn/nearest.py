"""The nearest fitted rows as scikit-learn finds them, also where several are at the same distance.

Of rows at the distance of the last neighbour only some are taken. scikit-learn reads the fitted rows in an
order (as they were fitted, or from leaf to leaf of a tree, the nearer branch first), and keeps the nearest on
a heap; which of equals stay there is decided by that order and by how its heap sinks a value. Where a batch
has such rows, and only then, the heap is played through: a loop whose every turn pushes the next row that is
nearer than the heap's farthest, for all rows of the batch at once.

In float64 all of that is exact. An engine without it finds the same ties among integers and goes through a
tree of boxes in the same order; which of two balls is nearer, it may see otherwise.

Metrics that scikit-learn sorts with numpy's introselect (cosine, and those of booleans by brute force) leave
equals in an order that differs between processors; there the rows that were fitted first are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decimals import double
from edgeml_converters.to_onnx.sklearn.distances import (
    fitted_rows,
    from_reduced,
    metric_of,
    reduced_distances,
)
from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_converters.to_onnx.sklearn.loops import BOOL, DOUBLE, INT64, loop
from edgeml_converters.to_onnx.sklearn.reading_order import reading_order

_FAR = 1e38  # beyond every distance, and a float32
_ON_A_HEAP = frozenset(
    ("braycurtis", "canberra", "chebyshev", "euclidean", "haversine", "manhattan", "minkowski", "seuclidean")
) | {"sqeuclidean"}

_UNDEFINED = ("dice", "nan_euclidean", "sokalsneath")  # 0 / 0 for some rows


def nearest(emitter: Emitter, model: Any, x: str, count: int) -> tuple[str, str]:
    """Distances float64[n, count] of the nearest fitted rows and which they are, int64[n, count]."""
    metric = metric_of(model)
    reduced = reduced_distances(emitter, x, fitted_rows(model), metric)
    if metric.name in _UNDEFINED:  # NaN is farther than all numbers
        far = double(emitter, [_FAR])
        reduced = emitter.add("Where", emitter.add("IsNaN", reduced), far, reduced)
    near, rows = smallest(emitter, reduced, count)
    if count < model.n_samples_fit_ and (model._fit_method != "brute" or metric.name in _ON_A_HEAP):
        near, rows = _as_on_a_heap(emitter, model, x, reduced, near, rows, count)
    return from_reduced(emitter, near, metric), rows


def smallest(emitter: Emitter, values: str, count: int) -> tuple[str, str]:
    """The smallest of each row of values float64[n, k], the first of equals, and their places int64."""
    size = emitter.constant([count], "int64")
    found, places = emitter.add_many("TopK", 2, values, size, axis=1, largest=0, sorted=1)
    return found, places


def _as_on_a_heap(
    emitter: Emitter, model: Any, x: str, reduced: str, near: str, rows: str, count: int
) -> tuple[str, str]:
    """The neighbours again, for batches in which more than `count` rows are as near as the last."""
    last = emitter.columns(near, [count - 1])
    within = emitter.add("Cast", emitter.add("LessOrEqual", reduced, last), to=INT64)
    everything = emitter.constant([0, 1], "int64")
    most = emitter.add("ReduceMax", emitter.sum(within), everything, keepdims=0)
    tied = emitter.add("Greater", most, emitter.constant(count, "int64"))
    turns = emitter.add("Cast", tied, to=INT64)
    order = reading_order(emitter, model, x, turns)
    fitted = model.n_samples_fit_
    turns = emitter.add("Mul", turns, emitter.constant(fitted, "int64"))

    def push(body: Emitter, _number: str, state: Sequence[str]) -> tuple[str, list[str]]:
        heap, places, done = state
        farthest = body.columns(heap, [0])
        unread = body.add("And", body.add("Less", reduced, farthest), body.add("Greater", order, done))
        turn = body.add("Where", unread, order, double(body, [_FAR]))
        place = body.add("ArgMin", turn, axis=1, keepdims=1)
        turn = body.add("ReduceMin", turn, body.constant([1], "int64"), keepdims=1)
        value = body.add("GatherElements", reduced, place, axis=1)
        pushes = body.add("Less", turn, double(body, [_FAR]))
        sunk, moved = _sunk(body, heap, places, value, place, count)
        heap, places = body.add("Where", pushes, sunk, heap), body.add("Where", pushes, moved, places)
        any_pushes = body.add("ReduceMax", body.add("Cast", pushes, to=INT64), everything, keepdims=0)
        done = body.add("Max", done, turn)
        return body.add("Cast", any_pushes, to=BOOL), [heap, places, done]

    nothing = emitter.add("Mul", near, double(emitter, [0.0]))
    start = emitter.add("Add", nothing, double(emitter, [_FAR]))
    before = emitter.add("Sub", emitter.columns(nothing, [0]), double(emitter, [1.0]))
    heap, places, _ = loop(emitter, turns, [start, rows, before], [DOUBLE, INT64, DOUBLE], push)
    found, sorting = smallest(emitter, heap, count)
    places = emitter.add("GatherElements", places, sorting, axis=1)
    return emitter.add("Where", tied, found, near), emitter.add("Where", tied, places, rows)


def _sunk(body: Emitter, heap: str, places: str, value: str, place: str, count: int) -> tuple[str, str]:
    """The heap, float64[n, count], and its rows with the farthest replaced by a value that then sinks.

    At equal children the left one rises, and a value stays above one that equals it.
    """
    slots = body.constant(np.arange(count)[None], "int64")
    one, here = body.constant([1], "int64"), body.add("Mul", place, body.constant([0], "int64"))
    for _ in range(count.bit_length() - 1):
        left = body.add("Add", body.add("Add", here, here), one)
        right = body.add("Add", left, one)
        values = [_at(body, heap, slots, child) for child in (left, right)]
        child = body.add("Where", body.add("GreaterOrEqual", *values), left, right)
        larger = body.add("Max", *values)
        sinks = body.add("Less", value, larger)
        # What has come to rest stays: a slot that is none is never written.
        slot = body.add("Where", sinks, here, body.constant([-1], "int64"))
        risen = body.add(
            "GatherElements", places, body.add("Min", child, body.constant([count - 1], "int64")), axis=1
        )
        written = body.add("Equal", slots, slot)
        heap, places = body.add("Where", written, larger, heap), body.add("Where", written, risen, places)
        here = body.add("Where", sinks, child, here)
    written = body.add("Equal", slots, here)
    return body.add("Where", written, value, heap), body.add("Where", written, place, places)


def _at(body: Emitter, heap: str, slots: str, child: str) -> str:
    """The heap's values at those slots, [n, 1]; below all values where there is no such slot."""
    chosen = body.add("Where", body.add("Equal", slots, child), heap, double(body, [-_FAR]))
    return body.add("ReduceMax", chosen, body.constant([1], "int64"), keepdims=1)
