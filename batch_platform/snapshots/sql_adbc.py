"""PostgreSQL through ADBC: its rows arrive as Arrow, without becoming objects of Python.

Belongs here: what ADBC does otherwise than SQLAlchemy. Does not belong here: anything that a result does not need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from batch_platform.database_engine import CONNECT_SECONDS
from batch_platform.errors import SourceError
from batch_platform.snapshots.sql_result import Result
from batch_platform.snapshots.sql_types import SqlColumn, postgres_column


@contextmanager
def adbc_session(engine: sa.Engine, where: str) -> Iterator[AdbcSession]:
    """A read-only transaction in which all that is read was committed at one moment.

    Raises:
        Exception: whatever ADBC raises.
    """
    from adbc_driver_postgresql import dbapi

    url = engine.url.set(drivername="postgresql")
    if "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})
    with dbapi.connect(url.render_as_string(hide_password=False)) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        try:
            yield AdbcSession(connection, engine.dialect, where)
        finally:
            connection.rollback()


class AdbcSession:
    """A transaction through ADBC."""

    def __init__(self, connection: Any, dialect: sa.Dialect, where: str) -> None:
        self._connection, self._where = connection, where
        # PostgreSQL's own placeholders: $1, $2.
        self._dialect = type(dialect)(paramstyle="numeric_dollar")  # type: ignore[call-arg]

    def some(self, statement: sa.Select[Any]) -> bool:
        """See `Session.some`."""
        with self._connection.cursor() as cursor:
            cursor.execute(*self._compiled(statement))
            return cursor.fetchone() is not None

    def read(self, statement: sa.Executable, known: Mapping[str, SqlColumn] | None) -> Result:
        """See `Session.read`."""
        cursor = self._connection.cursor()
        cursor.execute(*self._compiled(statement))
        reader = cursor.fetch_record_batch()
        columns = tuple((field.name, known[field.name] if known else _column(field)) for field in reader.schema)

        def batches() -> Iterator[pa.RecordBatch]:
            with cursor:
                for batch in reader:
                    names = batch.schema.names
                    arrays = [self._stored(name, array) for name, array in zip(names, batch.columns, strict=True)]
                    yield pa.RecordBatch.from_arrays(arrays, names=names)

        return Result(columns, batches())

    def _compiled(self, statement: Any) -> tuple[str, list[Any]]:
        made = statement.compile(dialect=self._dialect)
        return str(made), [made.params[name] for name in made.positiontup or ()]

    def _stored(self, name: str, array: pa.Array) -> pa.Array:
        """The values as they are; ADBC turns the times `infinity` and `-infinity` into others without a word."""
        if isinstance(array, pa.ExtensionArray):
            return array.storage
        if pa.types.is_temporal(array.type) and len(array):
            years = pc.min_max(pc.year(array))
            if years["min"].is_valid and not (years["min"].as_py() >= 1 and years["max"].as_py() <= 9999):
                raise SourceError(
                    f"column {name!r} has a time that is infinite or beyond the year 9999",
                    where=self._where,
                    fix="replace it in a query",
                )
        return array


def _column(field: pa.Field) -> SqlColumn:
    told = field.metadata or {}
    name = told.get(b"ADBC:postgresql:typname", told.get(b"POSTGRESQL:type", b"")).decode()
    precision, scale = None, None
    typmod = int(told.get(b"POSTGRESQL:typmod", b"-1"))
    if name == "numeric" and typmod >= 4:
        precision, scale = (typmod - 4) >> 16, (typmod - 4) & 0x7FF
    return postgres_column(name, precision, scale)
