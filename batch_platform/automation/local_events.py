"""Makes Dagster's SQLite storage quick enough for runs that report hundreds of partitions.

Dagster opens a new SQLite connection for every event. Each commit then waits for the disk, and each close of the
last connection writes the whole journal back: about 20 ms an event on an ordinary disk. Here commits do not wait
(`synchronous = NORMAL`: in write-ahead mode the database stays consistent whatever happens; a power failure may
cost the last moments of the event log, never a table, whose truth is its own log), and one connection per
database is kept open, so that closing the others is free.

Belongs here: nothing else. Databases that are not in write-ahead mode (the model registry) and other storages
(Postgres) are not touched.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from contextlib import suppress
from threading import Lock
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

_KEPT = 8  # a long-lived process meets a new database with every run
_keepers: OrderedDict[str, sqlite3.Connection] = OrderedDict()
_lock = Lock()


def speed_up_local_events() -> None:
    """Apply to all SQLite connections that SQLAlchemy opens in this process from now on; idempotent."""
    if not event.contains(Engine, "connect", _on_connect):
        event.listen(Engine, "connect", _on_connect)


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
