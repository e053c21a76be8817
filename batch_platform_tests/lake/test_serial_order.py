"""A table and its quarantine end as if the runs that raced had come one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from batch_platform.lake import commit as committing
from batch_platform.lake.digest import digest_table
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.lake.writers import commit_pair, live_content, quarantine_of, race, signed_rows

NAME = "snapshots/flights"
DAYS = [f"2025-01-{day:02}" for day in range(1, 13)]


def writer_of(table: Table, key: str, version: int | None = None) -> int:
    """Who wrote the rows of a partition, each of them once."""
    rows = table.read([key], version=version)
    (writer,) = set(rows["writer"].to_pylist())
    assert sorted(rows["row"].to_pylist()) == list(range(writer + 2))
    return int(writer)


def assert_serial(lake: Lake, name: str, keys: set[str]) -> dict[str, int]:
    """Rows, live rejected rows and the rejected rows that the record names are of one writer; returns who it is."""
    main, aside = Table(lake, name), Table(lake, quarantine_of(name))
    assert main.partitions() == aside.partitions() == keys
    records, held = main.records(), aside.records()
    found = {}
    for key in sorted(keys):
        writer = found[key] = writer_of(main, key)
        record = records[key]
        assert writer_of(aside, key) == writer, "the live quarantine is of the same run"
        assert writer_of(aside, key, record.provenance.quarantine_version) == writer, "and so is the one it names"
        assert record.record.digest == digest_table(live_content(main, key)).hex
        assert held[key].record.digest == record.record.rejected == digest_table(live_content(aside, key)).hex
    return found


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_run_that_is_overtaken_between_its_two_commits_takes_its_quarantine_back(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, existing: bool, turns: int
) -> None:
    """The quarantines in one order, the rows in the other; some partitions are shared, some are not."""
    if existing:
        commit_pair(Table(lake, NAME), {key: signed_rows(9) for key in DAYS[:4]})
    plain, left = committing.replace_partitions, list(range(turns))

    def overtaken(table: Table, *rest: Any) -> Any:
        if table.name == NAME and left:
            turn = left.pop()
            commit_pair(Table(lake, NAME), {key: signed_rows(turn) for key in (DAYS[0], DAYS[turn + 1])})
        return plain(table, *rest)

    monkeypatch.setattr(committing, "replace_partitions", overtaken)
    commit_pair(Table(lake, NAME), {key: signed_rows(5) for key in DAYS[:2]})
    found = assert_serial(lake, NAME, set(DAYS[:4]) if existing else set(DAYS[:2]) | set(DAYS[1 : turns + 1]))
    assert found[DAYS[0]] == found[DAYS[1]] == 5


def test_a_run_that_nobody_disturbs_looks_once_whether_somebody_did(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_pair(Table(lake, NAME), {DAYS[0]: signed_rows(1)})
    opened: list[str] = []
    plain = Table.open

    def counted(table: Table, version: int | None = None) -> Any:
        opened.append(table.name)
        return plain(table, version)

    monkeypatch.setattr(Table, "open", counted)
    commit_pair(Table(lake, NAME), {DAYS[0]: signed_rows(2)})
    assert opened == ["quarantine/flights", NAME]


@pytest.mark.slow
def test_twenty_racing_runs_end_in_some_serial_order(lake: Lake) -> None:
    """Partitions overlap, most are first-ever, and each run writes other rows."""

    def plan(shift: int) -> list[Mapping[str, Any]]:
        return [
            {DAYS[(run * 5 + step * (1 + shift)) % 12]: signed_rows(run) for step in range(4 + run % 3)}
            for run in range(20)
        ]

    rounds = {f"snapshots/table_{n}": plan(n) for n in range(4)}
    for name in list(rounds)[2:]:
        commit_pair(Table(lake, name), {key: signed_rows(30) for key in DAYS[::2]})
    race(lake, rounds, commit_pair)
    for name, plans in rounds.items():
        touched = {key for contents in plans for key in contents}
        before = set(DAYS[::2]) if name in list(rounds)[2:] else set()
        assert_serial(lake, name, touched | before)
