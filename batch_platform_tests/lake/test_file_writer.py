"""A file that grows batch by batch has the bytes, the name and the statistics of one that is written at once."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_platform.errors import LakeError
from batch_platform.lake import data_file, file_writer
from batch_platform.lake.data_file import DataFile, Statistics, statistics
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table

ROWS = pa.table(
    {
        "n": pa.array([None if i % 97 == 0 else i * 31 % 1000 for i in range(5000)], pa.int32()),
        "text": pa.array([f"t{i * 7 % 901}" for i in range(5000)]),
        "day": pa.array([date(2025, 1, 1 + i % 28) for i in range(5000)]),
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


@given(st.lists(st.integers(0, 5000), max_size=6), st.sampled_from([100, 1024, 1500, 4999]))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_however_rows_are_cut_the_file_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, places: list[int], most: int
) -> None:
    folder = tmp_path_factory.mktemp("grown")
    with pytest.MonkeyPatch.context() as patch:
        for module in (data_file, file_writer):
            patch.setattr(module, "ROW_GROUP_ROWS", 1024)
        patch.setattr(file_writer, "MOST_IN_MEMORY", most)
        whole = Table(Lake(str(folder / "a")), "features/x").write("2025-01-06", ROWS)
        parts = grown(Table(Lake(str(folder / "b")), "features/x"), cut(ROWS, places), folder)
    assert parts == whole
    files = [(folder / name / "features/x" / whole.path).read_bytes() for name in "ab"]
    assert files[0] == files[1] and not list(folder.rglob("*.partial"))


@pytest.mark.parametrize("rows", [pa.table({"x": pa.array([1.5])}), pa.table({"t": ["a" * 40]}), ROWS.slice(0, 0)])
def test_statistics_are_for_all_columns_or_for_none(rows: pa.Table) -> None:
    parts = Statistics()
    parts.add(rows)
    parts.add(rows)
    assert parts.json() == statistics(pa.concat_tables([rows, rows])) == f'{{"numRecords": {2 * rows.num_rows}}}'


def test_a_large_file_reaches_an_object_store(s3_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_writer, "MOST_IN_MEMORY", 1000)
    file = grown(Table(s3_lake, "features/x"), cut(ROWS, [1500, 2100]), tmp_path / "spill")
    assert s3_lake.size("features/x", file.path) == file.size_bytes
    assert Table(s3_lake, "features/x").read_file(file.path, ["n"], 0, 5000).column("n").equals(ROWS.column("n"))
    assert not list((tmp_path / "spill").iterdir())


def test_what_is_discarded_leaves_nothing(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_writer, "MOST_IN_MEMORY", 100)
    writer = Table(lake, "features/x").writer("2025-01-06", tmp_path)
    writer.add(ROWS)
    writer.discard()
    assert not [path for path in Path(lake.root).rglob("*") if path.is_file()]


def test_a_column_that_cannot_be_stored_names_the_table(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="features/x"):
        Table(lake, "features/x").writer("2025-01-06", tmp_path).add(pa.table({"d": [{"a": 1}]}))
