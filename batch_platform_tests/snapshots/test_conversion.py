"""Strict conversion: columns and values of either format are those declared, or are named."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import SourceError
from batch_platform.snapshots.conversion import converted
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, source_from

AB = {"a": "BIGINT", "b": "VARCHAR"}


def read(base: Path, files: str = "*.csv", **fields: Any) -> Extract:
    return source_from(SourceSpec.model_validate({"files": files, **fields}), base=base).read(None, None)


def write_parquet(base: Path, columns: Mapping[str, Any], name: str = "in.parquet", **options: Any) -> None:
    pq.write_table(pa.table(columns), base / name, **options)


def test_undeclared_columns_are_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("z,a,b,y\n9,1,x,8\n")
    (tmp_path / "2.csv").write_text("b,a\nx,1\n")
    extract = read(tmp_path, columns=AB)
    assert extract.table.column_names == ["a", "b", "_source_file", "_source_row"]
    assert extract.table.column("b").to_pylist() == ["x", "x"]
    assert extract.extra_columns == ("y", "z")


def test_parquet_columns_are_checked_like_those_of_csv(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"a": [1], "A": [2]})
    with pytest.raises(SourceError, match="appears more than once"):
        read(tmp_path, "*.parquet")
    write_parquet(tmp_path, {"a": [1]})
    with pytest.raises(SourceError, match="missing column 'b'; the file has 'a'"):
        read(tmp_path, "*.parquet", columns=AB)


def test_parquet_types_are_brought_to_those_of_the_lake(tmp_path: Path) -> None:
    at = datetime(2026, 1, 1, 12)
    write_parquet(
        tmp_path,
        {
            "dictionary": pa.array(["x", None]).dictionary_encode(),
            "large": pa.array(["x", None], pa.large_string()),
            "unsigned": pa.array([2**32 - 1, None], pa.uint32()),
            "naive": pa.array([at, None], pa.timestamp("ns")),
            "zoned": pa.array([at, None], pa.timestamp("ms", tz="Asia/Tokyo")),
            "vector": pa.array([[1.0, 2.0], None], pa.large_list(pa.float32())),
            "nothing": pa.nulls(2),
        },
    )
    table = read(tmp_path, "*.parquet").table.drop_columns(["_source_file", "_source_row"])
    assert dict(zip(table.column_names, table.schema.types, strict=True)) == {
        "dictionary": pa.string(),
        "large": pa.string(),
        "unsigned": pa.int64(),
        "naive": pa.timestamp("us"),
        "zoned": pa.timestamp("us", tz="UTC"),
        "vector": pa.list_(pa.float32()),
        "nothing": pa.string(),
    }
    assert table.to_pylist()[0] == {
        "dictionary": "x",
        "large": "x",
        "unsigned": 2**32 - 1,
        "naive": at,
        "zoned": at.replace(tzinfo=UTC),
        "vector": [1.0, 2.0],
        "nothing": None,
    }


@pytest.mark.parametrize(
    "values",
    [
        pa.array([{"x": 1}]),
        pa.array([[{"x": 1}]]),
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([1], pa.time64("us")),
    ],
)
def test_nested_and_unsupported_types_are_refused_unless_left_out(tmp_path: Path, values: Any) -> None:
    write_parquet(tmp_path, {"a": [1], "nested": values})
    with pytest.raises(SourceError, match=r"in\.parquet: column 'nested' has the unsupported type"):
        read(tmp_path, "*.parquet")
    assert read(tmp_path, "*.parquet", columns={"a": "BIGINT"}).extra_columns == ("nested",)


def test_a_nanosecond_that_would_be_lost_is_refused_without_declared_columns(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"at": pa.array([0, 1], pa.timestamp("ns"))})
    with pytest.raises(SourceError, match=r"row 2, column 'at': .* is not timestamp\[us\]"):
        read(tmp_path, "*.parquet")


@given(
    values=st.lists(st.one_of(st.none(), st.integers(-(2**33), 2**33)), max_size=50),
    rows_before=st.integers(0, 10**9),
)
def test_the_first_value_that_does_not_fit_is_the_one_named(values: list[int | None], rows_before: int) -> None:
    spec = SourceSpec(files="x.csv", columns={"v": "INTEGER"})
    batch = pa.record_batch({"v": pa.array(values, pa.int64())})
    odd = [n for n, value in enumerate(values) if value is not None and not -(2**31) <= value < 2**31]
    if odd:
        expected = rf"^x\.csv, row {rows_before + odd[0] + 1}, column 'v': {values[odd[0]]} is not INTEGER"
        with pytest.raises(SourceError, match=expected):
            converted(batch, {"v": pa.int32()}, spec, pc.cast, "x.csv", rows_before)
    else:
        result = converted(batch, {"v": pa.int32()}, spec, pc.cast, "x.csv", rows_before)
        assert result.column("v").type == pa.int32()
        assert result.column("v").to_pylist() == values
