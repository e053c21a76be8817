"""A pandera class as part of a contract: its checks are rules among the others, and it must agree with the file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.pandera_class import PanderaRowCheck, PanderaTableCheck
from batch_platform.contracts.rules import NotNull, Severity
from batch_platform.contracts.screen import suspects
from batch_platform.contracts.set_rules import Unique
from batch_platform.contracts.table_rules import PartitionState
from batch_platform.contracts.validation import judge, validate
from batch_platform.errors import ConfigurationError, ContractError
from batch_platform_tests.contracts.examples import broken_rows, contract_of, rows_of

CLASSES = "batch_platform_tests.contracts.pandera_models"
FLIGHTS = f"""\
models:
  - name: m
    meta: {{contract: "{CLASSES}:Flights"}}
    columns:
      - {{name: carrier, data_type: VARCHAR, data_tests: [not_null, {{string_length: {{max: 2}}}}]}}
      - {{name: distance_miles, data_type: DOUBLE}}
      - {{name: number, data_type: INTEGER}}
      - {{name: at, data_type: TIMESTAMPTZ}}
      - {{name: extra, data_type: BIGINT}}
"""


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    return contract_of(tmp_path, FLIGHTS)


def flights(carriers: list[str | None], miles: list[float | None]) -> pl.DataFrame:
    moment = dt.datetime(2025, 1, 6, tzinfo=dt.UTC)
    columns = {
        "carrier": carriers,
        "distance_miles": miles,
        "number": range(1, 2 * len(miles) + 1, 2),
        "at": [moment + dt.timedelta(hours=n) for n in range(len(miles))],
        "extra": [None] * len(miles),
    }
    types = {"number": pl.Int32, "at": pl.Datetime("us", "UTC"), "extra": pl.Int64}
    return rows_of(columns).cast(types)  # type: ignore[arg-type]


def unique_ones(contract: Contract, rows: pl.DataFrame) -> dict[str, pl.Series]:
    return {rule.name: rule.passes(rows) for rule in contract.set_rules}


def test_checks_become_rules_beside_those_of_the_file(contract: Contract) -> None:
    assert [rule.name for rule in contract.row_rules] == [
        "carrier: not_null",
        "carrier: string_length(, 2)",
        "carrier: isin(['AA', 'B6'])",
        "distance_miles: greater_than_or_equal_to(0)",
        "number: unique",
        "number: odd",
        "unique(carrier, at)",
        "B6 flies far",
    ]
    assert contract.column("carrier").rules[0] == NotNull("carrier")
    assert contract.column("number").rules[0] == Unique(("number",), combination=False)
    assert [rule.name for rule in contract.table_rules] == ["distance_miles: mostly short"]
    assert [rule.name for rule in contract.warnings] == ["number: odd"]
    kinds = {type(rule) for rule in (*contract.row_rules[2:4], *contract.row_rules[5:6], *contract.row_rules[7:])}
    assert kinds == {PanderaRowCheck} and isinstance(contract.table_rules[0], PanderaTableCheck)
    assert contract.table_rules[0].severity is Severity.ERROR


def test_rows_that_fail_a_check_are_rejected_by_its_name(contract: Contract) -> None:
    frame = flights(["AA", "XX", "B6", None, "B6"], [1.0, 2.0, 3.0, -1.0, None])
    verdict = validate(frame, contract)
    assert broken_rows(verdict) == {
        1: "carrier: isin(['AA', 'B6'])",
        2: "B6 flies far",
        3: "carrier: not_null;distance_miles: greater_than_or_equal_to(0)",
    }
    rows = frame.with_columns(number=pl.Series([2, 2, 3, 4, 5], dtype=pl.Int32))
    assert validate(rows, contract).warned == {"number: odd": 3}
    full = judge(frame, contract, contract.row_rules)
    assert full.broken == verdict.broken and full.rejected.equals(verdict.rejected)
    assert {rule.name for rule in suspects(frame, contract)} == set(full.broken)
    names = {check.name for check in contract.pandera_schema().checks}
    assert names == {rule.name for rule in contract.row_rules}


def test_a_check_that_gives_one_answer_judges_the_partition_whole_or_in_batches(contract: Contract) -> None:
    frame = flights(["AA", "AA", "AA"], [10.0, 1500.0, 3000.0])
    with pytest.raises(
        ContractError, match=rf"fails a check of {CLASSES}:Flights, which breaks distance_miles: mostly"
    ):
        validate(frame, contract)
    state = PartitionState(contract)
    for batch in (frame[:1], frame[1:]):
        validate(batch, contract, unique_ones(contract, batch), state=state)
    with pytest.raises(ContractError, match="mostly short"):
        state.finish()
    assert validate(frame[:1], contract).valid.height == 1
    assert validate(frame.clear(), contract).valid.height == 0


ONE = """\
models:
  - name: m
    meta: {{contract: "{path}"}}
    columns: [{{name: c, data_type: BIGINT}}{more}]
"""


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (f"{CLASSES}:COERCING", "asks for coerce, which a contract does not do"),
        (f"{CLASSES}:FILTERING", "asks for strict: filter"),
        (f"{CLASSES}:OTHER_TYPE", "c is String, but the contract has BIGINT"),
        (f"{CLASSES}:UNKNOWN", "declares z, which the model has not"),
        (f"{CLASSES}:FAILING", "fails on the model's columns"),
        (f"{CLASSES}:NO_SCHEMA", "is a int (use a DataFrameModel"),
        (f"{CLASSES}:Absent", "cannot be imported: AttributeError"),
        ("no_such_package.module:Class", "cannot be imported: ModuleNotFoundError"),
        (f"{CLASSES}.Flights", "names no class (write package.module:Class)"),
        ("../evil:Class", "names no class"),
        ("os:system('x')", "names no class"),
        ("a..b:C", "names no class"),
    ],
)
def test_a_class_that_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, path: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        contract_of(tmp_path, ONE.format(path=path, more=""))
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:3: "), str(caught.value)
    assert what in str(caught.value)


def test_a_strict_class_declares_every_column(tmp_path: Path) -> None:
    assert contract_of(tmp_path, ONE.format(path=f"{CLASSES}:STRICT", more="")).row_rules == (NotNull("c"),)
    with pytest.raises(ConfigurationError, match="is strict and lacks d"):
        contract_of(tmp_path, ONE.format(path=f"{CLASSES}:STRICT", more=", {name: d, data_type: DATE}"))


def test_a_check_that_answers_for_some_rows_alone_stops_the_partition(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, ONE.format(path=f"{CLASSES}:SHORT", more=""))
    with pytest.raises(ContractError, match="the check c: short gives 1 answers for 2 rows"):
        validate(rows_of({"c": [1, 2]}), contract)


def test_the_digest_covers_the_code_of_the_class(tmp_path: Path) -> None:
    plain = contract_of(tmp_path, ONE.format(path=f"{CLASSES}:PLAIN", more=""))
    assert plain.row_rules == (NotNull("c"),)
    short = contract_of(tmp_path, ONE.format(path=f"{CLASSES}:SHORT", more=""))
    (check,) = (rule for rule in short.row_rules if isinstance(rule, PanderaRowCheck))
    assert len(check.source) == 64 and short.digest != plain.digest
