"""The `source:` declaration: what it accepts, and that each mistake is named with what was expected."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from batch_platform.snapshots import demo
from batch_platform.snapshots.source_spec import SourceSpec


@pytest.mark.parametrize(
    ("pattern", "declared", "expected"),
    [
        ("a/*.csv", None, "csv"),
        ("a/*.CSV.GZ", None, "csv"),
        ("a/*.parquet", None, "parquet"),
        ("a/*", "parquet", "parquet"),
        ("a/*.csv", "parquet", "parquet"),
    ],
)
def test_the_format_is_declared_or_comes_from_the_extension(pattern: str, declared: Any, expected: str) -> None:
    assert SourceSpec(files=pattern, format=declared).file_format == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "expected exactly one of demo, files, sql, delta, function; found none of them"),
        ({"demo": "nycflights13/aircraft", "files": "a.csv"}, "found demo and files"),
        ({"demo": "nycflights13/schedule"}, "nycflights13/flight_schedule"),
        ({"demo": "nycflights13/aircraft", "format": "csv"}, "format: only for `files`"),
        ({"demo": "nycflights13/aircraft", "columns": {"a": "DATE"}}, "columns: not for `demo`"),
        ({"files": "a/*"}, "format: cannot be told from 'a/\\*'; expected csv, parquet or jsonl"),
        ({"files": "a.json", "format": "json"}, "'csv', 'parquet' or 'jsonl'"),
        ({"files": ""}, "at least 1 character"),
        ({"files": "https://host/a.csv"}, "'https' is no object store"),
        ({"delta": {"table": "t"}, "format": "csv"}, "format: only for `files`; `delta` brings its own"),
        (
            {"sql": {"url_from": "DB", "table": "t", "order_by": ["b"]}, "columns": {"a": "DATE"}},
            "order_by: 'b' is not",
        ),
        ({"delta": {"table": "t", "changes": True}, "columns": {"a": "DATE"}}, "expected _change_type: VARCHAR"),
        ({"files": "{day}.csv"}, r"unknown placeholder \{day\}"),
        ({"files": "{}.csv"}, r"unknown placeholder \{\}"),
        ({"files": "{start}.csv"}, r"unknown placeholder \{start\}"),
        ({"files": "{start:Y}.csv"}, r"unknown placeholder \{start:Y\}"),
        ({"files": "{start.year}.csv"}, r"unknown placeholder \{start.year\}"),
        ({"files": "{start!r:%Y}.csv"}, "unknown placeholder"),
        ({"files": "{partition_key:>9}.csv"}, "unknown placeholder"),
        ({"files": "{start:%Y{end}}.csv"}, "unknown placeholder"),
        ({"files": "{start:%Y.csv"}, "expected every .* to be a placeholder's"),
        ({"files": "a.parquet", "delimiter": ";"}, "delimiter: only for format csv; found parquet"),
        ({"files": "a.parquet", "null_values": ["NA"]}, "null_values: only for format csv"),
        ({"files": "a.parquet", "encoding": "utf-8"}, "encoding: only for format csv"),
        ({"files": "a.csv", "encoding": "latin-1"}, "utf-8"),
        ({"files": "a.csv", "delimiter": ";;"}, "expected one ASCII character"),
        ({"files": "a.csv", "delimiter": '"'}, "expected one ASCII character"),
        ({"files": "a.csv", "delimiter": "\n"}, "expected one ASCII character"),
        ({"files": "a.csv", "delimiter": ""}, "expected one ASCII character"),
        ({"files": "a.csv", "columns": {}}, "at least 1 item"),
        ({"files": "a.csv", "columns": {"x": "NUMBER"}}, "column 'x': 'NUMBER' is not a type"),
        ({"files": "a.csv", "columns": {"_source_row": "BIGINT"}}, "reserved"),
        ({"files": "a.csv", "columns": {" ": "BIGINT"}}, "blank"),
        ({"files": "a.csv", "columns": {"a": "BIGINT", "A": "DATE"}}, "'a' and 'A' differ only in case"),
        ({"files": "a.csv", "colums": {"a": "BIGINT"}}, "colums"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SourceSpec.model_validate(fields)


def test_declared_columns_are_known_with_their_types_in_their_order() -> None:
    known = SourceSpec(files="a.csv", columns={"b": "VARCHAR", "a": "decimal(4,2)"}).known_columns
    assert known is not None
    assert list(known.items()) == [("b", pa.string()), ("a", pa.decimal128(4, 2))]


def test_the_columns_of_files_without_a_declaration_are_not_known() -> None:
    assert SourceSpec(files="a.csv").known_columns is None


@pytest.mark.parametrize("table", ["flight_schedule", "weather_forecast", "aircraft", "flight_outcomes"])
def test_the_columns_of_demo_tables_are_known_without_their_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, table: str
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    demo._year.cache_clear()
    known = SourceSpec.model_validate({"demo": f"nycflights13/{table}"}).known_columns
    assert known and not any(name.startswith("_") for name in known)


@pytest.mark.parametrize(
    ("fields", "origin"),
    [
        ({"files": "in/*.csv"}, "in/*.csv"),
        ({"demo": "nycflights13/aircraft"}, "nycflights13/aircraft"),
        ({"sql": {"url_from": "DB", "table": "shop.orders"}}, "sql:shop.orders"),
        ({"sql": {"url_from": "DB", "query": "select 1 as a"}}, "sql:query"),
        ({"delta": {"table": "s3://b/t"}}, "delta:s3://b/t"),
        ({"function": {"call": "shop.orders:of_day"}}, "function:shop.orders:of_day"),
    ],
)
def test_where_rows_come_from_is_told_in_a_few_words(fields: dict[str, Any], origin: str) -> None:
    assert SourceSpec.model_validate(fields).origin == origin


def test_every_field_of_the_declaration_is_described() -> None:
    schema = SourceSpec.model_json_schema()
    assert [name for name, field in schema["properties"].items() if not field.get("description")] == []
