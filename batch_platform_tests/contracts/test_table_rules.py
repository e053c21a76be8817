"""Rules on whole partitions: freshness, and what a partition's state tells when it is complete."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.table_rules import Freshness, PartitionState
from batch_platform.contracts.validation import validate
from batch_platform.errors import ConfigurationError, ContractError
from batch_platform_tests.contracts.examples import contract_of, one_column, rows_of

HOUR = 3600
NEW_YORK = ZoneInfo("America/New_York")
END = dt.datetime(2025, 3, 10, tzinfo=NEW_YORK)
"""The end of a day of 23 hours."""


@pytest.mark.parametrize(
    ("newest", "end", "hours", "fresh"),
    [
        (dt.datetime(2025, 3, 9, 4, tzinfo=dt.UTC), END, 24, True),
        (dt.datetime(2025, 3, 9, 3, 59, tzinfo=dt.UTC), END, 24, False),
        (dt.datetime(2025, 3, 11, tzinfo=dt.UTC), END, 1, True),
        (dt.datetime(2025, 3, 9), END, 23, True),
        (dt.datetime(2025, 3, 9), END, 22, False),
        (dt.date(2025, 3, 9), END, 23, True),
        (dt.date(2025, 3, 9), END, 22, False),
        (dt.date(2025, 3, 9), END.astimezone(dt.UTC), 24, False),
    ],
)
def test_the_newest_value_counts_from_the_end_of_the_window(
    newest: dt.date, end: dt.datetime, hours: int, fresh: bool
) -> None:
    rule = Freshness("c", hours * HOUR)
    rows = [pl.DataFrame({"c": [newest - dt.timedelta(days=3), None]}), pl.DataFrame({"c": [newest]})]
    for batches in (rows, rows[::-1], [pl.concat(rows)]):
        problem = rule.judge(batches, end)
        assert (problem is None) is fresh, problem


def test_a_partition_without_any_value_is_not_fresh_and_one_without_window_cannot_be() -> None:
    rule = Freshness("c", HOUR)
    assert rule.judge([pl.DataFrame({"c": [None]}, schema={"c": pl.Date})], END) == "holds no value of c"
    with pytest.raises(ConfigurationError, match="needs a window"):
        rule.judge([], None)


def test_all_broken_rules_of_a_partition_are_told_at_once(tmp_path: Path) -> None:
    contract = one_column(
        tmp_path, "INTEGER", "{mean_between: {max: 1}}, {distinct_count: {max: 1}}", "row_count: {max: 1}"
    )
    with pytest.raises(ContractError) as caught:
        validate(rows_of({"c": [2, 3]}, {"c": pl.Int32}), contract)
    assert str(caught.value) == (
        "features/m: the partition has 2 rows, which breaks row_count(, 1); "
        "the partition has 2.5 as mean of c, which breaks c: mean_between(, 1); "
        "the partition has 2 different values of c, which breaks c: distinct_count(, 1) "
        f"(look for lost or doubled input, or correct the rule in {tmp_path / 'schema.yml'})"
    )


MIXED = """\
models:
  - name: m
    data_tests:
      - row_count: {max: 6, severity: warn}
      - expression_is_true: {expression: "n < 9", where: "s is not null", severity: warn}
    columns:
      - {name: n, data_type: INTEGER, data_tests: [not_null, unique, {range: {max: 3, where: "s <> 'free'"}}]}
      - name: s
        data_type: VARCHAR
        data_tests: [{not_null: {severity: warn}}, {accepted_values: {values: [a, free]}}]
"""
ROWS = st.lists(
    st.tuples(st.none() | st.sampled_from([1, 2, 3, 4, 9]), st.sampled_from(["a", "free", "x", None])), max_size=9
)


@pytest.fixture
def mixed(tmp_path: Path) -> Contract:
    return contract_of(tmp_path, MIXED)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, cut=st.integers(0, 9))
def test_a_partition_in_batches_gets_the_verdict_that_it_gets_whole(mixed: Contract, rows: list[Any], cut: int) -> None:
    data = {"n": [n for n, _ in rows], "s": [s for _, s in rows]}
    frame = rows_of(data, {"n": pl.Int32, "s": pl.String})
    whole = validate(frame, mixed)
    unique = {rule.name: rule.passes(frame) for rule in mixed.set_rules}
    state = PartitionState(mixed)
    parts = [
        validate(frame[low:high], mixed, {name: mask[low:high] for name, mask in unique.items()}, state=state)
        for low, high in ((0, min(cut, frame.height)), (min(cut, frame.height), frame.height))
    ]
    assert state.finish() == whole.notes == (() if len(rows) <= 6 else (whole.notes[0],))
    assert pl.concat([part.valid for part in parts]).equals(whole.valid)
    assert pl.concat([part.rejected for part in parts]).equals(whole.rejected)
    for field in ("broken", "warned"):
        counts: dict[str, int] = {}
        for part in parts:
            for name, count in getattr(part, field).items():
                counts[name] = counts.get(name, 0) + count
        assert counts == getattr(whole, field)
    expected = {
        "s: not_null": sum(s is None for _, s in rows),
        "expression_is_true(n < 9) where s is not null": sum(n == 9 and s is not None for n, s in rows),
    }
    assert whole.warned == {name: count for name, count in expected.items() if count}
    ranged = sum(n is not None and n > 3 and s is not None and s != "free" for n, s in rows)
    assert whole.broken.get("n: range(, 3) where s <> 'free'", 0) == ranged
