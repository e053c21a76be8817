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
    with_resolved,
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


KEPT = ["id", "_source_row", "_resolved"]
ROWS = st.lists(st.tuples(st.none() | st.integers(0, 2), st.none() | st.integers(0, 3)), max_size=6)


def aside(*rows: tuple[int | None, int | None], resolved: bool = False) -> pa.Table:
    """Quarantined rows of a key and a row of the source each."""
    keys, places = [row[0] for row in rows], [row[1] for row in rows]
    return pa.table(
        {
            "id": pa.array(keys, pa.int64()),
            "_source_file": pa.array(["in.csv"] * len(rows), pa.string()),
            "_source_row": pa.array(places, pa.int64()),
            "_resolved": pa.array([resolved] * len(rows), pa.bool_()),
        }
    )


def kept(*runs: pa.Table) -> list[tuple[object, ...]]:
    """What stands in quarantine after runs that rejected these rows, one after another."""
    held = aside()
    for rejected in runs:
        held = with_resolved(held, rejected, ["id"])
    return [tuple(row[name] for name in KEPT) for row in held.to_pylist()]


def test_of_two_rows_without_a_key_the_one_that_was_corrected_is_resolved() -> None:
    assert kept(aside((None, 1), (None, 2)), aside((None, 2))) == [(None, 2, False), (None, 1, True)]


def test_of_two_rows_with_one_key_the_one_that_was_corrected_is_resolved() -> None:
    assert kept(aside((7, 1), (7, 2)), aside((7, 2))) == [(7, 2, False), (7, 1, True)]
    assert kept(aside((7, 1), (7, 1)), aside((7, 1))) == [(7, 1, False), (7, 1, True)]
    assert kept(aside((7, 1), (7, 1)), aside()) == [(7, 1, True), (7, 1, True)]


def test_a_row_with_a_key_is_the_same_row_wherever_its_source_has_it_now() -> None:
    assert kept(aside((7, 1)), aside((7, 5))) == [(7, 5, False)]
    assert kept(aside((7, 1)), aside(), aside((7, 5))) == [(7, 5, False)]
    assert kept(aside((7, 1), (7, 2)), aside((7, 9)), aside((7, 8))) == [(7, 8, False), (7, 2, True)]
    assert kept(aside((None, 1)), aside((None, 5))) == [(None, 5, False), (None, 1, True)]


def test_rows_of_a_table_without_a_key_are_told_apart_by_their_position() -> None:
    held = with_resolved(aside((7, 1), (7, 2)), aside((7, 2)), [])
    assert [tuple(row[name] for name in KEPT) for row in held.to_pylist()] == [(7, 2, False), (7, 1, True)]


@given(st.lists(ROWS, min_size=2, max_size=4))
def test_no_rejected_row_is_ever_forgotten_and_a_rerun_finds_nothing_new(runs: list[list[tuple[int, int]]]) -> None:
    found = kept(*(aside(*rows) for rows in runs))
    assert kept(*(aside(*rows) for rows in [*runs, runs[-1]])) == found
    assert [row[:2] for row in found if not row[2]] == [tuple(row) for row in runs[-1]]
    for rows in runs:
        for key in {row[0] for row in rows}:
            assert sum(row[0] == key for row in found) >= sum(row[0] == key for row in rows)
