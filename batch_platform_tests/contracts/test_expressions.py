"""Expression rules: which rows they reject, what they refuse, and that nothing leaks between calls."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from batch_platform.contracts.expressions import ExpressionIsTrue, kept_by_all
from batch_platform.contracts.validation import validate
from batch_platform_tests.contracts.examples import (
    NOON,
    PAIR,
    contract_of,
    expression,
    one_column,
    rows_of,
)


@pytest.mark.parametrize(
    ("text", "breaking"),
    [
        ("a > 1", [0]),
        ("b = 'x' or a is null -- a comment", [1]),
        ("A + 1 > 2 and length(b) = 1", [0]),
        ("b::integer > 0", [0, 1]),
        ("coalesce(a, 0) > 1", [0, 2]),
        ("b <> 'now()'", []),
    ],
)
def test_an_expression_rejects_rows_where_it_is_false_or_fails(tmp_path: Path, text: str, breaking: list[int]) -> None:
    contract = contract_of(tmp_path, PAIR.format(tests=expression(text)))
    frame = rows_of({"a": [1, 2, None], "B": ["x", "y", None]}, {"a": pl.Int64, "B": pl.String})
    verdict = validate(frame, contract)
    assert verdict.rejected["_source_row"].to_list() == breaking
    assert verdict.broken == ({f"expression_is_true({text})": len(breaking)} if breaking else {})


def test_an_expression_means_the_same_in_every_time_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = one_column(tmp_path, "TIMESTAMPTZ", model_tests=expression("hour(c) = 12"))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert validate(rows_of({"c": [NOON]}), contract).valid.height == 1


def test_a_cast_that_fails_in_two_places_breaks_its_row_alone(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, PAIR.format(tests=expression("b::integer > 0 and b::integer < 5")))
    frame = rows_of({"a": [1, 2, 3], "B": ["x", "1", "7"]}, {"a": pl.Int64, "B": pl.String})
    assert validate(frame, contract).rejected["_source_row"].to_list() == [0, 2]


@pytest.mark.parametrize("pattern", ["a > 1 and columns(*) is not null", "a > 1 and struct_pack(*) is not null"])
def test_columns_named_by_a_pattern_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="write each of them out"):
        ExpressionIsTrue.over(pattern, {"a": pl.Int64(), "b": pl.String()}, None)


def test_one_query_answers_for_each_rule_by_itself() -> None:
    types = {"passes": pl.Int64(), "b": pl.String()}
    texts = ["passes > 0 -- a comment", "passes > 1", "b::integer > 0", "length(b) = 1"]
    rules = [ExpressionIsTrue.over(text, types, None) for text in texts]
    rows = pl.DataFrame({"passes": [1, 2, None], "b": ["x", "1", None]}, schema=types)
    assert kept_by_all(rules, rows) == [bool(rule.passes(rows).all()) for rule in rules]
    assert kept_by_all(rules, rows) == [True, False, False, True]
    assert kept_by_all(rules, rows.clear()) == [True] * len(rules)
    assert kept_by_all([], rows) == []


def test_a_query_that_fails_vouches_for_no_rule_and_spoils_none_after_it() -> None:
    rule = ExpressionIsTrue.over("a > 0", {"a": pl.Int64()}, None)
    impossible = ExpressionIsTrue("nosuch(a)", ("a",))
    rows = pl.DataFrame({"a": [1]})
    assert kept_by_all([rule, impossible], rows) == [False, False]
    assert kept_by_all([rule], rows) == [True]


def test_threads_do_not_see_each_others_rows() -> None:
    rule = ExpressionIsTrue.over("a > 0", {"a": pl.Int64()}, None)
    frames = [pl.DataFrame({"a": [n % 2] * 50}) for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda rows: kept_by_all([rule], rows)[0], frames))
    assert answers == [n % 2 == 1 for n in range(40)]
