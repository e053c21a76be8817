"""The log: records of the very version that was opened, no more of it read than is needed, and clear errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from batch_platform.errors import LakeError
from batch_platform.lake import log
from batch_platform.lake.digest import digest_table
from batch_platform.lake.log import live_files, live_rows, newest_records
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.lake.writers import commit_rows

MON, TUE = "2025-01-06", "2025-01-07"


def rows(number: int) -> pa.Table:
    return pa.table({"a": [number]})


@pytest.fixture
def table(lake: Lake) -> Table:
    """Monday is committed once, at version 1, Tuesday at every version up to 6."""
    found = Table(lake, "snapshots/flights")
    commit_rows(found, {MON: rows(1), TUE: rows(1)})
    for number in range(2, 7):
        commit_rows(found, {TUE: rows(number)})
    return found


@pytest.mark.parametrize("pages", [(64, 512, None), (1, 2, None), (2, 3, None), (1, None), (3, None), (None,)])
@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6])
def test_records_are_those_of_the_opened_version_whatever_came_later(
    table: Table, monkeypatch: pytest.MonkeyPatch, pages: tuple[int | None, ...], version: int
) -> None:
    monkeypatch.setattr(log, "_PAGES", pages)
    opened = table.open(version)
    assert opened is not None
    found = newest_records(opened)
    assert {key: recorded.version for key, recorded in found.items()} == {MON: 1, TUE: version}
    assert found[TUE].record.digest == digest_table(rows(version)).hex


def test_a_recent_record_is_found_without_reading_all_of_the_log(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []
    history = DeltaTable.history

    def recorded(delta: DeltaTable, limit: int | None = None) -> list[dict[str, Any]]:
        asked.append(limit)
        return history(delta, limit)

    monkeypatch.setattr(DeltaTable, "history", recorded)
    monkeypatch.setattr(log, "_PAGES", (2, 3, None))
    assert set(table.records([TUE])) == {TUE} and asked == [2]
    asked.clear()
    assert set(table.records()) == {MON, TUE} and asked == [2, 3, None]


def test_a_log_that_cannot_be_read_is_one_line_with_the_tables_name(table: Table) -> None:
    opened = table.open()
    assert opened is not None
    newest = Path(table.uri, "_delta_log", f"{6:020}.json")
    newest.write_text('{"add": {')
    with pytest.raises(LakeError, match=r"^snapshots/flights: the table's log cannot be read: ") as caught:
        newest_records(opened)
    assert "\n" not in str(caught.value)
    assert set(live_files(opened).values()) == set(live_rows(opened)) == {MON, TUE}, "what was opened stays known"


def test_a_record_of_a_newer_format_is_refused_with_table_and_version(table: Table) -> None:
    newest = Path(table.uri, "_delta_log", f"{6:020}.json")
    lines = [json.loads(line) for line in newest.read_text().splitlines()]
    for line in lines:
        if "commitInfo" in line:
            record = {**json.loads(line["commitInfo"]["batch_platform"]), "format": 2, "package_version": "9.1.0"}
            line["commitInfo"]["batch_platform"] = json.dumps(record)
    newest.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(LakeError, match=r"^snapshots/flights, version 6: .*format 2.*batch-platform 9\.1\.0 or newer"):
        table.records()
