"""How a partition's rows get into a SQL database: inserted, or copied where PostgreSQL's driver can.

Belongs here: rows as SQL takes them. Does not belong here: schemas (`database_tables.py`) or transactions
(`database.py`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import sqlalchemy as sa

from batch_platform.sinks.plain_values import csv_ready, json_value

_PLAIN_CSV = pacsv.WriteOptions(include_header=False)


def insert_rows(connection: sa.Connection, table: sa.Table, batches: Iterator[pa.RecordBatch], **same: object) -> int:
    """Insert batches into a table, with further columns that are the same in all rows; gives the number of rows."""
    rows = 0
    for batch in batches:
        if batch.num_rows:
            connection.execute(table.insert(), sql_rows(batch, connection.dialect.name, same))
        rows += batch.num_rows
    return rows


def copies(connection: sa.Connection) -> bool:
    """Whether rows can be copied into this database."""
    return connection.dialect.name == "postgresql" and connection.dialect.driver == "psycopg"


def copy_rows(connection: sa.Connection, table: sa.Table, batches: Iterator[pa.RecordBatch]) -> int:
    """Copy batches into a table of PostgreSQL as CSV; gives the number of rows.

    Arrow's CSV and PostgreSQL's are one language: a null is empty, an empty text is quoted.
    """
    from psycopg import sql

    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(table.name), names)
    rows = 0
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor, cursor.copy(command) as copy:
        for batch in batches:
            text = io.BytesIO()
            pacsv.write_csv(csv_ready(batch, lambda value: f"\\x{value.hex()}"), text, _PLAIN_CSV)
            copy.write(text.getbuffer())
            rows += batch.num_rows
    return rows


def sql_rows(batch: pa.RecordBatch, dialect: str, same: dict[str, object]) -> list[dict[str, Any]]:
    """Each row as the parameters of an insertion."""
    columns = [[_sql_value(value, dialect) for value in column.to_pylist()] for column in batch.columns]
    names = batch.schema.names
    return [dict(zip(names, row, strict=True)) | same for row in zip(*columns, strict=True)]


def _sql_value(value: Any, dialect: str) -> Any:
    if isinstance(value, list):
        return json_value(value)
    if dialect == "sqlite" and isinstance(value, Decimal):
        return str(value)
    if dialect == "sqlite" and isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)  # it has no zones: moments stand there in UTC
    return value
