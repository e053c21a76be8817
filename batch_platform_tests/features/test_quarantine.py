"""Quarantine: the stable shape of quarantined rows, and when too many of them stop a run."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.contracts.contract import Contract, Verdict
from batch_platform.contracts.validation import validate
from batch_platform.errors import ConfigurationError, ContractError
from batch_platform.features.quarantine import (
    Tolerance,
    quarantine_rows,
    quarantine_schema,
    stop_if_exceeded,
)
from batch_platform_tests.contracts.declared import load_contracts

SCHEMA = """\
models:
  - name: m
    columns:
      - {name: n, data_type: INTEGER, data_tests: [not_null, {range: {min: 0}}]}
      - {name: s, data_type: VARCHAR, meta: {personal: true}, data_tests: [{string_length: {max: 2}}]}
      - {name: price, data_type: "DECIMAL(10,2)"}
      - {name: at, data_type: TIMESTAMPTZ, data_tests: [not_null]}
"""


@pytest.fixture
def contract(tmp_path: Path) -> Contract:
    (tmp_path / "schema.yml").write_text(SCHEMA)
    return load_contracts(tmp_path)["m"]


def judged(contract: Contract, numbers: list[int | None], files: list[str | None] | None = None) -> Verdict:
    frame = pl.DataFrame(
        {
            "n": pl.Series(numbers, dtype=pl.Int32),
            "s": ["secret" if n is not None and n < 0 else "ü" for n in numbers],
            "price": pl.Series([None] * len(numbers), dtype=pl.Decimal(10, 2)),
            "at": pl.Series([0] * len(numbers)).cast(pl.Datetime("us", "UTC")),
            "_source_file": pl.Series(files or ["in.csv"] * len(numbers), dtype=pl.String),
            "_source_row": pl.Series(range(len(numbers)), dtype=pl.UInt32),
        }
    )
    return validate(frame, contract)


def test_quarantined_rows_have_one_schema_with_every_column_nullable(contract: Contract) -> None:
    schema = quarantine_schema(contract)
    assert schema.names == ["n", "s", "price", "at", "_source_file", "_source_row", "_rules", "_resolved"]
    assert all(field.nullable for field in schema)
    assert schema.field("at").type == pa.timestamp("us", "UTC")
    partitions: list[list[int | None]] = [[None, -1, 2], [1], []]
    for numbers in partitions:
        table = quarantine_rows(judged(contract, numbers).rejected, contract)
        assert table.schema.equals(schema)
    rows = quarantine_rows(judged(contract, [5, None, -1]).rejected, contract).to_pylist()
    assert [(r["_source_row"], r["_rules"], r["_resolved"]) for r in rows] == [
        (1, "n: not_null", False),
        (2, "n: range(0,);s: string_length(, 2)", False),
    ]


def test_quarantined_rows_stand_in_total_order(contract: Contract) -> None:
    rejected = judged(contract, [-3, -1, -2, None] * 5, ["b", "a", None, "b"] * 5).rejected
    table = quarantine_rows(rejected, contract)
    shuffled = rejected.sample(fraction=1.0, shuffle=True, seed=random.Random(7).randrange(99))
    assert quarantine_rows(shuffled, contract).equals(table)
    files = table.column("_source_file").to_pylist()
    assert files == ["a"] * 5 + ["b"] * 10 + [None] * 5


@pytest.mark.parametrize(
    ("text", "rows", "most"),
    [
        ("1%", 100, 1),
        ("1%", 99, 0),
        ("0.1 %", 10_000, 10),
        ("29%", 100, 29),
        ("0%", 100, 0),
        ("100%", 7, 7),
        ("100 rows", 1000, 100),
        ("1 row", 1000, 1),
        (0, 1000, 0),
        (5, 1000, 5),
        ("5", 1000, 5),
    ],
)
def test_a_tolerance_is_the_most_that_is_tolerated(text: str | int, rows: int, most: int) -> None:
    tolerance = Tolerance.parse(text)
    assert not tolerance.exceeded(rows, most)
    if most < rows:
        assert tolerance.exceeded(rows, most + 1)
    assert not tolerance.exceeded(0, 0)
    assert Tolerance.parse(str(tolerance)) == tolerance


@pytest.mark.parametrize(
    "text", ["", "one", "-1", "-1%", "101%", "1.5", "1.5 rows", "1 %%", "nan%", True, "1rowss", "\u0661%"]
)
def test_what_is_no_tolerance_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no tolerance"):
        Tolerance.parse(text)


def test_more_rejected_than_rows_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="3 rejected of 2 rows"):
        Tolerance(rows=1).exceeded(2, 3)


@given(st.integers(0, 10_000), st.integers(0, 10**6), st.data())
def test_a_share_is_compared_exactly(basis_points: int, rows: int, data: st.DataObject) -> None:
    rejected = data.draw(st.integers(0, rows))
    tolerance = Tolerance.parse(f"{basis_points // 100}.{basis_points % 100:02}%")
    assert tolerance.exceeded(rows, rejected) == (rejected * 10_000 > basis_points * rows)


def test_a_run_stops_with_counts_rules_and_positions_but_no_values(contract: Contract) -> None:
    verdict = judged(contract, [-7777, None, None, 1])
    stop_if_exceeded(verdict, Tolerance.parse("75%"), contract)
    with pytest.raises(ContractError) as caught:
        stop_if_exceeded(verdict, Tolerance.parse("2 rows"), contract, partition="2025-01-06")
    message = str(caught.value)
    assert message.startswith("features/m 2025-01-06: 3 of 4 rows (75.00%) break the contract, more than 2 rows")
    assert "n: not_null (2, e.g. in.csv row 1); n: range(0,) (1, e.g. in.csv row 0)" in message
    assert "7777" not in message and "secret" not in message


def test_only_the_three_most_broken_rules_are_named(contract: Contract) -> None:
    verdict = judged(contract, [-1])
    many = {"a": 1, "b": 4, "c": 3, "d": 2}
    rules = pl.lit("a;b;c;d").alias("_rules")
    verdict = Verdict(verdict.valid, verdict.rejected.with_columns(rules), many)
    with pytest.raises(ContractError, match=r"rows: b \(4, .*c \(3, .*d \(2, [^;]*\)") as caught:
        stop_if_exceeded(verdict, Tolerance.parse(0), contract)
    assert "a (1" not in str(caught.value)


def test_a_row_without_source_position_says_so(contract: Contract) -> None:
    with pytest.raises(ContractError, match="no source position"):
        stop_if_exceeded(judged(contract, [None], [None]), Tolerance(rows=0), contract)


def test_a_partition_without_rows_never_stops(contract: Contract) -> None:
    stop_if_exceeded(judged(contract, []), Tolerance.parse("0%"), contract)
