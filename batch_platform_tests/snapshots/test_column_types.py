"""The names of column types."""

from __future__ import annotations

import pyarrow as pa
import pytest

from batch_platform.snapshots.column_types import arrow_type, type_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BIGINT", pa.int64()),
        ("integer", pa.int32()),
        ("DOUBLE", pa.float64()),
        ("VARCHAR", pa.string()),
        ("BOOLEAN", pa.bool_()),
        ("DATE", pa.date32()),
        ("TIMESTAMP", pa.timestamp("us")),
        ("TIMESTAMPTZ", pa.timestamp("us", tz="UTC")),
        ("DECIMAL(12, 2)", pa.decimal128(12, 2)),
        ("decimal(38,38)", pa.decimal128(38, 38)),
    ],
)
def test_type_names_are_those_of_duckdb(name: str, expected: pa.DataType) -> None:
    assert arrow_type(name) == expected


@pytest.mark.parametrize("name", ["TEXTUAL", "", "DECIMAL", "DECIMAL(39,2)", "DECIMAL(4,5)", "DECIMAL(0,0)"])
def test_an_unknown_type_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="expected one of BIGINT, INTEGER"):
        arrow_type(name)


@pytest.mark.parametrize("name", ["BIGINT", "TIMESTAMPTZ", "DECIMAL(12,2)"])
def test_a_type_is_spelled_as_it_was_declared(name: str) -> None:
    assert type_name(arrow_type(name)) == name
