"""Histograms add up to the same whatever the order and the cuts, and answer within their promised accuracy."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.predictions.histogram import Histogram

FLOATS = st.floats(width=32, allow_nan=False)
NUMBERS = st.lists(FLOATS | st.integers(-9, 9).map(float), max_size=30)


def of(values: list[float]) -> Histogram:
    return Histogram.of(np.array(values, np.float32))


@given(NUMBERS, NUMBERS, NUMBERS)
def test_adding_up_is_associative_and_commutative_and_equals_the_whole(
    one: list[float], two: list[float], three: list[float]
) -> None:
    a, b, c = of(one), of(two), of(three)
    assert a.merge(b).merge(c) == a.merge(b.merge(c)) == c.merge(b).merge(a) == of(one + two + three)
    assert a.merge(Histogram()) == a == Histogram().merge(a)


@given(NUMBERS)
def test_a_histogram_survives_json(values: list[float]) -> None:
    found = Histogram.from_json(json.loads(json.dumps(of(values).to_json())))
    assert found == of(values) and found.sum == of(values).sum
    assert found.merge(of([1.0])) == of([*values, 1.0])


@given(st.lists(FLOATS, min_size=1, max_size=40), st.floats(0, 1))
def test_quantiles_are_within_their_relative_error(values: list[float], q: float) -> None:
    exact = sorted(values)[max(1, math.ceil(Fraction(q) * len(values))) - 1]
    found = of(values).quantile(q)
    assert found is not None
    if math.isinf(exact):
        assert found == exact
    else:
        assert abs(found - exact) <= 1 / 64 * abs(exact) + 2.0**-131  # an absolute error below single precision's end
    assert exact != 0 or found == 0


@given(st.lists(FLOATS, max_size=40))
def test_the_sum_is_exact_and_rounded_once(values: list[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    assert of(values).sum == float(sum((Fraction(value) for value in finite), Fraction()))
    assert of(values).numbers == len(values)


@given(st.lists(FLOATS, max_size=40))
def test_every_number_lies_in_its_bin(values: list[float]) -> None:
    bins = of(values).bins
    assert [low for low, _, _ in bins] == sorted(low for low, _, _ in bins)
    counted = 0
    for low, high, count in bins:
        inside = [v for v in values if (low <= v < high if v >= 0 else low < v <= high) or low == v == high]
        counted += count
        assert len(inside) == count
    assert counted == len(values)


@given(st.lists(FLOATS, max_size=40), st.lists(st.floats(-100, 100), max_size=5))
def test_counts_between_edges_cover_everything_and_equal_those_of_middles(
    values: list[float], edges: list[float]
) -> None:
    edges = sorted(edges)
    found = of(values).counted(edges)
    assert found.sum() == len(values) and len(found) == len(edges) + 1
    middles = [of([value]).quantile(0.5) for value in values]
    expected = np.bincount(np.searchsorted(edges, middles, side="right").astype(int), minlength=len(edges) + 1)
    assert found.tolist() == expected.tolist()


def test_no_numbers_have_no_quantile_and_sum_to_nothing() -> None:
    assert Histogram().quantile(0.5) is None
    assert (Histogram().sum, Histogram().numbers, Histogram().bins) == (0.0, 0, [])
    assert Histogram().counted([0.0]).tolist() == [0, 0]


def test_known_values() -> None:
    """So that histograms kept for years stay comparable."""
    found = of([-1.0, -0.0, 0.0, 1e-3, 0.5, 1.0, 1.01, float("inf")]).to_json()
    assert found["bins"] == [4127, 8192, 11936, 12224, 12256, 16352]
    assert found["counts"] == [1, 2, 1, 1, 2, 1]
    assert of([1.0]).quantile(0.5) == pytest.approx(1 + 1 / 64)
