"""A read-only transaction of a SQL database in which all that is read was committed at one moment.

Belongs here: connecting, the transaction, and streams of batches through SQLAlchemy. Does not belong here: what is
asked for (`sql_source.py`), the faster way for PostgreSQL (`sql_adbc.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import sqlalchemy as sa

from batch_platform.errors import SourceError, first_line
from batch_platform.snapshots.sql_result import Result
from batch_platform.snapshots.sql_types import UNTOLD, SqlColumn, array_of, postgres_column

_BATCH_ROWS = 1 << 15


class Session(Protocol):
    """A transaction."""

    def some(self, statement: sa.Select[Any]) -> bool:
        """Whether the statement gives any row."""
        ...

    def read(self, statement: sa.Executable, known: Mapping[str, SqlColumn] | None) -> Result:
        """Run a statement; `known` are its columns, where more is known of them than the driver tells."""
        ...


@contextmanager
def session(engine: sa.Engine, where: str) -> Iterator[Session]:
    """Open a transaction, the fastest way that is installed; `where` is its place in messages.

    Raises:
        SourceError: the file of a SQLite database is not there.
        Exception: whatever SQLAlchemy or a driver raises.
    """
    if engine.dialect.name == "postgresql" and find_spec("adbc_driver_postgresql") is not None:
        from batch_platform.snapshots.sql_adbc import adbc_session

        with adbc_session(engine, where) as fast:
            yield fast
        return
    with connection(engine) as opened:
        yield AlchemySession(opened, where)


@contextmanager
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection of SQLAlchemy in such a transaction.

    Raises:
        SourceError: the file of a SQLite database is not there.
        Exception: whatever SQLAlchemy or a driver raises.
    """
    dialect = engine.dialect.name
    if dialect == "sqlite":
        _refuse_absent(engine.url)
    with engine.connect() as opened:
        if dialect == "postgresql":
            opened = opened.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            opened.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        elif dialect == "sqlite":
            opened.exec_driver_sql("PRAGMA query_only = ON")
            driver = opened.connection.driver_connection
            if driver is not None and not driver.in_transaction:
                opened.exec_driver_sql("BEGIN")
        elif dialect in ("mysql", "mariadb"):
            opened = opened.execution_options(isolation_level="REPEATABLE READ")
        try:
            yield opened
        finally:
            opened.rollback()


def _refuse_absent(url: sa.URL) -> None:
    """Opening a SQLite database that is not there would make an empty one."""
    path = url.database
    if path and path != ":memory:" and not path.startswith("file:") and not Path(path).is_file():
        raise SourceError("there is no such SQLite database", where=Path(path).name, fix="check the address")


class AlchemySession:
    """A transaction through SQLAlchemy; PostgreSQL keeps the rows until they are fetched."""

    def __init__(self, connection: sa.Connection, where: str) -> None:
        self._connection, self._where = connection, where

    def some(self, statement: sa.Select[Any]) -> bool:
        """See `Session.some`."""
        return self._connection.execute(statement).first() is not None

    def read(self, statement: sa.Executable, known: Mapping[str, SqlColumn] | None) -> Result:
        """See `Session.read`."""
        streaming = {"stream_results": True, "yield_per": _BATCH_ROWS}
        found = self._connection.execute(statement, execution_options=streaming)
        description = found.cursor.description if found.cursor is not None else None
        columns = tuple((str(told[0]), _column(told, known)) for told in description or ())

        def batches() -> Iterator[pa.RecordBatch]:
            for rows in found.partitions():
                yield _batch(rows, columns, self._where)

        return Result(columns, batches())


def _column(told: Any, known: Mapping[str, SqlColumn] | None) -> SqlColumn:
    if known is not None:
        return known[told[0]]
    if type(told).__module__.partition(".")[0] != "psycopg":
        return UNTOLD
    import psycopg

    info = psycopg.adapters.types.get(told.type_code)
    if info is None:
        return SqlColumn(f"of type {told.type_code}", None)
    name = f"{info.name}[]" if told.type_code == info.array_oid else info.name
    return postgres_column(name, told.precision, told.scale)


def _batch(rows: Any, columns: tuple[tuple[str, SqlColumn], ...], where: str) -> pa.RecordBatch:
    arrays = []
    for (name, column), values in zip(columns, zip(*rows, strict=True), strict=True):
        try:
            arrays.append(array_of(values, column))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise SourceError(
                f"column {name!r}: a value is not {column.told}: {first_line(error)[:80]}",
                where=where,
                fix="correct it, or cast it in a query",
            ) from None
    return pa.RecordBatch.from_arrays(arrays, names=[name for name, _ in columns])
