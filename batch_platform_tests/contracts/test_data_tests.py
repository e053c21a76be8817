"""data_tests: a test that cannot be enforced is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform_tests.contracts.examples import (
    PAIR,
    contract_of,
    expression,
    one_column,
)


@pytest.mark.parametrize(
    ("data_type", "test", "what"),
    [
        ("VARCHAR", "notnull", "unknown test notnull on column c"),
        ("VARCHAR", "relationships: {to: x}", "unknown test relationships on column c"),
        ("VARCHAR", "not_null: {severity: warn}", "not_null has no key severity"),
        ("VARCHAR", "not_null, not_null", "two rules are called c: not_null"),
        ("VARCHAR", "range: {min: 0}", "range is no test for VARCHAR"),
        ("INTEGER", 'matches: {regex: "a"}', "matches is a test for VARCHAR"),
        ("INTEGER", "string_length: {min: 1}", "string_length is a test for VARCHAR"),
        ("INTEGER", "range: {}", "range needs min or max"),
        ("INTEGER", "range: {low: 1}", "range has no key low"),
        ("INTEGER", "range: {min: 2, max: 1}", "min 2 is above max 1"),
        ("INTEGER", "range: {min: 1.5}", "1.5 is not a value of the column's type"),
        ("INTEGER", "range: {min: true}", "True is not a value"),
        ("TINYINT", "range: {max: 128}", "128 does not fit"),
        ('"DECIMAL(4,2)"', "range: {max: 0.125}", "0.125 does not fit"),
        ("DOUBLE", "range: {max: .nan}", "nan is not a value"),
        ("DATE", "range: {max: 2025-13-01}", "cannot be read"),
        ("TIMESTAMPTZ", "range: {max: 2025-01-06}", "give date, time and zone"),
        ("VARCHAR", "accepted_values: {values: [NO]}", "put it in quotes"),
        ("VARCHAR", "accepted_values: {values: []}", "needs values"),
        ("VARCHAR", "accepted_values: {values: [a, a]}", "each of them once"),
        ("VARCHAR", "accepted_values", "accepted_values needs values"),
        ("VARCHAR", 'matches: {regex: "("}', "regex is not valid"),
        ("VARCHAR", "string_length: {min: -1}", "whole number"),
        ("VARCHAR", "string_length: {min: true}", "whole number"),
    ],
)
def test_a_test_that_cannot_be_enforced_is_refused_with_its_line(
    tmp_path: Path, data_type: str, test: str, what: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        one_column(tmp_path, data_type, f"{{{test}}}" if ":" in test else test)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:7: "), str(caught.value)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("test", "what"),
    [
        ("not_null", "unknown test not_null on the model"),
        ("{not_null: {}, unique: {}}", "one test per item"),
        ("row_count: {}", "row_count needs min or max"),
        ("row_count: {min: 1.5}", "whole number"),
        ("unique_combination_of_columns: {combination_of_columns: [a, b]}", "reads b"),
        ("unique_combination_of_columns: {combination_of_columns: []}", "needs columns"),
        (expression("nothing > 1"), "reads nothing, which the model does not declare"),
        (expression("1 = 1"), "reads no column"),
        (expression("a"), "is of type BIGINT, not BOOLEAN"),
        (expression("a >"), "is not SQL"),
        (expression("a > 1) or (true"), "is not SQL"),
        (expression("a > 1; drop table m"), "second statement"),
        (expression("sum(a) > 1"), "aggregates rows"),
        (expression("row_number() over (order by a) > 1"), "window function"),
        (expression("a in (select 1)"), "no query"),
        (expression("unnest([a, 2]) > 1"), "unnest"),
        (expression("a > random()"), "depends on more than the row: random"),
        (expression("a > epoch(now())"), "depends on more than the row: now"),
        (expression("a > year(current_date)"), "depends on more than the row: current_date"),
        (expression("nosuch(a)"), "is refused by DuckDB"),
        (expression("a > 1", "x") + "}, {" + expression("a > 2", "x"), "two rules are called x"),
    ],
)
def test_a_model_test_that_cannot_be_enforced_is_refused_with_its_line(tmp_path: Path, test: str, what: str) -> None:
    text = PAIR.format(tests=test if test.startswith("{") or ":" not in test else f"{{{test}}}")
    with pytest.raises(ConfigurationError) as caught:
        contract_of(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:3: "), str(caught.value)
    assert what in str(caught.value) and "\n" not in str(caught.value)
