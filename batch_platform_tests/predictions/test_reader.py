"""Chunks hold a shard's rows in their order, few enough to fit, whatever the file looks like."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import UnreadableError
from batch_platform.lake.store import Lake
from batch_platform.predictions import reader
from batch_platform.predictions.reader import chunks, feature_file
from batch_platform.predictions.shards import Shard, cut

TABLE = "features/x"


def written(lake: Lake, rows: int, group_rows: int, **columns: pa.Array) -> str:
    folder = Path(lake.uri(TABLE))
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table({"id": pa.array(range(rows), pa.int64()), **columns})
    pq.write_table(table, folder / "x.parquet", row_group_size=group_rows)
    return "x.parquet"


def read(lake: Lake, path: str, rows: int, shard_rows: int, batch_rows: int = 8) -> list[pa.Table]:
    file = feature_file(lake, TABLE, path, rows, shard_rows)
    shards = cut("p", [file], ("f",), shard_rows)
    return [chunk for shard in shards for chunk in chunks(lake, TABLE, shard, ["id"], batch_rows)]


@given(rows=st.integers(1, 200), group_rows=st.integers(1, 90), shard_rows=st.integers(1, 120))
def test_all_shards_together_hold_every_row_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: int, group_rows: int, shard_rows: int
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    found = read(lake, written(lake, rows, group_rows), rows, shard_rows)
    assert pa.concat_tables(found).column("id").to_pylist() == list(range(rows))


def test_one_enormous_row_group_is_read_in_pieces(lake: Lake) -> None:
    rows = 5 * reader.ROW_GROUP_ROWS + 17
    found = read(lake, written(lake, rows, rows), rows, 1000, 4096)
    assert [chunk.num_rows for chunk in found] == [reader.ROW_GROUP_ROWS] * 5 + [17]
    assert found[-1].column("id").to_pylist() == list(range(rows - 17, rows))


def test_wide_rows_come_in_smaller_chunks_that_are_whole_batches(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CHUNK_BYTES", 50_000)
    found = read(lake, written(lake, 20_000, 20_000), 20_000, 100_000, 64)
    assert max(chunk.num_rows for chunk in found) < 10_000
    assert all(chunk.num_rows % 64 == 0 for chunk in found[:-1])
    assert sum(chunk.num_rows for chunk in found) == 20_000


def test_text_comes_as_codes(lake: Lake) -> None:
    path = written(lake, 4, 4, name=pa.array(["a", None, "a", "b"]))
    [chunk] = chunks(lake, TABLE, Shard("p", path, 0, 4, "n"), ["name"], 8)
    assert pa.types.is_dictionary(chunk.schema.field("name").type)
    assert chunk.column("name").to_pylist() == ["a", None, "a", "b"]


@pytest.mark.parametrize("damage", ["gone", "cut short", "page"])
def test_a_damaged_file_names_itself(lake: Lake, damage: str) -> None:
    path = written(lake, 50_000, 10_000)
    file = Path(lake.uri(TABLE)) / path
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "cut short":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[100:4000] = b"\xff" * 3900
        file.write_bytes(content)
    with pytest.raises(UnreadableError, match=r"features/x, file x\.parquet: cannot be read: .*rebuild"):
        list(chunks(lake, TABLE, Shard("p", path, 0, 50_000, "n"), ["id"], 8))


def test_a_missing_column_is_named(lake: Lake) -> None:
    path = written(lake, 4, 4)
    with pytest.raises(UnreadableError, match="no column 'city'"):
        list(chunks(lake, TABLE, Shard("p", path, 0, 4, "n"), ["id", "city"], 8))


def test_the_footer_of_a_file_that_is_one_shard_is_not_read(lake: Lake) -> None:
    assert feature_file(lake, TABLE, "nowhere.parquet", 10, 10).groups is None
    with pytest.raises(UnreadableError):
        feature_file(lake, TABLE, "nowhere.parquet", 11, 10)
