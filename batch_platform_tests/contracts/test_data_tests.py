"""data_tests: a test that cannot be enforced is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.contracts.conditions import Condition
from batch_platform.contracts.rules import AcceptedValues, Range, Severity
from batch_platform.contracts.set_rules import Relationship
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
        ("VARCHAR", "relationships: {to: ref('x')}", "relationships needs field"),
        ("VARCHAR", "relationships: {to: x, field: c}", "'x' names no table (write ref('x') or source('group', 'x'))"),
        ("VARCHAR", "relationships: {to: ref('../x'), field: c}", "ref('../x') is no table of the project"),
        ("VARCHAR", "relationships: {to: 'ref(x)', field: c}", "names no table"),
        ("VARCHAR", "relationships: {to: \"ref('x', 'y')\", field: c}", "names no table"),
        ("VARCHAR", "not_null: {severity: fatal}", "unknown severity 'fatal' (use error or warn)"),
        ("VARCHAR", "not_null: {severity: warn, config: {severity: warn}}", "severity is given twice"),
        ("VARCHAR", "not_null: {config: {colour: red}}", "config has no key colour"),
        ("VARCHAR", "not_null: {config: {error_if: '>10'}}", "error_if would not be enforced"),
        ("VARCHAR", "not_null: {warn_if: '>10'}", "warn_if would not be enforced"),
        ("VARCHAR", "not_null: {limit: 10}", "limit would not be enforced"),
        ("VARCHAR", "not_null: {store_failures: true}", "rows that break a test always stand in quarantine"),
        ("VARCHAR", "not_null: {enabled: perhaps}", "enabled must be true or false"),
        ("VARCHAR", "not_null: {where: 'd > 1'}", "where 'd > 1' reads d, which the model does not declare"),
        ("VARCHAR", "not_null: {where: 'random() > 0 and c is null'}", "depends on more than the row: random"),
        ("VARCHAR", "not_null: {where: 'c'}", "is of type VARCHAR, not BOOLEAN"),
        ("VARCHAR", "not_null: {where: 'c in (select 1)'}", "no query"),
        ("VARCHAR", "accepted_values: {values: [a], quote: false}", "quote: false would make SQL of text"),
        ("VARCHAR", "dbt_utils.not_constant", "unknown test dbt_utils.not_constant on column c (packages are not"),
        ("INTEGER", "dbt_utils.accepted_range: {min: 1}", "dbt_utils.accepted_range has no key min"),
        ("INTEGER", "dbt_utils.accepted_range: {min_value: c}", "'c' is not a value of the column's type"),
        (
            "INTEGER",
            "dbt_expectations.expect_column_values_to_be_between: {min_value: 1, where: 'c > 1', "
            "row_condition: 'c > 1'}",
            "row_condition and where are the same",
        ),
        ("VARCHAR", "mean_between: {min: 1}", "mean_between is a test for numbers"),
        ("VARCHAR", "quantile_between: {quantile: 0.5, min: a}", "quantile_between is no test for VARCHAR"),
        ("INTEGER", "quantile_between: {quantile: 1.5, min: 1}", "quantile must be a number from 0 to 1"),
        ("INTEGER", "null_share_below: {max: 2}", "max must be a number from 0 to 1"),
        ("INTEGER", "null_share_below", "null_share_below needs max"),
        ("INTEGER", "share_of_value: {value: 1}", "share_of_value needs min or max"),
        ("INTEGER", "share_of_value: {value: x, max: 1}", "is not a value of the column's type"),
        ("INTEGER", "distinct_count: {min: -1}", "whole number"),
        ("TIMESTAMP", "range: {max: 2025-01-06T00:00:00Z}", "give date and time without a zone"),
        ("VARCHAR", "not_null, not_null", "two rules are called c: not_null"),
        ("VARCHAR", "range: {min: 0}", "range is no test for VARCHAR"),
        ("INTEGER", 'matches: {regex: "a"}', "matches is a test for VARCHAR"),
        ("INTEGER", "string_length: {min: 1}", "string_length is a test for VARCHAR"),
        ("INTEGER", "range: {}", "range needs min or max"),
        ("INTEGER", "range: {low: 1}", "range has no key low"),
        ("INTEGER", "range: {min: 2, max: 1}", "min 2 is above max 1"),
        ("DOUBLE", "range: {min: 1, max: 1, inclusive: false}", "nothing lies between 1.0 and 1.0"),
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


@pytest.mark.parametrize(
    ("data_type", "package", "ours"),
    [
        ("INTEGER", "dbt_utils.accepted_range: {min_value: 1, max_value: 5}", "range: {min: 1, max: 5}"),
        (
            "DOUBLE",
            "dbt_utils.accepted_range: {min_value: 1, inclusive: false}",
            "range: {min: 1, inclusive: false}",
        ),
        (
            "DATE",
            "dbt_expectations.expect_column_values_to_be_between: {max_value: 2025-01-06, strictly: true}",
            "range: {max: 2025-01-06, inclusive: false}",
        ),
        (
            "VARCHAR",
            "dbt_expectations.expect_column_values_to_match_regex: {regex: '^a', row_condition: \"c <> 'b'\"}",
            "matches: {regex: '^a', where: \"c <> 'b'\"}",
        ),
        ("INTEGER", "dbt_utils.expression_is_true: {expression: '>= 1'}", "expression_is_true: {expression: '>= 1'}"),
    ],
)
def test_a_packages_test_on_a_column_is_the_one_built_in(
    tmp_path: Path, data_type: str, package: str, ours: str
) -> None:
    theirs = one_column(tmp_path, data_type, f"{{{package}}}")
    assert theirs.row_rules == one_column(tmp_path, data_type, f"{{{ours}}}").row_rules


@pytest.mark.parametrize(
    ("package", "ours"),
    [
        (
            "dbt_utils.unique_combination_of_columns: {combination_of_columns: [c]}",
            "unique_combination_of_columns: {combination_of_columns: [c]}",
        ),
        ("dbt_utils.expression_is_true: {expression: c > 1}", "expression_is_true: {expression: c > 1}"),
        (
            "dbt_expectations.expect_table_row_count_to_be_between: {min_value: 1, row_condition: c > 1}",
            "row_count: {min: 1, where: c > 1}",
        ),
    ],
)
def test_a_packages_test_on_a_model_is_the_one_built_in(tmp_path: Path, package: str, ours: str) -> None:
    theirs = one_column(tmp_path, "INTEGER", model_tests=f"{{{package}}}")
    assert theirs.rules == one_column(tmp_path, "INTEGER", model_tests=f"{{{ours}}}").rules


@pytest.mark.parametrize(
    "spelled",
    [
        "range: {min: 1, severity: warn, where: c < 9}",
        "range: {arguments: {min: 1}, config: {severity: WARN, where: c < 9}}",
        "range: {arguments: {min: 1}, severity: warn, config: {where: c < 9, tags: [x], meta: {a: 1}}}",
        "range: {min: 1, where: c < 9, severity: warn, description: at least one, name: null, tags: x}",
        "test_name: range, min: 1, config: {where: c < 9, severity: warn}",
        "range: {min: 1, where: c < 9, severity: warn, config: {enabled: true}}",
    ],
)
def test_dbts_ways_to_write_a_test_mean_the_same(tmp_path: Path, spelled: str) -> None:
    spelled = spelled.replace("name: null, ", "")
    (rule,) = one_column(tmp_path, "INTEGER", f"{{{spelled}}}").row_rules
    where = Condition("c < 9", ("c",))
    assert rule == Range("c", 1, None, severity=Severity.WARN, where=where)
    assert rule.name == "c: range(1,) where c < 9"


def test_a_test_may_have_a_name_of_its_own(tmp_path: Path) -> None:
    tests = "{range: {min: 1, name: not below one}}, {range: {min: 1}}"
    assert [rule.name for rule in one_column(tmp_path, "INTEGER", tests).row_rules] == ["not below one", "c: range(1,)"]
    with pytest.raises(ConfigurationError, match="two rules are called x"):
        one_column(tmp_path, "INTEGER", "{range: {min: 1, name: x}}, {not_null: {name: x}}")


def test_a_disabled_test_declares_no_rule(tmp_path: Path) -> None:
    tests = "{not_null: {config: {enabled: false}}}, {no_such_package.test: {enabled: false}}"
    contract = one_column(tmp_path, "INTEGER", tests)
    assert contract.row_rules == () and contract.columns[0].nullable


def test_quote_says_nothing_about_numbers(tmp_path: Path) -> None:
    test = "{accepted_values: {values: [1, 2], quote: false}}"
    assert one_column(tmp_path, "INTEGER", test).row_rules == (AcceptedValues("c", (1, 2)),)


def test_a_reference_is_a_table_of_the_lake(tmp_path: Path) -> None:
    there = ("ref('airports')", "source('snapshots', 'planes')")
    tests = ", ".join(
        f'{{relationships: {{to: "{to}", field: {field}}}}}' for to, field in zip(there, ("code", "tail"), strict=True)
    )
    contract = one_column(tmp_path, "VARCHAR", tests)
    assert contract.row_rules == (
        Relationship("c", "features/airports", "code"),
        Relationship("c", "snapshots/planes", "tail"),
    )
    assert contract.reads == ("features/airports", "snapshots/planes")
