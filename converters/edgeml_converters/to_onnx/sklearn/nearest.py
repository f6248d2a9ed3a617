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

from edgeml_converters.to_onnx.sklearn.decimals import double, in_decimals
from edgeml_converters.to_onnx.sklearn.distances import (
    between,
    from_reduced,
    metric_of,
    power_of,
    reduced_distances,
)
from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_converters.to_onnx.sklearn.loops import BOOL, DOUBLE, INT64, loop
from edgeml_runtime.signature import Array

_FAR = 1e38  # beyond every distance, and a float32
_ON_A_HEAP = frozenset(
    ("braycurtis", "canberra", "chebyshev", "euclidean", "haversine", "manhattan", "minkowski", "seuclidean")
) | {"sqeuclidean"}


def nearest(emitter: Emitter, model: Any, x: str, count: int) -> tuple[str, str]:
    """Distances float64[n, count] of the nearest fitted rows and which they are, int64[n, count]."""
    metric = metric_of(model)
    reduced = reduced_distances(emitter, x, model._fit_X, metric)
    near, rows = smallest(emitter, reduced, count)
    if count < len(model._fit_X) and (model._fit_method != "brute" or metric.name in _ON_A_HEAP):
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
    order = _order(emitter, model, x, turns)
    fitted = len(model._fit_X)
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


def _order(emitter: Emitter, model: Any, x: str, turns: str) -> str:
    """In which turn each fitted row is read: float64[n, rows] or [1, rows]. `turns` is 0 where none asks."""
    fitted = len(model._fit_X)
    as_fitted = double(emitter, np.arange(fitted)[None])
    if model._fit_method == "brute":
        return as_fitted
    _, indices, nodes, bounds = (np.asarray(part) for part in model._tree.get_arrays())
    inner = [i for i in range(len(nodes)) if not nodes["is_leaf"][i]]
    leaves = [
        i for i in range(len(nodes)) if nodes["is_leaf"][i] and nodes["idx_end"][i] > nodes["idx_start"][i]
    ]
    place = np.empty(fitted)
    place[indices] = np.arange(fitted)
    if not inner:
        return double(emitter, place[None])
    # A leaf begins after those before it; those of its siblings' branches that are read first, too.
    begins, swaps = np.zeros(len(leaves)), np.zeros((len(inner), len(leaves)))
    sizes = nodes["idx_end"] - nodes["idx_start"]
    for column, leaf in enumerate(leaves):
        node = leaf
        while node:
            above, second = (node - 1) // 2, node % 2 == 0
            row = inner.index(above)
            sibling = sizes[node - 1 if second else node + 1]
            begins[column] += sibling if second else 0
            swaps[row, column] = -sibling if second else sibling
            node = above
    within, leaf_of = np.empty(fitted), np.empty(fitted, np.int64)
    for column, leaf in enumerate(leaves):
        rows = indices[nodes["idx_start"][leaf] : nodes["idx_end"][leaf]]
        within[rows], leaf_of[rows] = np.arange(len(rows)), column

    def read(body: Emitter, _number: str, _state: Sequence[str]) -> tuple[None, list[str]]:
        near = _nearness_of_nodes(body, model, x, bounds, nodes["radius"])
        first, second = (body.columns(near, [2 * node + side for node in inner]) for side in (1, 2))
        # Inside of both nodes the first is read first; less than 0 is as near as 0.
        second_nearer = body.add("Less", body.add("Sub", second, first), double(body, [0.0]))
        outside_first = body.add("Greater", first, double(body, [0.0]))
        swapped = body.add("Cast", body.add("And", second_nearer, outside_first), to=DOUBLE)
        starts = body.add("Add", body.add("MatMul", swapped, double(body, swaps)), double(body, begins))
        return None, [body.add("Add", body.columns(starts, leaf_of), double(body, within))]

    start = emitter.add(
        "Mul", emitter.add("Cast", emitter.columns(x, [0]), to=DOUBLE), double(emitter, [0.0])
    )
    start = emitter.add("Add", start, as_fitted)
    return loop(emitter, turns, [start], [DOUBLE], read)[0]


def _nearness_of_nodes(emitter: Emitter, model: Any, x: str, bounds: Array, radii: Array) -> str:
    """How near a tree's nodes can be, as the tree compares them; 0 or less inside: float64[n, nodes]."""
    metric = metric_of(model)
    query, _ = in_decimals(emitter, x, np.asarray(model._fit_X, np.float64))
    if model._fit_method == "ball_tree":
        apart = from_reduced(emitter, between(emitter, query, bounds[0], metric), metric)
        return emitter.add("Sub", apart, double(emitter, radii))
    power, total = power_of(metric), ""
    for feature in range(bounds.shape[2]):
        part = emitter.columns(query, [feature])
        below = emitter.add("Sub", double(emitter, bounds[0, :, feature][None]), part)
        above = emitter.add("Sub", part, double(emitter, bounds[1, :, feature][None]))
        outside = emitter.add("Max", emitter.add("Max", below, above), double(emitter, [0.0]))
        if not np.isinf(power) and power != 1.0:
            outside = emitter.add("Pow", outside, double(emitter, [power]))
        total = emitter.add("Max" if np.isinf(power) else "Add", total, outside) if total else outside
    return total
