"""The order in which scikit-learn compares a row with the fitted ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.decimals import double, in_decimals
from edgeml_converters.to_onnx.sklearn.distances import (
    between,
    fitted_rows,
    from_reduced,
    metric_of,
    power_of,
)
from edgeml_converters.to_onnx.sklearn.emitter import Emitter
from edgeml_converters.to_onnx.sklearn.loops import DOUBLE, loop
from edgeml_runtime.signature import Array


@dataclass(frozen=True, slots=True)
class _Level:
    """Branchings, one above each leaf, at the same depth."""

    nodes: Array  # int64[leaves]
    delays: Array  # float64[leaves]: by how many rows the leaf is read later if the second branch is nearer


def reading_order(emitter: Emitter, model: Any, x: str, asked: str) -> str:
    """In which turn each fitted row is read: float64[n, rows] or [1, rows].

    x: float32[n, features]; asked: int64[], 1, or 0 where any order will do.
    Brute force reads rows as they were fitted. A tree is gone through branch by branch, the nearer first.
    """
    fitted = model.n_samples_fit_
    if model._fit_method == "brute":
        return double(emitter, np.arange(fitted)[None])
    _, indices, nodes, bounds = (np.asarray(part) for part in model._tree.get_arrays())
    leaves = np.flatnonzero((nodes["is_leaf"] != 0) & (nodes["idx_end"] > nodes["idx_start"]))
    if len(leaves) == 1:
        return double(emitter, np.argsort(indices)[None])
    begins, levels = _branchings(nodes, leaves)
    within, leaf_of = np.empty(fitted), np.empty(fitted, np.int64)
    for column, leaf in enumerate(leaves):
        rows = indices[nodes["idx_start"][leaf] : nodes["idx_end"][leaf]]
        within[rows], leaf_of[rows] = np.arange(len(rows)), column

    def read(body: Emitter, _number: str, _state: Sequence[str]) -> tuple[None, list[str]]:
        near = _nearness_of_nodes(body, model, x, bounds, nodes["radius"])
        starts = double(body, begins[None])
        for level in levels:
            first, second = (body.columns(near, 2 * level.nodes + side) for side in (1, 2))
            # Inside of both nodes the first is read first; less than 0 is as near as 0.
            nearer = body.add("Less", body.add("Sub", second, first), double(body, [0.0]))
            nearer = body.add("And", nearer, body.add("Greater", first, double(body, [0.0])))
            swapped = body.add("Cast", nearer, to=DOUBLE)
            starts = body.add("Add", starts, body.add("Mul", swapped, double(body, level.delays)))
        return None, [body.add("Add", body.columns(starts, leaf_of), double(body, within))]

    nothing = emitter.add(
        "Mul", emitter.add("Cast", emitter.columns(x, [0]), to=DOUBLE), double(emitter, [0.0])
    )
    start = emitter.add("Add", nothing, double(emitter, np.arange(fitted)[None]))
    return loop(emitter, asked, [start], [DOUBLE], read)[0]


def _branchings(nodes: Any, leaves: Array) -> tuple[Array, list[_Level]]:
    """Before which rows each leaf begins if all first branches are nearer, and what changes that."""
    sizes = nodes["idx_end"] - nodes["idx_start"]
    begins = nodes["idx_start"][leaves].astype(np.float64)
    levels, reached = [], leaves
    while reached.any():
        above, second = np.maximum(reached - 1, 0) // 2, reached % 2 == 0
        sibling = sizes[np.where(second, reached - 1, np.minimum(reached + 1, len(nodes) - 1))]
        delays = np.where(reached == 0, 0.0, np.where(second, -sibling, sibling))
        levels.append(_Level(above, delays))
        reached = above
    return begins, levels


def _nearness_of_nodes(emitter: Emitter, model: Any, x: str, bounds: Array, radii: Array) -> str:
    """How near a tree's nodes can be, as the tree compares them; 0 or less inside: float64[n, nodes]."""
    metric = metric_of(model)
    query, _ = in_decimals(emitter, x, fitted_rows(model))
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
