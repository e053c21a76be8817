"""Parquet files: values are cast where nothing is lost, and stop with their place where something is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import SourceError
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, source_from

AB = {"a": "BIGINT", "b": "VARCHAR"}


def read(base: Path, files: str = "*.parquet", **fields: Any) -> Extract:
    return source_from(SourceSpec.model_validate({"files": files, **fields}), base=base).read(None, None)


def write_parquet(base: Path, columns: Mapping[str, Any], name: str = "in.parquet", **options: Any) -> None:
    pq.write_table(pa.table(columns), base / name, **options)


def test_parquet_comes_back_with_its_positions_across_row_groups(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"a": range(200_000), "b": ["x"] * 200_000}, row_group_size=30_000)
    table = read(tmp_path, columns=AB).table
    assert table.column("a").to_pylist() == list(range(200_000))
    assert table.column("_source_row").to_pylist() == list(range(1, 200_001))
    assert set(table.column("_source_file").to_pylist()) == {"in.parquet"}


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([1, None], pa.int64()), "INTEGER", [1, None]),
        (pa.array([1.0, None]), "BIGINT", [1, None]),
        (pa.array([1, 2], pa.int32()), "DOUBLE", [1.0, 2.0]),
        (pa.array([1, 2], pa.int64()), "DECIMAL(5,2)", [Decimal("1.00"), Decimal("2.00")]),
        (pa.array([0.1, 2.5]), "DECIMAL(5,2)", [Decimal("0.10"), Decimal("2.50")]),
        (pa.array([Decimal("1.50")], pa.decimal128(20, 4)), "DECIMAL(5,2)", [Decimal("1.50")]),
        (pa.array([datetime(2026, 1, 1)]), "DATE", [date(2026, 1, 1)]),
        (pa.array([date(2026, 1, 1)]), "TIMESTAMP", [datetime(2026, 1, 1)]),
        (pa.array([b"x", None]), "VARCHAR", ["x", None]),
        (pa.array([3, 4], pa.int64()).dictionary_encode(), "INTEGER", [3, 4]),
        (pa.nulls(2), "DATE", [None, None]),
    ],
)
def test_parquet_values_are_cast_where_nothing_is_lost(
    tmp_path: Path, values: Any, kind: str, expected: list[Any]
) -> None:
    write_parquet(tmp_path, {"v": values})
    assert read(tmp_path, columns={"v": kind}).table.column("v").to_pylist() == expected


@pytest.mark.parametrize(
    ("bad", "kind", "shown"),
    [
        (pa.array([1] * 9 + [2**31], pa.int64()), "INTEGER", "2147483648"),
        (pa.array([1.0] * 9 + [1.5]), "BIGINT", "1.5"),
        (pa.array([1.0] * 9 + [float("nan")]), "BIGINT", "nan"),
        (pa.array([1] * 9 + [2**53 + 1]), "DOUBLE", "9007199254740993"),
        (pa.array([0.5] * 9 + [0.125]), "DECIMAL(5,2)", "0.125"),
        (pa.array([1] * 9 + [1000]), "DECIMAL(5,2)", "1000"),
        (
            pa.array([Decimal("1.00")] * 9 + [Decimal("12345678901234567.89")]),
            "DOUBLE",
            "12345678901234567.89",
        ),
        (pa.array([Decimal("1.50")] * 9 + [Decimal("1.55")]), "DECIMAL(5,1)", "1.55"),
        (pa.array([datetime(2026, 1, 1)] * 9 + [datetime(2026, 1, 1, 1)]), "DATE", "2026-01-01 01:00:00"),
        (pa.array([0] * 9 + [1], pa.timestamp("ns")), "TIMESTAMP", "1970-01-01 00:00:00.000000001"),
        (pa.array([b"x"] * 9 + [b"\xff"]), "VARCHAR", "\\xff"),
    ],
)
def test_parquet_values_that_would_lose_are_named_with_their_place(
    tmp_path: Path, bad: Any, kind: str, shown: str
) -> None:
    write_parquet(tmp_path, {"v": bad})
    with pytest.raises(SourceError) as raised:
        read(tmp_path, columns={"v": kind})
    assert str(raised.value).startswith("in.parquet, row 10, column 'v': ")
    assert shown in str(raised.value) and f"is not {kind}" in str(raised.value)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array(["1"]), "BIGINT"),
        (pa.array([1]), "VARCHAR"),
        (pa.array([True]), "INTEGER"),
        (pa.array([1]), "BOOLEAN"),
        (pa.array([datetime(2026, 1, 1)]), "TIMESTAMPTZ"),
        (pa.array([datetime(2026, 1, 1, tzinfo=UTC)]), "TIMESTAMP"),
        (pa.array([1]), "TIMESTAMP"),
        (pa.array([{"x": 1}]), "VARCHAR"),
    ],
)
def test_parquet_columns_of_another_kind_are_refused(tmp_path: Path, values: Any, kind: str) -> None:
    write_parquet(tmp_path, {"v": values})
    with pytest.raises(SourceError, match=rf"in\.parquet: column 'v' is .*; expected {kind}"):
        read(tmp_path, columns={"v": kind})


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"x\xff"))
    write_parquet(tmp_path, {"t": broken})
    with pytest.raises(SourceError, match="row 2, column 't'"):
        read(tmp_path)


def test_broken_parquet_is_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"a": list(range(1000)), "b": ["x"] * 1000})
    whole = (tmp_path / "in.parquet").read_bytes()
    scrambled = whole[:4] + b"\xff" * 200 + whole[204:]
    for content in (b"", b"a,b\n1,x\n", whole[:-20], whole[:100], scrambled):
        (tmp_path / "in.parquet").write_bytes(content)
        with pytest.raises(SourceError, match=r"^in\.parquet: truncated, damaged or no Parquet file") as raised:
            read(tmp_path, columns=AB)
        assert "\n" not in str(raised.value)
        # The reader's own error may quote values: it must not show in a log as the cause.
        assert raised.value.__cause__ is None and raised.value.__suppress_context__


def test_column_names_with_dots_are_names(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"a.b": [1], "a": [2]})
    table = read(tmp_path, columns={"a.b": "BIGINT"}).table
    assert table.column("a.b").to_pylist() == [1]
