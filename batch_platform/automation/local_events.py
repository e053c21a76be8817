"""Makes Dagster's SQLite storage quick enough for runs that report hundreds of partitions.

Dagster makes an SQLAlchemy engine and opens a new SQLite connection several times for every event. Each commit then
waits for the disk, each close of the last connection writes the whole journal back, and with each engine goes what
SQLAlchemy has compiled for it: about 20 ms an event on an ordinary disk. Here commits do not wait
(`synchronous = NORMAL`: in write-ahead mode the database stays consistent whatever happens; a power failure may
cost the last moments of the event log, never a table, whose truth is its own log), one connection per database is
kept open, so that closing the others is free, and one engine per database serves all events.

Besides, whoever reports many events at once can have them written together (`written_together`).

Private parts of Dagster's event storage are used, here and nowhere else: the name under which it finds SQLAlchemy's
`create_engine`, and its methods `_connect` and `store_event_batch`. Canary tests hold them.

Belongs here: nothing else. Databases that are not in write-ahead mode (the model registry) and other storages
(Postgres) are not touched.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import Any

import dagster as dg
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine

_KEPT = 8  # a long-lived process meets a new database with every run
_keepers: OrderedDict[str, sqlite3.Connection] = OrderedDict()
_engines: OrderedDict[str, Engine] = OrderedDict()
_lock = threading.Lock()

_LONGEST = 0.5
"""Seconds for which events that are written together may keep other writers waiting; those wait 15 s at least."""


def speed_up_local_events() -> None:
    """Apply to all SQLite connections that SQLAlchemy opens in this process from now on; idempotent."""
    if not event.contains(Engine, "connect", _on_connect):
        event.listen(Engine, "connect", _on_connect)
    vars(sqlite_event_log)["create_engine"] = _shared_engine
    sqlite_event_log.SqliteEventLogStorage.store_event_batch = _store_event_batch  # type: ignore[method-assign,assignment]
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "500")  # by default Dagster never calls it


def _store_event_batch(storage: sqlite_event_log.SqliteEventLogStorage, events: Sequence[EventLogEntry]) -> None:
    """Dagster's own takes one transaction and more for each event, such as those that a run plans for a year."""
    with _together(storage):
        for entry in events:
            storage.store_event(entry)


def _shared_engine(address: str, **options: Any) -> Engine:
    """The engine that was made before for this address and these options; it holds no connection of its own."""
    key = f"{address} {sorted(options.items(), key=str)}"
    with _lock:
        if key not in _engines:
            _engines[key] = create_engine(address, **options)
            if len(_engines) > _KEPT:
                _engines.popitem(last=False)
        _engines.move_to_end(key)
        return _engines[key]


@contextmanager
def written_together(instance: dg.DagsterInstance) -> Iterator[None]:
    """Write the events that this thread stores meanwhile in few transactions, if the instance's storage is SQLite.

    Whoever reads in this thread sees them at once, everybody else within half a second. A process that is killed
    meanwhile loses the last of them, as it would lose those that it had not reported yet.
    """
    storage = instance.event_log_storage
    with _together(storage) if isinstance(storage, sqlite_event_log.SqliteEventLogStorage) else nullcontext():
        yield


@contextmanager
def _together(storage: sqlite_event_log.SqliteEventLogStorage) -> Iterator[None]:
    with _lock:
        # Whoever comes second, in this thread or another, writes as the first lets him.
        together = None if "_connect" in vars(storage) else _Together(storage._connect)
        if together is not None:
            vars(storage)["_connect"] = together.connect
    if together is None:
        yield
        return
    try:
        yield
    finally:
        del vars(storage)["_connect"]
        together.commit()


class _Together:
    """Hands the same connection and its transaction to everybody in one thread, until it is committed."""

    def __init__(self, connect: Callable[[str], AbstractContextManager[Connection]]) -> None:
        self._connect, self._thread = connect, threading.get_ident()
        self._engines: dict[str, Engine] = {}
        self._open: dict[str, Connection] = {}
        self._began, self._users, self._closing = 0.0, 0, ExitStack()

    @contextmanager
    def connect(self, shard: str) -> Iterator[Connection]:
        """The connection to one of the storage's databases."""
        if threading.get_ident() != self._thread:
            with self._connect(shard) as connection:
                yield connection
            return
        if not self._users and (shard not in self._engines or time.monotonic() - self._began > _LONGEST):
            self.commit()
        if shard not in self._engines:
            # Dagster connects one thread at a time: one that waits for a transaction of ours would never let us in.
            with self._connect(shard) as connection:
                self._engines[shard] = connection.engine
        if shard not in self._open:
            self._open[shard] = self._closing.enter_context(self._engines[shard].begin())
        self._users += 1
        try:
            yield self._open[shard]
        finally:
            self._users -= 1

    def commit(self) -> None:
        """Commit, and let other writers in."""
        self._open, self._began = {}, time.monotonic()
        self._closing.close()


def _on_connect(connection: Any, _record: object) -> None:
    # What only saves time must never fail a run.
    if isinstance(connection, sqlite3.Connection):
        with suppress(sqlite3.Error), _lock:
            _relax(connection)


def _relax(connection: sqlite3.Connection) -> None:
    # Without a write-ahead journal, not waiting for the disk could corrupt the database.
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        return
    connection.execute("PRAGMA synchronous = NORMAL")
    path = next((row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main"), "")
    if not path:
        return
    if path not in _keepers:
        _keepers[path] = sqlite3.connect(path, check_same_thread=False)
        if len(_keepers) > _KEPT:
            _keepers.popitem(last=False)[1].close()
    # A connection keeps the journal alive only once it has read under it.
    _keepers[path].execute("SELECT count(*) FROM sqlite_master").fetchone()
