"""Rows drawn from a partition come from all over it, and are the same whichever shard asks."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from batch_platform.lake.store import Lake
from batch_platform.predictions.sample import drawn_rows
from batch_platform_tests.models.registered import FEATURES, commit_features
from batch_platform_tests.predictions.tables import shards_of, visits

KEY = "2026-01-05"


def drawn(lake: Lake, count: int, shard: int = 0) -> list[int]:
    found = list(drawn_rows(lake, FEATURES, shards_of(lake)[shard], ["visit", "color"], count))
    assert all(isinstance(row, pa.RecordBatch) and row.num_rows == 1 for row in found)
    return [row.column("visit")[0].as_py() for row in found]


@pytest.mark.parametrize("files", [1, 4])
def test_one_row_comes_from_each_stretch(lake: Lake, files: int) -> None:
    commit_features(lake, {KEY: visits(1000), "2026-01-06": visits(3)}, files=files)
    found = drawn(lake, 10)
    assert len({place // 100 for place in found}) == 10 and found != sorted(found)
    assert all(drawn(lake, 10, shard) == found for shard in range(files))


def test_all_rows_can_be_drawn_and_no_more(lake: Lake) -> None:
    commit_features(lake, {KEY: visits(30)}, files=3)
    assert sorted(drawn(lake, 30)) == sorted(drawn(lake, 99)) == list(range(30))


def test_rows_of_several_row_groups_are_reached(lake: Lake) -> None:
    commit_features(lake, {KEY: visits(200_000)})
    found = drawn(lake, 8)
    assert [place // 25_000 for place in sorted(found)] == list(range(8))


def test_nothing_is_drawn_from_a_partition_that_was_rewritten_meanwhile(lake: Lake) -> None:
    commit_features(lake, {KEY: visits(30)})
    [planned] = shards_of(lake)
    commit_features(lake, {KEY: visits(20)})
    assert list(drawn_rows(lake, FEATURES, planned, ["visit"], 5)) == []


def test_a_damaged_file_ends_the_drawing(lake: Lake) -> None:
    commit_features(lake, {KEY: visits(100)}, files=2)
    [planned, other] = shards_of(lake)
    (Path(lake.uri(FEATURES)) / other.path).write_bytes(b"no parquet")
    assert len(list(drawn_rows(lake, FEATURES, planned, ["visit"], 20))) < 20
