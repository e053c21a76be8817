"""The screen: it and pandera agree on every rule, so that what it finds clean needs no second look."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.rules import Matches
from batch_platform.contracts.screen import suspects
from batch_platform.contracts.validation import judge, validate
from batch_platform.errors import ContractError
from batch_platform_tests.contracts.examples import EVERY_RULE, contract_of, one_column, rows_of

NOON = dt.datetime(2025, 1, 6, 12, tzinfo=dt.UTC)
# Few values each, and most of them good: partitions that keep all rules must come up as often as those that do not.
VALUES = st.fixed_dictionaries(
    {
        "n": st.sampled_from([0, 1, 2, 4, 4, 3, 5, -1, None]),
        "x": st.sampled_from([0.0, 0.0, -0.0, None, 2.0, float("nan"), float("inf"), float("-inf")]),
        "y": st.sampled_from([1.0, 0.1, None, 0.0, float("nan")]),
        "s": st.sampled_from(["1", "1", "", "ü", "b", "11", None]),
        "flag": st.sampled_from([True, True, None, False]),
        "price": st.sampled_from([Decimal("0.5"), Decimal("2.0"), None, Decimal("0.4")]),
        "day": st.sampled_from([dt.date(2025, 1, 6), dt.date(2025, 1, 7), dt.date(2025, 1, 5), None]),
        "moment": st.sampled_from([NOON.replace(hour=1), NOON, None, NOON + dt.timedelta(hours=1)]),
    }
)


OPTIONS = {
    "{range: {min: 0, max: 4}}": '{range: {min: 0, max: 4, inclusive: false, where: "x < 1 or s is null"}}',
    "{range: {min: 0.1}}": '{range: {min: 0.1, where: "s::integer > 0", severity: warn}}',
    '{expression: "n <> 3"}': '{expression: "n <> 3", where: flag, severity: warn}',
    '{expression: "s::integer < n",': '{expression: "s::integer < n", where: "s::integer <> 1",',
    "[n, s]}": "[n, s], where: \"s <> 'b'\"}",
    "[x, day]}": "[x, day], severity: warn}",
    "[not_null, unique, {range": "[{not_null: {where: \"s = '1'\"}}, unique, {range",
}


@pytest.fixture(params=["plain", "with options"])
def contract(tmp_path: Path, request: pytest.FixtureRequest) -> Contract:
    text = EVERY_RULE
    for plain, optional in OPTIONS.items() if request.param == "with options" else ():
        assert plain in text
        text = text.replace(plain, optional)
    return contract_of(tmp_path, text)


def partition(contract: Contract, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {column.name: column.polars_type for column in contract.columns}
    return rows_of({name: [row[name] for row in rows] for name in schema}, schema)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, max_size=4))
def test_screen_and_pandera_agree_on_every_rule(contract: Contract, rows: list[dict[str, Any]]) -> None:
    frame = partition(contract, rows)
    full = judge(frame, contract, contract.row_rules)
    told = full.broken | full.warned
    assert [rule.name for rule in suspects(frame, contract)] == [
        rule.name for rule in contract.row_rules if rule.name in told
    ]
    screened = validate(frame, contract)
    assert (screened.broken, screened.warned) == (full.broken, full.warned)
    assert not set(full.warned) & {name for names in full.rejected["_rules"] for name in names.split(";")}
    for rule in contract.row_rules:
        assert told.get(rule.name, 0) == frame.height - rule.passes(frame).sum()
    assert screened.valid.equals(full.valid) and screened.rejected.equals(full.rejected)
    assert screened.rejected.schema == full.rejected.schema


def test_a_clean_partition_has_no_suspects(contract: Contract) -> None:
    good = {
        "n": 2,
        "x": 0.0,
        "y": 1.0,
        "s": "1",
        "flag": True,
        "price": Decimal("0.5"),
        "day": NOON.date(),
        "moment": None,
    }
    frame = partition(contract, [good])
    assert suspects(frame, contract) == ()
    assert validate(frame, contract).valid.equals(judge(frame, contract, contract.row_rules).valid)
    assert suspects(frame.clear(), contract) == ()


def test_a_rule_that_cannot_be_evaluated_makes_all_suspect_and_stops_the_partition(tmp_path: Path) -> None:
    contract = one_column(tmp_path, "BIGINT", "not_null")
    (column,) = contract.columns
    wrong = dataclasses.replace(column, rules=(*column.rules, Matches("c", "a")))
    contract = dataclasses.replace(contract, columns=(wrong,))
    frame = rows_of({"c": [1]})
    assert suspects(frame, contract) == contract.row_rules
    with pytest.raises(ContractError, match="a rule could not be applied"):
        validate(frame, contract)
