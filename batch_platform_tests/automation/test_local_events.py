"""SQLite is quick without being reckless: a killed process leaves a sound database with all its commits."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from batch_platform.automation import local_events
from batch_platform.automation.local_events import speed_up_local_events, written_together

_NORMAL, _FULL = 1, 2

_WRITER = """
import sys
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from batch_platform.automation.local_events import speed_up_local_events

speed_up_local_events()
engine = create_engine("sqlite:///" + sys.argv[1], poolclass=NullPool)
with engine.begin() as connection:
    connection.execute(text("PRAGMA journal_mode = WAL"))
    connection.execute(text("CREATE TABLE events (number INTEGER PRIMARY KEY, text TEXT)"))
number = 0
while True:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO events VALUES (:number, :text)"), {"number": number, "text": "x" * 2000})
    print(number, flush=True)
    number += 1
"""


@pytest.fixture(autouse=True)
def _keepers_of_this_test() -> Iterator[None]:
    """The connections kept open for other tests' databases go, and so do this one's at its end."""

    def close() -> None:
        while local_events._keepers:
            local_events._keepers.popitem()[1].close()

    close()
    speed_up_local_events()
    yield
    close()


def _engine(path: Path) -> Engine:
    return create_engine(f"sqlite:///{path}", poolclass=NullPool)


def _write_ahead(path: Path) -> Path:
    """A database in write-ahead mode, as Dagster's are."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def test_every_connection_is_synchronous_normal_however_often_it_was_asked_for(tmp_path: Path) -> None:
    speed_up_local_events()
    speed_up_local_events()
    assert event.contains(Engine, "connect", local_events._on_connect)
    path = _write_ahead(tmp_path / "events.db")
    for _ in range(3):
        with _engine(path).connect() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == _NORMAL
    assert len(local_events._keepers) == 1


def test_a_database_without_a_write_ahead_journal_waits_for_the_disk_as_before(tmp_path: Path) -> None:
    """Not waiting could corrupt it; the model registry is such a database."""
    with _engine(tmp_path / "mlflow.db").connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == _FULL
    assert not local_events._keepers


def test_the_connections_kept_open_are_bounded_and_the_evicted_ones_closed(tmp_path: Path) -> None:
    paths = [_write_ahead(tmp_path / f"{number}.db") for number in range(local_events._KEPT + 3)]
    first: sqlite3.Connection | None = None
    for path in paths:
        with _engine(path).begin() as connection:
            connection.execute(text("CREATE TABLE events (number INTEGER)"))
        first = first or next(iter(local_events._keepers.values()))
    assert list(local_events._keepers) == [str(path) for path in paths[-local_events._KEPT :]]
    assert first is not None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        first.execute("SELECT 1")
    # A database whose keeper has gone is used as before.
    with _engine(paths[0]).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar() == 0


def test_a_database_in_memory_has_no_keeper() -> None:
    with create_engine("sqlite://").connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    assert not local_events._keepers


def test_a_database_that_is_deleted_and_made_anew_at_the_same_path_works(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    for _ in range(2):
        with _engine(path).begin() as connection:
            connection.execute(text("PRAGMA journal_mode = WAL"))
            connection.execute(text("CREATE TABLE events (number INTEGER)"))
            connection.execute(text("INSERT INTO events VALUES (1)"))
        for member in tmp_path.iterdir():
            member.unlink()


def test_a_process_killed_while_writing_leaves_a_sound_database_with_all_its_commits(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = [int(process.stdout.readline()) for _ in range(200)]
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    told += [int(line) for line in process.stdout.read().splitlines() if line]
    process.stdout.close()

    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        numbers = [row[0] for row in connection.execute("SELECT number FROM events ORDER BY number")]
    finally:
        connection.close()
    assert numbers == list(range(len(numbers)))
    assert numbers[-1] >= told[-1]


def _stored(instance: dg.DagsterInstance, days: int) -> list[str | None]:
    """Report a materialization of each day; the partitions that the instance then knows, in their order."""
    for number in range(days):
        instance.report_runless_asset_event(dg.AssetMaterialization("visits", partition=f"2026-01-{number + 1:02}"))
    found = instance.fetch_materializations(dg.AssetKey("visits"), limit=100, ascending=True).records
    return [record.partition_key for record in found]


def test_one_engine_serves_all_events_of_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A canary: Dagster still looks for `create_engine` where it is replaced."""
    made: list[str] = []
    inner = local_events.create_engine

    def counted(address: str, **options: Any) -> Engine:
        made.append(address)
        return inner(address, **options)

    monkeypatch.setattr(local_events, "create_engine", counted)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert len(_stored(instance, 5)) == 5
    assert made and len(made) == len(set(made))


def test_events_written_together_are_few_transactions_and_seen_at_once(tmp_path: Path) -> None:
    """A canary: Dagster's event storage still connects by the method that is replaced."""
    begun: list[object] = []

    def begins(connection: object) -> None:
        begun.append(connection)

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        _stored(instance, 1)
        event.listen(Engine, "begin", begins)
        try:
            with written_together(instance):
                assert len(_stored(instance, 20)) == 21
            together = len(begun)
            assert len(_stored(instance, 20)) == 41
        finally:
            event.remove(Engine, "begin", begins)
        assert together * 4 < len(begun) - together
        assert len(instance.fetch_materializations(dg.AssetKey("visits"), limit=100).records) == 41


def test_events_written_together_are_kept_when_what_reports_them_fails(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        with pytest.raises(ZeroDivisionError), written_together(instance):
            _stored(instance, 3)
            raise ZeroDivisionError
        assert len(_stored(instance, 0)) == 3


def test_another_thread_is_let_in_while_events_are_written_together(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance, ThreadPoolExecutor(1) as pool:
        with written_together(instance):
            _stored(instance, 1)
            other = pool.submit(_stored, instance, 1)
            while not other.done():
                _stored(instance, 1)
        assert other.exception() is None
        assert len(_stored(instance, 0)) > 2


def test_a_batch_of_events_is_stored_in_one_transaction_for_each_database(tmp_path: Path) -> None:
    """A canary: Dagster still hands batches to the method that is replaced, once a batch size is set."""
    days = dg.DailyPartitionsDefinition("2026-01-01")

    @dg.asset(partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
    def visits() -> None:
        pass

    batches: list[int] = []
    store = SqliteEventLogStorage.store_event_batch
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        patch.setattr(
            SqliteEventLogStorage,
            "store_event_batch",
            lambda storage, events: (batches.append(len(events)), store(storage, events))[1],
        )
        tags = {ASSET_PARTITION_RANGE_START_TAG: "2026-01-01", ASSET_PARTITION_RANGE_END_TAG: "2026-01-09"}
        job = dg.Definitions(assets=[visits]).resolve_implicit_global_asset_job_def()
        assert job.execute_in_process(instance=instance, tags=tags).success
        assert len(instance.get_materialized_partitions(dg.AssetKey("visits"))) == 9
    assert 9 in batches


class _Both:
    """A storage whose `_connect` is found by two threads at the same moment, if both look for it."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(2)

    def __getattr__(self, name: str) -> Any:
        with suppress(threading.BrokenBarrierError):
            self.barrier.wait(0.5)
        return lambda shard: nullcontext()


def test_two_threads_that_begin_to_write_together_at_once_do_not_hinder_each_other() -> None:
    storage: Any = _Both()
    inside = threading.Barrier(2)

    def write() -> None:
        with local_events._together(storage):
            inside.wait(20)

    with ThreadPoolExecutor(2) as pool:
        for found in [pool.submit(write), pool.submit(write)]:
            found.result(20)
    assert "_connect" not in vars(storage)
