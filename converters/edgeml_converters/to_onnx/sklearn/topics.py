"""Latent Dirichlet allocation: the topics of a document by the variational E-step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeml_converters.to_onnx.sklearn.emitter import Emitter, Rules
from edgeml_converters.to_onnx.sklearn.factorization import filled
from edgeml_converters.to_onnx.sklearn.loops import BOOL, DOUBLE, loop
from edgeml_converters.to_onnx.sklearn.pairwise_kernels import cast, product

_EULER = 0.577215664901532860606512090082402431


def _double(emitter: Emitter, value: Any) -> str:
    return emitter.constant(value, "float64")


def _digamma(emitter: Emitter, x: str) -> str:
    """The digamma function as scikit-learn has it (Bernardo 1976, algorithm AS 103), x > 0."""
    one, six = _double(emitter, 1.0), _double(emitter, 6.0)
    inverse = emitter.add("Div", one, x)
    near_zero = emitter.add("Sub", _double(emitter, -_EULER), inverse)
    is_tiny = emitter.add("LessOrEqual", x, _double(emitter, 1e-6))
    total, zero = "", _double(emitter, 0.0)
    for _ in range(6):  # digamma(x + 1) = digamma(x) + 1 / x, up to 6
        low = emitter.add("Less", x, six)
        part = emitter.add("Where", low, emitter.add("Div", one, x), zero)
        total = emitter.add("Add", total, part) if total else part
        x = emitter.add("Add", x, emitter.add("Where", low, one, zero))
    r = emitter.add("Div", one, x)
    square = emitter.add("Mul", r, r)
    series = _double(emitter, 1 / 252)
    for coefficient in (1 / 120, 1 / 12):
        series = emitter.add("Sub", _double(emitter, coefficient), emitter.add("Mul", square, series))
    found = emitter.add("Sub", emitter.add("Log", x), emitter.add("Mul", r, _double(emitter, 0.5)))
    found = emitter.add("Sub", found, emitter.add("Mul", square, series))
    return emitter.add("Where", is_tiny, near_zero, emitter.add("Sub", found, total))


def _expectation(emitter: Emitter, shares: str, topics: int) -> str:
    """exp(E[log theta]) of Dirichlet distributions [n, topics]."""
    found = _digamma(emitter, emitter.concat([shares, emitter.sum(shares)]))
    each = emitter.add("Gather", found, emitter.constant(np.arange(topics), "int64"), axis=1)
    whole = emitter.add("Gather", found, emitter.constant([topics], "int64"), axis=1)
    return emitter.add("Exp", emitter.add("Sub", each, whole))


def _topics(emitter: Emitter, model: Any, x: str) -> str:
    """Every document iterates until its own shares hardly change, whatever the others do."""
    words = np.asarray(model.exp_dirichlet_component_, np.float64)
    topics = len(words)
    x = cast(emitter, x, "float64")

    def step(body: Emitter, _: str, state: Sequence[str]) -> tuple[str, list[str]]:
        shares, expected, active = state
        norm = product(body, expected, words, "float64")
        norm = body.add("Add", norm, _double(body, float(np.finfo(np.float64).eps)))
        found = product(body, body.add("Div", x, norm), words.T, "float64")
        found = body.add("Mul", expected, found)
        found = body.add("Add", found, _double(body, float(model.doc_topic_prior_)))
        change = body.add("Abs", body.add("Sub", shares, found))
        change = body.add("ReduceMean", change, body.constant([1], "int64"), keepdims=1)
        small = body.add("Less", change, _double(body, float(model.mean_change_tol)))
        shares = body.add("Where", active, found, shares)
        active = body.add("And", active, body.add("Not", small))
        left = body.add(
            "ReduceMax", body.add("Cast", active, to=1), body.constant([0, 1], "int64"), keepdims=0
        )
        return body.add("Cast", left, to=BOOL), [shares, _expectation(body, found, topics), active]

    ones = filled(emitter, x, topics, _double(emitter, [[1.0]]))
    active = emitter.add("Greater", emitter.sum(ones), _double(emitter, 0.0))
    start = [ones, _expectation(emitter, ones, topics), active]
    shares = loop(emitter, model.max_doc_update_iter, start, (DOUBLE, DOUBLE, BOOL), step)[0]
    return cast(emitter, emitter.add("Div", shares, emitter.sum(shares)), "float32")


RULES = Rules(transform={"LatentDirichletAllocation": _topics})
