"""Rows of a Delta table arrive when the files that they can be in have changed, and their content with them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from batch_platform.partitions import Window
from batch_platform.snapshots.delta_source import DeltaTableSource
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract
from batch_platform_tests.snapshots.looking import DAY, DAYS, OTHER, Looker


def orders(*rows: tuple[str, int]) -> pa.Table:
    """Orders of days: day and price."""
    return pa.table(
        {
            "day": [day for day, _ in rows],
            "placed_at": pa.array(
                [datetime.fromisoformat(f"{day}T12:00:00.000123+00:00") for day, _ in rows], pa.timestamp("us", "UTC")
            ),
            "price": [price for _, price in rows],
        }
    )


def spec(**more: Any) -> SourceSpec:
    return SourceSpec.model_validate({"delta": {"table": "orders", **more}})


@pytest.mark.parametrize("way", [{"partition": "day"}, {"watermark": "placed_at"}, {}], ids=str)
def test_a_commit_is_an_arrival_of_the_days_whose_rows_changed(tmp_path: Path, way: dict[str, str]) -> None:
    path = tmp_path / "orders"
    write_deltalake(path, orders((DAY, 1), (OTHER, 2)), partition_by=["day"])
    looker = Looker(spec(**way), tmp_path)
    every = [OTHER, DAY] if way else ["2026-01-07", OTHER, DAY]  # without a condition, each day is the whole table
    assert looker.arrived() == every and looker.is_as_captured(DAY)
    write_deltalake(path, orders((DAY, 3)), mode="append")
    assert looker.arrived() == (every if not way else [DAY])
    DeltaTable(path).optimize.compact()
    assert looker.arrived() == []
    DeltaTable(path).delete("price = 2")
    assert looker.arrived() == (every if not way else []) and (OTHER in looker.book.seen) == (not way)


def test_only_days_whose_files_changed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "orders"
    write_deltalake(path, orders((OTHER, 2)))
    write_deltalake(path, orders((DAY, 1)), mode="append")
    looker = Looker(spec(watermark="placed_at"), tmp_path)
    assert looker.arrived() == [OTHER, DAY]
    read: list[str | None] = []
    reads = DeltaTableSource.read

    def noting(source: DeltaTableSource, key: str | None, window: Window | None) -> Extract:
        read.append(key)
        return reads(source, key, window)

    monkeypatch.setattr(DeltaTableSource, "read", noting)
    write_deltalake(path, orders((DAY, 3)), mode="append")
    assert looker.arrived() == [DAY] and read == [DAY]


def test_a_table_as_it_was_at_a_days_end_arrives_when_there_is_one(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "orders", orders((DAY, 1)))
    looker = Looker(spec(as_of="window_end"), tmp_path)
    # It was written now, which lies long after these days.
    assert looker.arrived() == []


def test_changes_arrive_with_the_day_in_which_they_were_committed(tmp_path: Path) -> None:
    path = tmp_path / "orders"
    write_deltalake(path, orders((DAY, 1)), configuration={"delta.enableChangeDataFeed": "true"})
    looker = Looker(spec(changes=True), tmp_path)
    assert looker.arrived() == []
    window = DAYS.window(DAYS.key_at(datetime.now(UTC)))
    glimpse = looker.watched.watch.glimpse({"today": window}, {}) if looker.watched.watch else {}
    assert glimpse["today"].token == "0"


def test_a_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    looker = Looker(spec(), tmp_path)
    with pytest.raises(AssertionError, match="there is no Delta table"):
        looker.look()
