"""Columns: what the SQL yields completes what a file says, and where the two differ the file's line is named."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from batch_platform.contracts import schema_yml
from batch_platform.contracts.validation import validate
from batch_platform.errors import ConfigurationError
from batch_platform_tests.contracts.examples import entry_of

BOUND = pa.schema(
    [
        ("kind", pa.dictionary(pa.uint8(), pa.string())),
        ("id", pa.uint32()),
        ("total", pa.decimal128(38, 0)),
        ("at", pa.timestamp("ns")),
        ("_source_file", pa.string()),
        ("_source_row", pa.int64()),
        ("partition_key", pa.string()),
    ]
)


def test_the_sql_gives_types_and_order_to_what_the_file_leaves_open(tmp_path: Path) -> None:
    text = """\
models:
  - name: m
    columns:
      - {name: at, description: when}
      - {name: id, data_type: INTEGER, data_tests: [not_null]}
"""
    contract = schema_yml.contract_of(entry_of(tmp_path, text), BOUND)
    assert [(c.name, c.data_type, c.nullable, c.description) for c in contract.columns] == [
        ("kind", "VARCHAR", True, ""),
        ("id", "INTEGER", False, ""),
        ("total", "DECIMAL(38,0)", True, ""),
        ("at", "TIMESTAMP", True, "when"),
    ]


def test_a_model_that_no_file_mentions_has_the_columns_of_its_sql(tmp_path: Path) -> None:
    contract = schema_yml.contract_of_columns("m", BOUND, tmp_path / "m.sql")
    by_file = schema_yml.contract_of(entry_of(tmp_path, "models: [{name: m}]"), BOUND)
    assert contract.columns == by_file.columns and contract.digest == by_file.digest
    assert [c.data_type for c in contract.columns] == ["VARCHAR", "BIGINT", "DECIMAL(38,0)", "TIMESTAMP"]
    with pytest.raises(ConfigurationError, match=r"m\.sql: 'count_star\(\)' is no name .*name it in the SQL"):
        schema_yml.contract_of_columns("m", pa.schema([("count_star()", pa.int64())]), tmp_path / "m.sql")


BOUND_REFUSED = [
    ("- {name: idd}", 4, "the SQL yields no column idd (correct the name"),
    ("- {name: ID}", 4, "the SQL yields no column ID (it yields id)"),
    ("- {name: partition_key}", 4, "the SQL yields no column partition_key"),
    ("- {name: id, data_type: VARCHAR}", 4, "column id is VARCHAR, but the SQL yields uint32"),
    ("- {name: at, data_type: TIMESTAMPTZ}", 4, "column at is TIMESTAMPTZ, but the SQL yields timestamp[ns]"),
]


@pytest.mark.parametrize(("column", "line", "what"), BOUND_REFUSED)
def test_a_file_that_differs_from_the_sql_is_refused_with_its_line(
    tmp_path: Path, column: str, line: int, what: str
) -> None:
    entry = entry_of(tmp_path, f"models:\n  - name: m\n    columns:\n      {column}\n")
    with pytest.raises(ConfigurationError) as caught:
        schema_yml.contract_of(entry, BOUND)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:{line}: {what}"), str(caught.value)


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (pa.list_(pa.int32()), "one column per element"),
        (pa.struct([("a", pa.int32())]), "one column per field"),
        (pa.map_(pa.string(), pa.int32()), "one column per key"),
        (pa.time64("us"), "cast it to VARCHAR"),
        (pa.month_day_nano_interval(), "a number with a unit"),
        (pa.binary(), "hex"),
        (pa.null(), "CAST(NULL AS VARCHAR)"),
        (pa.dictionary(pa.uint8(), pa.int64()), "cast it in the SQL"),
        (pa.decimal256(50, 0), "cast it in the SQL"),
    ],
)
def test_a_type_that_the_lake_does_not_store_is_refused_with_its_place(
    tmp_path: Path, kind: pa.DataType, advice: str
) -> None:
    entry = entry_of(tmp_path, "models:\n  - name: m\n    columns:\n      - name: c\n")
    with pytest.raises(ConfigurationError) as caught:
        schema_yml.contract_of(entry, pa.schema([("c", kind)]))
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:4: column c is "), str(caught.value)
    assert "which the lake does not store" in str(caught.value) and advice in str(caught.value)


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.uint64(), pa.uint32(), pa.large_string(), pa.date32()])
def test_every_type_that_is_found_can_be_stored_as_what_it_is_called(kind: pa.DataType) -> None:
    (column,) = schema_yml.contract_of_columns("m", pa.schema([("c", kind)]), Path("m.sql")).columns
    highest = {pa.int8(): 127, pa.uint16(): 2**16 - 1, pa.uint32(): 2**32 - 1, pa.uint64(): 2**64 - 1}
    values = pa.array([highest.get(kind, "x" if pa.types.is_large_string(kind) else dt.date(2025, 1, 6)), None], kind)
    stored = validate(
        pl.DataFrame({"c": pl.from_arrow(values), "_source_file": ["f"] * 2, "_source_row": [1, 2]}),
        schema_yml.contract_of_columns("m", pa.schema([("c", kind)]), Path("m.sql")),
    ).valid["c"]
    assert stored.dtype == column.polars_type
    assert stored.to_list() == values.to_pylist()
