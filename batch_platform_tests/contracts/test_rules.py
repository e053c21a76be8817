"""Rules: each catches the rows it must, and no more."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batch_platform.contracts.validation import validate
from batch_platform_tests.contracts.examples import (
    NOON,
    PAIR,
    broken_rows,
    contract_of,
    one_column,
    rows_of,
)


@pytest.mark.parametrize(
    ("data_type", "test", "passing", "breaking"),
    [
        ("VARCHAR", "not_null", ["", "ü"], [None]),
        ("DOUBLE", "not_null", [0.0, math.inf, -math.inf], [None, math.nan]),
        ("FLOAT", "not_null", [0.0], [None, math.nan]),
        ("INTEGER", "range: {min: 0, max: 10}", [0, 10, None], [-1, 11]),
        ("BIGINT", "range: {min: 9007199254740993}", [2**53 + 1, None], [2**53]),
        ("INTEGER", "range: {max: 10}", [-(2**31), 10], [11]),
        ("DOUBLE", "range: {min: 0}", [0.0, math.inf, None], [-1e-300, math.nan]),
        ("DOUBLE", "range: {max: 0.1}", [0.1, -math.inf], [0.2, math.inf, math.nan]),
        ("FLOAT", "range: {max: 0.1}", [0.1, None], [0.11, math.nan]),
        ('"DECIMAL(10,2)"', "range: {max: 0.1}", [Decimal("0.10"), None], [Decimal("0.11")]),
        ("DATE", "range: {min: 2025-01-06}", [dt.date(2025, 1, 6), None], [dt.date(2025, 1, 5)]),
        (
            "TIMESTAMPTZ",
            "range: {max: 2025-01-06T12:00:00Z}",
            [NOON, None],
            [NOON + dt.timedelta(microseconds=1)],
        ),
        ("VARCHAR", 'accepted_values: {values: [é, "NO"]}', ["é", "NO", None], ["e", "", "NO ", "e\u0301"]),
        ("BOOLEAN", "accepted_values: {values: [true]}", [True, None], [False]),
        ("INTEGER", "accepted_values: {values: [1, 2]}", [1, 2, None], [3]),
        ("DOUBLE", "accepted_values: {values: [1, 0.5]}", [1.0, 0.5, None], [2.0, math.nan]),
        ("FLOAT", "accepted_values: {values: [0.1]}", [0.1, None], [0.2]),
        ('"DECIMAL(4,1)"', "accepted_values: {values: [0.1]}", [Decimal("0.1"), None], [Decimal("0.2")]),
        ("DATE", "accepted_values: {values: [2025-01-06]}", [dt.date(2025, 1, 6)], [dt.date(2025, 1, 7)]),
        ("TIMESTAMPTZ", "accepted_values: {values: [2025-01-06T12:00:00Z]}", [NOON], [NOON.replace(hour=1)]),
        ("VARCHAR", 'matches: {regex: "^[A-Z]{3}$"}', ["JFK", None], ["jfk", "JFKX", "", "ÄÖÜ"]),
        ("VARCHAR", 'matches: {regex: "a;b"}', ["xa;by"], ["ab"]),
        ("VARCHAR", "string_length: {min: 2, max: 3}", ["ab", "日本語", "🛫🛬", None], ["a", "abcd", ""]),
        ("VARCHAR", "string_length: {min: 1}", ["a", "a" * 1000], [""]),
        ("INTEGER", "unique", [1, 2, None, None], [7, 7, 8, 8, 8]),
        ("DOUBLE", "unique", [1.0, None, None], [0.0, -0.0, math.nan, math.nan]),
        ("VARCHAR", "unique", ["a", "é", "e\u0301"], ["ü", "ü"]),
    ],
)
def test_every_column_rule_catches_what_it_must_and_no_more(
    tmp_path: Path, data_type: str, test: str, passing: list[Any], breaking: list[Any]
) -> None:
    contract = one_column(tmp_path, data_type, f"{{{test}}}" if ":" in test else test)
    values = passing + breaking
    verdict = validate(rows_of({"c": values}, {"c": contract.column("c").polars_type}), contract)
    (rule,) = contract.row_rules
    assert verdict.valid["_source_row"].to_list() == list(range(len(passing)))
    assert verdict.rejected["_source_row"].to_list() == list(range(len(passing), len(values)))
    assert set(verdict.rejected["_rules"]) == {rule.name} and ";" not in rule.name
    assert verdict.broken == {rule.name: len(breaking)}


def test_a_combination_counts_null_as_a_value_and_rejects_every_duplicate(tmp_path: Path) -> None:
    tests = "unique_combination_of_columns: {combination_of_columns: [a, B]}"
    contract = contract_of(tmp_path, PAIR.format(tests=tests))
    frame = rows_of({"a": [1, 1, 1, None, None, None], "B": ["x", "y", "x", "z", "z", None]})
    assert broken_rows(validate(frame, contract)) == dict.fromkeys((0, 2, 3, 4), "unique(a, B)")
