"""The database sink: a partition's rows in a SQL table, replaced in one transaction.

Belongs here: connecting, and the transaction. PostgreSQL and SQLite take the rows into a staging table, then change,
add and delete only what differs; other databases delete the partition and insert it. A reader never sees a part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from batch_platform.database_engine import engine_from, of_database, said
from batch_platform.errors import DeliveryError, is_transient
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.secret_values import Secrets
from batch_platform.sinks.base import Delivery
from batch_platform.sinks.database_rows import copies, copy_rows, insert_rows
from batch_platform.sinks.database_tables import refuse_misfit, staging_table, target_table
from batch_platform.sinks.declared import DatabaseSink, Mode

_UPSERTING = ("postgresql", "sqlite")


class DatabaseTarget:
    """A table of a SQL database.

    Raises:
        ConfigurationError: the variable is not set, its value is no address, or the driver is not installed.
    """

    def __init__(self, declared: DatabaseSink, secrets: Secrets) -> None:
        self.name, self._declared, self._secrets = declared.name, declared, secrets
        self._engine = engine_from(declared.url_from, secrets, f"sink {declared.name!r}")
        self._fitting: pa.Schema | None = None

    def deliver(self, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
        """Replace the partition's rows in one transaction; see `Sink.deliver`."""
        table = target_table(self._declared, delivery)
        try:
            if self._fitting is None or not self._fitting.equals(delivery.schema):
                self._prepare(table)
                self._fitting = delivery.schema
            with self._engine.begin() as connection:
                if self._declared.mode is Mode.UPSERT and connection.dialect.name in _UPSERTING:
                    return _upsert(connection, table, delivery, batches)
                return _replace(connection, table, delivery, batches)
        except Exception as error:
            if not of_database(error):
                raise
            found, transient = said(error, self._secrets), is_transient(error)
        raise DeliveryError(
            f"the database says: {found}",
            where=f"sink {self.name!r}, {delivery.place}",
            fix=f"check the database and table {self._declared.table}, then deliver again",
            transient=transient,
        )

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _prepare(self, table: sa.Table) -> None:
        """Make the table if it is missing, and check that it fits."""
        with self._engine.begin() as connection:
            _take_turns(connection, table, "")
            if not sa.inspect(connection).has_table(table.name, schema=table.schema):
                if table.schema and not sa.inspect(connection).has_schema(table.schema):
                    connection.execute(sa.schema.CreateSchema(table.schema, if_not_exists=True))
                connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
            refuse_misfit(connection, table, self._declared)


def _upsert(connection: sa.Connection, table: sa.Table, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
    stage = staging_table(delivery, connection.dialect.name)
    _take_turns(connection, table, delivery.partition)
    if connection.dialect.name != "postgresql":
        # An earlier delivery through this connection may have been cut short.
        connection.execute(sa.schema.DropTable(stage, if_exists=True))
    stage.create(connection)
    rows = copy_rows(connection, stage, batches) if copies(connection) else insert_rows(connection, stage, batches)
    names = [column.name for column in stage.columns]
    staged = sa.select(sa.literal(delivery.partition).label(PARTITION_COLUMN), *stage.columns).where(sa.true())
    adding = _insertion(connection.dialect.name, table).from_select([PARTITION_COLUMN, *names], staged)
    key = [PARTITION_COLUMN, *delivery.key]
    values = [name for name in names if name not in delivery.key]
    if values:
        connection.execute(
            adding.on_conflict_do_update(
                index_elements=key,
                set_={name: adding.excluded[name] for name in values},
                where=sa.or_(*(table.c[name].is_distinct_from(adding.excluded[name]) for name in values)),
            )
        )
    else:
        connection.execute(adding.on_conflict_do_nothing(index_elements=key))
    same = sa.and_(sa.true(), *(stage.c[name] == table.c[name] for name in delivery.key))
    there = sa.exists(sa.select(sa.literal(1)).select_from(stage).where(same).correlate(table))
    connection.execute(sa.delete(table).where(table.c[PARTITION_COLUMN] == delivery.partition, ~there))
    return rows


def _replace(connection: sa.Connection, table: sa.Table, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
    _take_turns(connection, table, delivery.partition)
    connection.execute(sa.delete(table).where(table.c[PARTITION_COLUMN] == delivery.partition))
    return insert_rows(connection, table, batches, **{PARTITION_COLUMN: delivery.partition})


def _insertion(dialect: str, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An insertion that may say what a row becomes which is there already."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _take_turns(connection: sa.Connection, table: sa.Table, partition: str) -> None:
    """Wait for whoever delivers the same: two at once would keep rows of both. Other databases lock what they write."""
    if connection.dialect.name == "postgresql":
        found = hashlib.sha256(f"{table.fullname}\n{partition}".encode()).digest()
        number = int.from_bytes(found[:8], "big", signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))
