"""Columns become bounded, finite numbers; the encoding of a number is piecewise linear and never extrapolates."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from batch_platform.models.encoding import UNKNOWN_CODE, CategoricalEncoding, NumericEncoding
from batch_platform.models.network import TabularNetwork

any_float = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True, width=64))
NO_CATEGORIES = CategoricalEncoding((), ())


def table_of(values: Sequence[float | None]) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.float64())})


def encoded(encoding: NumericEncoding, values: Sequence[float | None]) -> NDArray[np.float32]:
    """The first layer's inputs for a single numeric column: its bins, then its indicator where it has one."""
    rows = torch.from_numpy(encoding.standardise(table_of(values)))
    network = TabularNetwork(encoding, NO_CATEGORIES, hidden=(2,), embedding=1)
    result: NDArray[np.float32] = network.encode(rows, torch.zeros((len(values), 0), dtype=torch.int64)).numpy()
    return result


@settings(deadline=None, max_examples=150)
@given(st.lists(any_float, min_size=1, max_size=60), st.lists(any_float, min_size=1, max_size=20))
def test_any_numbers_give_finite_inputs_between_0_and_1(
    training: list[float | None], later: list[float | None]
) -> None:
    encoding = NumericEncoding.fit(table_of(training), ["x"], bins=6)
    inputs = encoded(encoding, later)
    assert np.isfinite(inputs).all()
    assert ((inputs >= 0) & (inputs <= 1)).all()


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60),
    st.lists(st.floats(-2e6, 2e6), min_size=2, max_size=20),
)
def test_inputs_rise_with_the_number(training: list[float], later: list[float]) -> None:
    encoding = NumericEncoding.fit(table_of(training), ["x"], bins=6)
    inputs = encoded(encoding, sorted(later))
    assert (np.diff(inputs, axis=0) >= 0).all()


def test_bins_fill_in_order_and_linearly() -> None:
    encoding = NumericEncoding.fit(table_of([float(value) for value in range(9)]), ["x"], bins=4)
    inputs = encoded(encoding, [-5.0, 0.0, 1.0, 2.0, 5.0, 8.0, 99.0])
    expected: list[list[float]] = [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0.5, 0, 0, 0],
        [1, 0, 0, 0],
        [1, 1, 0.5, 0],
        [1, 1, 1, 1],
        [1, 1, 1, 1],
    ]
    np.testing.assert_allclose(inputs[:, :4], np.array(expected), atol=1e-6)


def test_a_missing_number_is_the_median_with_an_indicator() -> None:
    encoding = NumericEncoding.fit(table_of([1.0, 2.0, 3.0, 4.0, 9.0, None]), ["x"], bins=4)
    missing, median = encoded(encoding, [None, 3.0])
    assert np.array_equal(missing[:-1], median[:-1])
    assert (missing[-1], median[-1]) == (1.0, 0.0)


@pytest.mark.parametrize("values", [[4.0] * 5, [None] * 5])
def test_a_column_that_says_nothing_gives_no_inputs(values: list[float | None]) -> None:
    encoding = NumericEncoding.fit(table_of(values), ["x"], bins=4)
    assert encoded(encoding, [1.0, None, 1e30]).shape == (3, 0)


def test_a_constant_column_with_gaps_keeps_its_indicator() -> None:
    encoding = NumericEncoding.fit(table_of([4.0, None, 4.0]), ["x"], bins=4)
    assert encoded(encoding, [4.0, None]).tolist() == [[0.0], [1.0]]


def test_statistics_keep_the_precision_of_large_numbers() -> None:
    start = 1_700_000_000.0
    encoding = NumericEncoding.fit(table_of([start + value for value in range(100)]), ["x"], bins=10)
    inputs = encoded(encoding, [start + 41.0, start + 42.0]).sum(axis=1)
    np.testing.assert_allclose(np.diff(inputs), 10 / 99, rtol=1e-4)


def test_integers_decimals_and_floats_of_the_same_value_are_the_same() -> None:
    encoding = NumericEncoding.fit(table_of([1.0, 2.0, 3.0, 4.0]), ["x"], bins=3)
    columns = (
        pa.array([2.0], pa.float64()),
        pa.array([2], pa.int16()),
        pa.array([Decimal("2.00")], pa.decimal128(9, 2)),
    )
    results = [encoding.standardise(pa.table({"x": column})).item() for column in columns]
    assert len(set(results)) == 1


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "ß", ""])), min_size=1, max_size=40),
    st.lists(st.one_of(st.none(), st.text(max_size=3)), max_size=20),
    st.integers(1, 5),
)
def test_codes_name_the_level_or_unknown(
    training: list[str | None], later: list[str | None], minimum_rows: int
) -> None:
    encoding = CategoricalEncoding.fit(pa.table({"x": pa.array(training, pa.string())}), ["x"], minimum_rows)
    (levels,) = encoding.levels
    codes = encoding.codes(pa.table({"x": pa.array(later, pa.string())}))[:, 0]
    for value, code in zip(later, codes.tolist(), strict=True):
        if training.count(value) >= minimum_rows:
            assert levels[code - 1] == value
        else:
            assert code == UNKNOWN_CODE


def test_codes_do_not_depend_on_the_order_of_rows_nor_on_the_string_type() -> None:
    values = ["b", None, "a", "b", "c", None]
    fits = [
        CategoricalEncoding.fit(pa.table({"x": column}), ["x"], 1)
        for column in (
            pa.array(values, pa.string()),
            pa.array(values[::-1], pa.large_string()),
            pa.array(values, pa.string()).dictionary_encode(),
            pa.array(values, pa.string_view()),
        )
    ]
    assert {fit.levels for fit in fits} == {(("a", "b", "c", None),)}
