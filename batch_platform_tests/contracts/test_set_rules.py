"""Rules on sets of rows: their SQL gives the answers that polars, or plain Python, gives."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.contracts.conditions import Condition
from batch_platform.contracts.rules import Severity
from batch_platform.contracts.set_rules import Relationship, SetRule, Unique
from batch_platform.contracts.table_rules import PartitionState
from batch_platform.contracts.validation import validate
from batch_platform.errors import ContractError
from batch_platform_tests.contracts.examples import broken_rows, one_column, rows_of

FLOATS = st.sampled_from([None, 0.0, -0.0, 1.0, math.nan, math.inf, -math.inf])
TEXTS = st.sampled_from([None, "", "a", "A", "é", "e\u0301", 'a"b'])
ROWS = st.lists(st.tuples(FLOATS, TEXTS, st.none() | st.integers(0, 3)), max_size=8)
SCHEMA = {"x": pl.Float64, 'the "name"': pl.String, "n": pl.Int32}
WHERE = Condition("n > 1", ("n",))
CONNECTION = duckdb.connect(config={"threads": 1})  # one for all examples, of which most time would go into opening it


def in_sql(rule: SetRule, rows: pl.DataFrame, other: pl.DataFrame | None = None) -> list[bool]:
    with CONNECTION.cursor() as connection:
        connection.register("partition", rows.with_row_index("row").to_arrow())
        if other is not None:
            connection.register("over_there", other.to_arrow())
        expression = rule.sql("model", lambda table: {"features/other": "over_there"}[table])
        answers = connection.sql(f'SELECT "row", {expression} AS keeps FROM partition AS model').fetchall()
    return [keeps for _, keeps in sorted(answers)]


@pytest.mark.parametrize("where", [None, WHERE])
@pytest.mark.parametrize("keys", [("x",), ('the "name"',), ("x", 'the "name"'), ("n", "x")])
@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_unique_in_sql_is_unique_in_polars(keys: tuple[str, ...], where: Condition | None, rows: list[Any]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    rule = Unique(keys, combination=len(keys) > 1, where=where)
    assert in_sql(rule, frame) == rule.passes(frame).to_list()


@pytest.mark.parametrize("where", [None, WHERE])
@settings(max_examples=60, deadline=None)
@given(rows=ROWS, known=st.lists(FLOATS, max_size=4))
def test_a_relationship_holds_where_the_value_is_over_there(
    where: Condition | None, rows: list[Any], known: list[float | None]
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    rule = Relationship("x", "features/other", "code", where=where)
    expected = []
    for x, _, n in rows:
        applies = where is None or (n is not None and n > 1)
        alike = any(x == k or (k is not None and x is not None and math.isnan(x) and math.isnan(k)) for k in known)
        expected.append(not applies or x is None or alike)
    assert in_sql(rule, frame, pl.DataFrame({"code": known}, schema={"code": pl.Float64})) == expected


def test_a_condition_that_cannot_be_computed_leaves_its_row_to_the_rule() -> None:
    rows = pl.DataFrame({"x": [1.0, 1.0, 2.0], "s": ["5", "b", "0"]})
    rule = Unique(("x",), combination=False, where=Condition("s::integer > 1", ("s",)))
    assert rule.passes(rows).to_list() == in_sql(rule, rows) == [False, False, True]


def test_answers_from_sql_take_the_place_of_looking_at_a_batch(tmp_path: Path) -> None:
    tests = "unique, {relationships: {to: ref('other'), field: code, severity: warn}}"
    contract = one_column(tmp_path, "BIGINT", tests)
    unique, related = contract.set_rules
    batch = rows_of({"c": [1, 2, 3]})
    masks = {unique.name: pl.Series([True, False, True]), related.name: pl.Series([False, False, True])}
    verdict = validate(batch, contract, masks)
    assert broken_rows(verdict) == {1: "c: unique"} and verdict.broken == {"c: unique": 1}
    assert verdict.warned == {related.name: 2} and related.severity is Severity.WARN
    assert verdict.valid["c"].to_list() == [1, 3]


def test_a_relationship_cannot_be_judged_without_the_other_table(tmp_path: Path) -> None:
    contract = one_column(tmp_path, "BIGINT", "{relationships: {to: ref('other'), field: code}}")
    batch = rows_of({"c": [1, 2, 3]})
    with pytest.raises(RuntimeError, match="reads features/other"):
        validate(batch, contract)
    (rule,) = contract.set_rules
    for wrong in (pl.Series([True]), pl.Series([True, None, True]), pl.Series([1, 1, 1])):
        with pytest.raises(ValueError, match="needs a boolean for each of 3 rows"):
            validate(batch, contract, {rule.name: wrong})
    with pytest.raises(ValueError, match="no rules on sets of rows: nothing"):
        validate(batch, contract, {rule.name: pl.Series([True] * 3), "nothing": pl.Series([True] * 3)})


def test_a_batch_is_not_taken_for_the_partition(tmp_path: Path) -> None:
    contract = one_column(tmp_path, "BIGINT", "unique")
    with pytest.raises(RuntimeError, match="c: unique needs the whole partition"):
        validate(rows_of({"c": [1]}), contract, state=PartitionState(contract))


def test_row_rules_and_computed_ones_are_told_together(tmp_path: Path) -> None:
    contract = one_column(tmp_path, "BIGINT", "not_null, unique, {range: {max: 1}}", "row_count: {max: 3}")
    verdict = validate(rows_of({"c": [1, 2, None]}), contract, {"c: unique": pl.Series([False, False, True])})
    assert broken_rows(verdict) == {0: "c: unique", 1: "c: range(, 1);c: unique", 2: "c: not_null"}
    with pytest.raises(ContractError, match=r"has 4 rows, which breaks row_count\(, 3\)"):
        validate(rows_of({"c": [1, 2, 3, 4]}), contract)
