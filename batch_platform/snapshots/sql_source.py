"""The `sql` source: the rows of a database's table in a window, or what a query gives.

Belongs here: one read, from the address to the extract, and how a database's errors are told. Does not belong here:
statements (`sql_statements.py`), transactions (`sql_session.py`), types (`sql_types.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import sqlalchemy as sa

from batch_platform.database_engine import engine_from, of_database, said
from batch_platform.errors import SourceError, is_transient
from batch_platform.secret_values import Secrets
from batch_platform.snapshots.conversion import extra_columns, listed
from batch_platform.snapshots.declared_sources import DatabaseSource
from batch_platform.snapshots.numbered_rows import extract_of
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract
from batch_platform.snapshots.sql_session import Session, connection, session
from batch_platform.snapshots.sql_statements import Reading, of_query, of_table
from batch_platform.snapshots.sql_types import settled, to_declared
from batch_platform.snapshots.typed_rows import gathered

if TYPE_CHECKING:
    from batch_platform.partitions import Window


@dataclass(frozen=True)
class SqlSource:
    """Reads `spec.sql`; the address is taken from the environment when it reads."""

    spec: SourceSpec
    base: Path

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """The partition's rows in the order of `order_by` or the primary key, then of all columns."""
        declared = self.declared
        with opened(declared) as engine:
            if declared.query is not None:
                reading = of_query(declared, engine.dialect.name, partition_key, window)
            else:
                with connection(engine) as looking:
                    reading = of_table(declared, self.spec, looking, window)
            with session(engine, declared.origin) as transaction:
                rows, extra = self._rows(transaction, reading)
        absent = [name for name in declared.order_by if name not in rows.column_names]
        if absent:
            raise SourceError(
                f"missing column {listed(absent)}; the rows have {listed(rows.column_names)}",
                where=declared.origin,
                fix="correct `order_by`",
            )
        return extract_of(rows, declared.origin, declared.order_by or reading.primary_key, extra)

    @property
    def declared(self) -> DatabaseSource:
        """The declaration."""
        assert self.spec.sql is not None
        return self.spec.sql

    def _rows(self, transaction: Session, reading: Reading) -> tuple[pa.Table, list[str]]:
        where = self.declared.origin
        for statement, told in reading.refused:
            if transaction.some(statement):
                null = "null" in told
                fix = "correct them, or declare null_watermarks: skipped" if null else "correct them, or use a query"
                raise SourceError(told, where=where, fix=fix)
        found = transaction.read(reading.statement, reading.columns)
        names = [name for name, _ in found.columns]
        extra = extra_columns(names, self.spec, where, holder="result")
        kinds = settled(dict(found.columns), self.spec, where)
        return gathered(found.batches, kinds, self.spec, to_declared, where), [*reading.extra, *extra]


@contextmanager
def opened(declared: DatabaseSource) -> Iterator[sa.Engine]:
    """The database of a declaration; what it refuses within the block is told without anything secret.

    Raises:
        ConfigurationError: the environment holds no address, or the driver is not installed.
        SourceError: the database refuses or is unreachable.
    """
    secrets = Secrets()
    engine = engine_from(declared.url_from, secrets, declared.origin)
    try:
        yield engine
    except Exception as error:
        if not of_database(error):
            raise
        # Not chained: a traceback would show what the text does not.
        raise SourceError(
            f"the database says: {said(error, secrets)}",
            where=declared.origin,
            fix=f"check the database at {declared.url_from}, and the declaration",
            transient=is_transient(error),
        ) from None
    finally:
        engine.dispose()
