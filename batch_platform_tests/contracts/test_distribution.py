"""Guards on distributions: exact, and the same whether a partition comes in one batch or in many."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.distribution import MeanBetween, QuantileBetween
from batch_platform.contracts.exact_sum import mantissas, value_of
from batch_platform.contracts.table_rules import PartitionState
from batch_platform.contracts.validation import validate
from batch_platform.errors import ContractError
from batch_platform_tests.contracts.examples import contract_of, one_column, rows_of


@pytest.mark.parametrize(
    ("data_type", "test", "values", "problem"),
    [
        ("INTEGER", "mean_between: {min: 2, max: 2}", [1, 2, 3, None], None),
        ("BIGINT", "mean_between: {max: 9.2e+18}", [2**63 - 1] * 3, "has 9.22337e+18 as mean of c"),
        ("DOUBLE", "mean_between: {min: 0, max: 0}", [1e300, 1.0, -1e300, -1.0], None),
        ("DOUBLE", "mean_between: {max: 0.1}", [0.1] * 10, None),
        ("FLOAT", "mean_between: {min: 0.5, max: 0.5}", [0.25, 0.75], None),
        ("DECIMAL(4,2)", "mean_between: {min: 0.1, max: 0.1}", [Decimal("0.05"), Decimal("0.15")], None),
        ("DOUBLE", "mean_between: {max: 9}", [1.0, math.nan], "holds 1 values of c that are NaN or infinite"),
        ("DOUBLE", "mean_between: {max: 9}", [-math.inf], "NaN or infinite"),
        ("DOUBLE", "mean_between: {max: 9}", [None], None),
        ("INTEGER", "mean_between: {min: 3}", [1, 2], "the partition has 1.5 as mean of c, which breaks c: mean_bet"),
        ("INTEGER", "quantile_between: {quantile: 0.5, min: 2, max: 2}", [1, 2, 3, 4, None], None),
        ("INTEGER", "quantile_between: {quantile: 0, min: 1, max: 1}", [3, 1], None),
        ("INTEGER", "quantile_between: {quantile: 1, min: 3, max: 3}", [3, 1], None),
        ("INTEGER", "quantile_between: {quantile: 0.1, max: 1}", [1, *range(2, 11)], None),
        ("INTEGER", "quantile_between: {quantile: 0.11, max: 1}", [1, *range(2, 11)], "has 2 as quantile 0.11 of c"),
        ("FLOAT", "quantile_between: {quantile: 0.5, min: 0.1, max: 0.1}", [0.1], None),
        ("DOUBLE", "quantile_between: {quantile: 0.9, max: 5}", [1.0, math.nan], "has nan as quantile"),
        ("DATE", "quantile_between: {quantile: 1, max: 2025-01-06}", [dt.date(2025, 1, 7)], "has 2025-01-07 as"),
        ("INTEGER", "quantile_between: {quantile: 1, max: 1}", [], None),
        ("INTEGER", "null_share_below: {max: 0.1}", [None, *range(9)], None),
        ("DOUBLE", "null_share_below: {max: 0.1}", [None, math.nan, 1.0], "lacks c in 2 of 3 rows"),
        ("INTEGER", "null_share_below: {max: 0}", [], None),
        ("VARCHAR", "distinct_count: {min: 2, max: 2}", ["a", "b", "a", None], None),
        ("DOUBLE", "distinct_count: {max: 2}", [0.0, -0.0, math.nan, math.nan], None),
        ("VARCHAR", "distinct_count: {min: 1}", [None], "has 0 different values of c"),
        ("VARCHAR", "share_of_value: {value: a, max: 0.5}", ["a", "b", "a", None], None),
        ("VARCHAR", "share_of_value: {value: a, min: 0.6}", ["a", None], "holds a as c in 1 of 2 rows"),
        ("BOOLEAN", "share_of_value: {value: true, max: 0.3}", [True, True, False], "in 2 of 3 rows"),
        ("INTEGER", "mean_between: {max: 1, where: c < 5}", [1, 9], None),
        ("INTEGER", "row_count: {max: 1, where: c < 5}", [1, 9, None], None),
    ],
)
def test_a_guard_judges_the_partition(
    tmp_path: Path, data_type: str, test: str, values: list[Any], problem: str | None
) -> None:
    on_model = f"{{{test}}}" if test.startswith("row_count") else ""
    contract = one_column(tmp_path, f'"{data_type}"', "" if on_model else f"{{{test}}}", on_model)
    frame = rows_of({"c": values}, {"c": contract.column("c").polars_type})
    if problem is None:
        assert validate(frame, contract).valid.height == len(values)
        return
    with pytest.raises(ContractError) as caught:
        validate(frame, contract)
    assert problem in str(caught.value) and str(caught.value).startswith("features/m: the partition ")


GUARDS = """\
models:
  - name: m
    data_tests:
      - row_count: {min: 1, max: 9}
      - row_count: {max: 2, where: "x > 1", severity: warn}
    columns:
      - name: x
        data_type: DOUBLE
        data_tests:
          - mean_between: {min: 0, max: 1}
          - mean_between: {max: 1, where: "n > 0", severity: warn}
          - quantile_between: {quantile: 0.5, min: -1, max: 2}
          - null_share_below: {max: 0.3}
          - distinct_count: {max: 3}
          - share_of_value: {value: 1, max: 0.5}
      - name: n
        data_type: INTEGER
        data_tests: [{mean_between: {max: 1}}, {quantile_between: {quantile: 0.25, min: 0}}]
"""
VALUES = st.lists(
    st.tuples(
        st.sampled_from([None, 0.0, -0.0, 1.0, 0.1, 1e17, -1e17, math.nan, math.inf]),
        st.none() | st.integers(-2, 3),
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def guards(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return contract_of(tmp_path_factory.mktemp("guards"), GUARDS)


def told(contract: Contract, batches: list[pl.DataFrame]) -> tuple[str, ...]:
    state = PartitionState(contract)
    for batch in batches:
        state.update(batch)
    try:
        return state.finish()
    except ContractError as error:
        return (str(error),)


@settings(max_examples=100, deadline=None)
@given(rows=VALUES, cuts=st.lists(st.integers(0, 12), max_size=3), seed=st.integers(0, 9))
def test_batches_and_their_order_change_no_answer(
    guards: Contract, rows: list[Any], cuts: list[int], seed: int
) -> None:
    frame = pl.DataFrame(rows, schema={"x": pl.Float64, "n": pl.Int32}, orient="row")
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
    edges = [0, *sorted(cuts), frame.height]
    batches = [shuffled[low:high] for low, high in itertools.pairwise(edges)]
    random.Random(seed).shuffle(batches)
    assert told(guards, batches) == told(guards, [frame])


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_the_sum_of_doubles_is_exact(values: list[float]) -> None:
    total = value_of(mantissas(np.array(values, dtype=np.float64)))
    assert total == sum(map(Fraction, values), Fraction())
    assert values == [] or abs(total) > 10**308 or float(total) == math.fsum(values)


@given(st.lists(st.decimals(-(10**36) + 1, 10**36 - 1, places=2, allow_nan=False), min_size=1))
def test_the_mean_of_decimals_is_exact(values: list[Decimal]) -> None:
    mean = float(sum(map(Fraction, values), Fraction()) / len(values))
    rows = pl.DataFrame({"c": values}, schema={"c": pl.Decimal(38, 2)})
    assert MeanBetween("c", mean, mean).judge([rows[:1], rows[1:]]) is None
    assert MeanBetween("c", math.nextafter(mean, math.inf), None).judge([rows]) is not None


@given(st.lists(st.integers(-3, 3), min_size=1), st.fractions(0, 1, max_denominator=20))
def test_a_quantile_is_the_smallest_value_that_enough_do_not_exceed(values: list[int], share: Fraction) -> None:
    quantile = float(share)
    rows = pl.DataFrame({"c": values}, schema={"c": pl.Int64})
    exact = Fraction(str(quantile))
    expected = min(v for v in values if sum(w <= v for w in values) >= exact * len(values))
    assert QuantileBetween("c", quantile, expected, expected).judge([rows]) is None
    assert QuantileBetween("c", quantile, expected + 1, None).judge([rows]) is not None


def test_a_guard_that_warns_stops_nothing_and_is_told(tmp_path: Path) -> None:
    contract = one_column(tmp_path, "INTEGER", "{mean_between: {max: 1, severity: warn}}")
    verdict = validate(rows_of({"c": [5]}, {"c": pl.Int32}), contract)
    assert verdict.valid.height == 1
    assert verdict.notes == ("the partition has 5 as mean of c, which breaks c: mean_between(, 1)",)


def test_no_message_shows_a_personal_value(tmp_path: Path) -> None:
    text = "models: [{name: m, columns: [{name: c, data_type: INTEGER, meta: {personal: true}, data_tests: [TEST]}]}]"
    contract = contract_of(tmp_path, text.replace("TEST", "{quantile_between: {quantile: 1, max: 1}}"))
    with pytest.raises(ContractError) as caught:
        validate(rows_of({"c": [31337]}, {"c": pl.Int32}), contract)
    assert "31337" not in str(caught.value) and "c: quantile_between(1, , 1)" in str(caught.value)
