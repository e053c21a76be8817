"""A file that grows batch by batch has the bytes, the name and the statistics of one that is written at once."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_platform.errors import LakeError
from batch_platform.lake import row_groups
from batch_platform.lake.data_file import DataFile, Statistics, statistics
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.lake.disks import small_disk

ROWS = pa.table(
    {
        "n": pa.array([None if i % 97 == 0 else i * 31 % 1000 for i in range(5000)], pa.int32()),
        "text": pa.array([f"t{i * 7 % 901}" for i in range(5000)]),
        "day": pa.array([date(2025, 1, 1 + i % 28) for i in range(5000)]),
    }
)


WIDE = pa.table(
    {
        "n": range(300),
        "json": pa.array([None if i % 7 == 0 else "x" * (i * 37 % 400) for i in range(300)]),
        "vector": pa.array([None if i % 11 == 0 else [0.5] * (i % 5 * 10) for i in range(300)], pa.list_(pa.float32())),
        "kind": pa.array([f"k{i * i % 17}" if i % 13 else None for i in range(300)]).dictionary_encode(),
        "constant": pa.array(["c" * 32] * 300).dictionary_encode(),
    }
)


def cut(rows: pa.Table, places: list[int]) -> list[pa.Table]:
    edges = [0, *sorted(places), rows.num_rows]
    return [rows.slice(start, stop - start) for start, stop in pairwise(edges)]


def grown(table: Table, parts: list[pa.Table], spill: Path) -> DataFile:
    writer = table.writer("2025-01-06", spill)
    for part in parts:
        writer.add(part)
    return writer.finish()


def with_own_dictionaries(rows: pa.Table) -> pa.Table:
    """The same rows, whose texts stand in a dictionary of this part only, in another order, with others among them."""
    for index, name in enumerate(rows.column_names):
        if pa.types.is_dictionary(rows.schema.field(name).type):
            values = rows[name].cast(pa.string()).combine_chunks()
            known = pa.array(["never met", *reversed(values.unique().drop_null().to_pylist())], pa.string())
            encoded = pa.DictionaryArray.from_arrays(pc.index_in(values, known), known)
            rows = rows.set_column(index, name, encoded)
    return rows


@given(st.lists(st.integers(0, 5000), max_size=6))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_however_rows_are_cut_the_file_is_the_same(tmp_path_factory: pytest.TempPathFactory, places: list[int]) -> None:
    folder = tmp_path_factory.mktemp("grown")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_groups, "ROW_GROUP_ROWS", 1024)
        whole = Table(Lake(str(folder / "a")), "features/x").write("2025-01-06", ROWS)
        parts = grown(Table(Lake(str(folder / "b")), "features/x"), cut(ROWS, places), folder)
    assert parts == whole
    files = [(folder / name / "features/x" / whole.path).read_bytes() for name in "ab"]
    assert files[0] == files[1] and not list(folder.rglob("*.partial"))


@given(st.lists(st.integers(0, 300), max_size=4), st.sampled_from([5000, 20_000, 10**9]))
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_wide_rows_end_a_row_group_early_wherever_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, places: list[int], most: int
) -> None:
    folder = tmp_path_factory.mktemp("wide")
    table = Table(Lake(str(folder / "b")), "features/x")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_groups, "ROW_GROUP_ROWS", 128)
        patch.setattr(row_groups, "ROW_GROUP_BYTES", most)
        whole = Table(Lake(str(folder / "a")), "features/x").write("2025-01-06", WIDE)
        parts = grown(table, [with_own_dictionaries(part) for part in cut(WIDE, places)], folder)
        assert parts == whole
        with pq.ParquetFile(f"{table.uri}/{parts.path}") as file:
            groups = [file.read_row_group(index) for index in range(file.num_row_groups)]
        sizes = [row_groups.bits_of(group) for group in groups]
        assert all(size <= 8 * most or group.num_rows == 1 for size, group in zip(sizes, groups, strict=True))
        assert max(group.num_rows for group in groups) <= 128
        for group, after in pairwise(groups):
            longer = pa.concat_tables([group, after.slice(0, 1)])
            assert group.num_rows == 128 or row_groups.bits_of(longer) > 8 * most, "none ends earlier than it must"
    plain = WIDE.cast(pa.schema([(n, pa.string() if pa.types.is_dictionary(t) else t) for n, t in named_types(WIDE)]))
    assert table.read_file(parts.path, WIDE.column_names, 0, 300).equals(plain)


def named_types(rows: pa.Table) -> list[tuple[str, pa.DataType]]:
    return list(zip(rows.column_names, rows.schema.types, strict=True))


def test_a_writer_holds_a_row_group_and_not_the_file(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_groups, "ROW_GROUP_BYTES", 1 << 16)
    writer = Table(lake, "features/x").writer("2025-01-06", tmp_path)
    part = pa.table({"vector": pa.array([[0.5] * 384] * 10, pa.list_(pa.float32()))})
    for _ in range(100):
        writer.add(part)
        assert writer._waiting_bits <= 8 * (1 << 16) and sum(rows.num_rows for rows in writer._waiting) < 100
    assert writer.finish().rows == 1000


def test_text_with_a_dictionary_is_plain_text_to_every_reader(lake: Lake) -> None:
    rows = pa.table(
        {
            "key": pa.array([3, 1, 2], pa.int64()),
            "small": pa.array([3, None, -128], pa.int8()),
            "at": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
            "wall": pa.array([0, 1, None], pa.timestamp("us")),
            "day": pa.array([0, -20_000, None], pa.date32()),
            "many": pa.array([[1.5], None, []], pa.list_(pa.float32())),
            "texts": pa.array([["a"], None, [None, ""]], pa.list_(pa.string())),
            "price": pa.array([Decimal("1.50"), None, Decimal("-2.25")], pa.decimal128(9, 2)),
            "raw": pa.array([b"\x00", None, b""], pa.binary()),
            "kind": pa.DictionaryArray.from_arrays(pa.array([1, None, 1], pa.int8()), ["unused", "ü"]),
        }
    )
    table = Table(lake, "features/x")
    file = table.write("2025-01-06", rows)
    place = f"{table.uri}/{file.path}"
    plain = rows.set_column(9, "kind", rows["kind"].cast(pa.string()))
    found = pq.read_table(place, partitioning=None)
    assert found.equals(plain) and not found.schema.metadata
    assert pl.read_parquet(place, hive_partitioning=False).to_arrow().cast(plain.schema).equals(plain)
    by_duckdb = duckdb.sql(
        f"SET TimeZone = 'UTC'; FROM read_parquet('{place}', hive_partitioning = false)"
    ).to_arrow_table()
    assert by_duckdb.cast(plain.schema).equals(plain)
    assert by_duckdb.schema.field("kind").type == pa.string()
    assert by_duckdb.schema.field("at").type == pa.timestamp("us", "UTC")


def test_text_has_the_same_bounds_with_a_dictionary_and_without() -> None:
    text = pa.array(["b", None, "a", "c"])
    coded = pa.DictionaryArray.from_arrays(pa.array([1, None, 2, 3], pa.int32()), ["unused", "b", "a", "c"])
    assert statistics(pa.table({"t": coded})) == statistics(pa.table({"t": text}))
    assert '"minValues": {"t": "a"}' in statistics(pa.table({"t": coded}))


def test_a_disk_that_fills_up_while_a_file_grows_is_one_clear_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever in the file that happens."""
    monkeypatch.setattr(row_groups, "ROW_GROUP_ROWS", 1024)
    rows = pa.table({"x": pa.array(np.random.default_rng(0).random(100_000))})
    with small_disk(tmp_path / "disk", 1) as disk:
        table = Table(Lake(str(disk / "lake")), "features/x")
        for room in range(0, 700_000, 50_000):
            writer = table.writer("2025-01-06", tmp_path)
            ballast = disk / "ballast"
            with ballast.open("wb", buffering=0) as sink, suppress(OSError):
                while True:
                    sink.write(b"\0" * 4096)
            os.truncate(ballast, max(0, ballast.stat().st_size - room))
            with pytest.raises(LakeError, match="the disk is full"):
                for part in cut(rows, list(range(1000, 100_000, 1000))):
                    writer.add(part)
                writer.finish()
            ballast.unlink()
            assert not [path for path in disk.rglob("*") if path.is_file()]
        assert grown(table, [rows.slice(0, 10_000)], tmp_path).rows == 10_000


@pytest.mark.parametrize("rows", [pa.table({"x": pa.array([1.5])}), pa.table({"t": ["a" * 40]}), ROWS.slice(0, 0)])
def test_statistics_are_for_all_columns_or_for_none(rows: pa.Table) -> None:
    parts = Statistics()
    parts.add(rows)
    parts.add(rows)
    assert parts.json() == statistics(pa.concat_tables([rows, rows])) == f'{{"numRecords": {2 * rows.num_rows}}}'


def test_a_large_file_reaches_an_object_store(s3_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "ROW_GROUP_ROWS", 1000)
    file = grown(Table(s3_lake, "features/x"), cut(ROWS, [1500, 2100]), tmp_path / "spill")
    assert s3_lake.size("features/x", file.path) == file.size_bytes
    assert Table(s3_lake, "features/x").read_file(file.path, ["n"], 0, 5000).column("n").equals(ROWS.column("n"))
    assert not list((tmp_path / "spill").iterdir())


def test_what_is_discarded_leaves_nothing(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_groups, "ROW_GROUP_ROWS", 100)
    writer = Table(lake, "features/x").writer("2025-01-06", tmp_path)
    writer.add(ROWS)
    writer.discard()
    assert not [path for path in Path(lake.root).rglob("*") if path.is_file()]


def test_a_column_that_cannot_be_stored_names_the_table(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="features/x"):
        Table(lake, "features/x").writer("2025-01-06", tmp_path).add(pa.table({"d": [{"a": 1}]}))
