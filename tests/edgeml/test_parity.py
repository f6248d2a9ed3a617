"""Comparing an artifact's answers with the original's: differences, flips and their margins, lost values."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgeml.parity import FLOAT32_RESOLUTION, compare
from edgeml.reference import Reference

NAN, INF = float("nan"), float("inf")


def reference(labels=None, margins=None, **results) -> Reference:
    """What the original answered; `labels` are the first method's results where they are not given."""
    values = {
        name: [np.asarray(v) for v in (r if isinstance(r, list) else [r])] for name, r in results.items()
    }
    if labels is None and "predict" in values and values["predict"][0].dtype.kind in "iuUOb":
        labels = values["predict"][0]
    return Reference(values, labels, None if margins is None else np.asarray(margins), None, None)


def values(expected, got):
    """Parity of one method's float values."""
    [method] = compare(reference(predict=np.float64(expected)), {"predict": [np.float32(got)]}, None).methods
    return method


def test_equal_values_differ_by_nothing():
    parity = compare(reference(predict=np.float64([1, 2])), {"predict": [np.float32([1, 2])]}, None)
    assert (parity.rows, parity.label_agreement, parity.resolved_agreement) == (2, None, None)
    assert (parity.max_difference, parity.relative_difference, parity.flips) == (0.0, 0.0, ())


def test_differences_are_absolute_and_relative_to_the_originals_size():
    method = values([[3.0, 4.0], [0.0, 0.0]], [[3.0, 4.5], [0.0, -1.5]])
    assert method.max_difference == 1.5
    assert method.mean_difference == 0.5
    # root mean square of (0, .5, 0, 1.5) over that of (3, 4, 0, 0)
    assert method.relative_difference == pytest.approx(np.sqrt(2.5 / 25))


def test_where_the_original_is_zero_the_relative_difference_is_absolute():
    assert values([0.0, 0.0], [0.5, 0.5]).relative_difference == 0.5


def test_the_worst_of_several_outputs_and_methods_counts():
    original = reference(predict=[np.zeros(2), np.ones(2)], transform=np.ones((2, 3)))
    got = {"predict": [np.zeros(2), np.ones(2) + 0.25], "transform": [np.ones((2, 3)) + 0.5]}
    parity = compare(original, got, None)
    assert [m.method for m in parity.methods] == ["predict", "transform"]
    assert [m.max_difference for m in parity.methods] == [0.25, 0.5]
    assert parity.methods[0].mean_difference == 0.125
    assert parity.max_difference == parity.relative_difference == 0.5


def test_nan_where_the_original_has_nan_is_agreement():
    method = values([1.0, NAN, INF], [1.0, NAN, INF])
    assert (method.max_difference, method.relative_difference, method.lost) == (0.0, 0.0, 0)


@pytest.mark.parametrize(
    ("expected", "got"), [(1.0, NAN), (1.0, INF), (NAN, 1.0), (INF, 1.0), (INF, -INF), (INF, NAN)]
)
def test_a_value_that_is_finite_on_one_side_only_is_lost_and_counted(expected, got):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        method = values([2.0, expected], [2.5, got])
    assert method.lost == 1
    # The others still say how far they are off; nothing that JSON cannot hold comes out.
    assert (method.max_difference, method.mean_difference) == (0.5, 0.5)
    assert np.isfinite(method.relative_difference)


def test_nothing_but_nan_does_not_look_like_agreement():
    parity = compare(reference(predict=np.ones((3, 2))), {"predict": [np.full((3, 2), NAN)]}, None)
    assert parity.lost == 6


@given(
    arrays(np.float32, (5, 2), elements=st.floats(width=32)),
    arrays(np.float32, (5, 2), elements=st.floats(width=32)),
)
def test_every_number_of_a_parity_is_finite(expected, got):
    parity = compare(reference(predict=expected), {"predict": [got]}, None)
    assert np.isfinite(
        [parity.max_difference, parity.relative_difference, parity.methods[0].mean_difference]
    ).all()
    alike = (
        (np.isfinite(expected) & np.isfinite(got)) | (expected == got) | (np.isnan(expected) & np.isnan(got))
    )
    assert parity.lost == int((~alike).sum())


@pytest.mark.parametrize(
    ("labels", "other"),
    [
        (np.array([0, 1, 2, 1]), np.array([0, 1, 1, 1])),
        (np.array(["a", "b", "c", "b"]), np.array(["a", "b", "b", "b"])),
        (np.array(["a", "b", "long label", "b"], object), np.array(["a", "b", "b", "b"])),
        (np.array([True, False, True, False]), np.array([True, False, False, False])),
        (np.array([[0, 0], [0, 1], [2, 2], [3, 3]]), np.array([[0, 0], [0, 1], [2, 1], [3, 3]])),
    ],
    ids=["int", "str", "object", "bool", "two outputs"],
)
def test_a_flip_is_the_row_both_labels_and_the_margin(labels, other):
    parity = compare(reference(predict=labels, margins=[0.5, 0.4, 0.3, 0.2]), {"predict": [other]}, other)
    [flip] = parity.flips
    assert (flip.row, flip.expected, flip.got, flip.margin) == (2, str(labels[2]), str(other[2]), 0.3)
    assert parity.label_agreement == parity.resolved_agreement == 0.75
    assert parity.methods == ()  # labels are compared as labels, never as values


def test_flips_come_by_margin_the_surest_first_and_unresolvable_ones_do_not_count():
    labels, other = np.array([0, 0, 0, 0]), np.array([1, 1, 0, 1])
    margins = [FLOAT32_RESOLUTION, 0.1, 0.9, 2 * FLOAT32_RESOLUTION]
    parity = compare(reference(predict=labels, margins=margins), {"predict": [other]}, other)
    assert [f.row for f in parity.flips] == [1, 3, 0]
    assert parity.label_agreement == 0.25
    assert parity.resolved_agreement == 0.5


@pytest.mark.parametrize("margins", [None, [NAN, NAN]], ids=["no scores", "scores are NaN"])
def test_a_flip_of_unknown_margin_counts(margins):
    labels, other = np.array([0, 1]), np.array([0, 0])
    parity = compare(reference(predict=labels, margins=margins), {"predict": [other]}, other)
    assert [f.margin for f in parity.flips] == [None]
    assert parity.resolved_agreement == 0.5


def test_rows_that_hang_on_ties_do_not_count():
    """Neither their values, lost ones included, nor their labels; how many they are is said."""
    expected, got = np.float64([1, 2, 3, 4]), np.float32([1, 9, INF, 4])
    ties = np.array([False, True, True, False])
    tied = replace(reference(predict=expected), undecided=ties)
    parity = compare(tied, {"predict": [got]}, None)
    assert (parity.undecided, parity.max_difference, parity.lost) == (2, 0.0, 0)
    plain = compare(reference(predict=expected), {"predict": [got]}, None)
    assert (plain.undecided, plain.max_difference, plain.lost) == (0, 7.0, 1)
    labels, other = np.array([0, 1, 2, 1]), np.array([0, 0, 2, 0])
    tied = replace(reference(predict=labels, margins=np.where(ties, 0.0, INF)), undecided=ties)
    parity = compare(tied, {"predict": [other]}, other)
    assert [(f.row, f.margin) for f in parity.flips] == [(1, 0.0), (3, None)]
    assert parity.resolved_agreement == 0.75


def test_scores_are_compared_beside_labels_that_come_from_them():
    scores, got = np.float64([[0.9, 0.1], [0.4, 0.6]]), np.float32([[0.9, 0.1], [0.6, 0.4]])
    parity = compare(reference(scores.argmax(1), predict=scores), {"predict": [got]}, got.argmax(1))
    assert parity.label_agreement == 0.5
    assert parity.max_difference == pytest.approx(0.2)


def test_a_column_instead_of_a_vector_is_the_same_values():
    assert compare(reference(predict=np.ones((3, 1))), {"predict": [np.ones(3)]}, None).max_difference == 0.0
