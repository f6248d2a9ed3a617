"""ONNX's Loop: solvers that iterate until a condition is met, with the iterations of scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgeml_converters.to_onnx.sklearn.emitter import Emitter

FLOAT, INT64, BOOL, DOUBLE = 1, 7, 9, 11  # onnx.TensorProto's

# (emitter of the body, iteration int64[], state) -> (bool[] whether to go on or None for always, new state)
Body = Callable[[Emitter, str, Sequence[str]], tuple[str | None, Sequence[str]]]


def loop(
    emitter: Emitter, limit: int | str, state: Sequence[str], types: Sequence[int], body: Body
) -> list[str]:
    """The state after at most `limit` iterations, a number or an int64[] tensor.

    state: tensors of those types, of which an iteration keeps the rank and all sizes but the batch's. The
    body may read any tensor made before.
    """
    from onnx import helper

    inner = emitter.inside()
    names = [f"{inner.prefix}{name}" for name in ("iteration", "condition", *map(str, range(len(state))))]
    proceed, updated = body(inner, names[0], names[2:])
    # A tensor may be an output of a body only if the body makes it.
    outputs = [inner.add("Identity", name) for name in (proceed or names[1], *updated)]
    graph = helper.make_graph(
        inner.nodes,
        inner.prefix,
        [_scalar(names[0], INT64), _scalar(names[1], BOOL)]
        + [_tensor(name, kind) for name, kind in zip(names[2:], types, strict=True)],
        [_scalar(outputs[0], BOOL)]
        + [_tensor(name, kind) for name, kind in zip(outputs[1:], types, strict=True)],
    )
    count = emitter.constant(limit, "int64") if isinstance(limit, int) else limit
    return emitter.add_many("Loop", len(state), count, "", *state, body=graph)


def _scalar(name: str, kind: int) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, kind, [])


def _tensor(name: str, kind: int) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, kind, None)
