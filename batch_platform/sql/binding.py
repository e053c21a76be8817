"""Trying SQL on no rows when definitions load: a wrong name is told in seconds, not at night.

Belongs here: binding a query or a condition to the columns that its inputs will have. Does not belong here: running
it (`features/sandbox.py`), or what its columns ought to be (`features/binding.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import quote_identifier
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.sql.walls import walled

POSITION = {SOURCE_FILE: pa.string(), SOURCE_ROW: pa.int64()}
"""The columns that every input has beside its own: where a row stood in its source."""


class Binder:
    """Binds queries, without rows, to the tables that were declared to it; one connection serves a whole project."""

    def __init__(self) -> None:
        self._connection = walled()
        self._tables: dict[str, pa.Schema] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._connection.close()

    def declare(self, table: str, schema: pa.Schema) -> None:
        """Let queries name `"stage"."name"` with these columns."""
        if self._tables.get(table) == schema:
            return
        stage, name = (quote_identifier(part) for part in table.split("/"))
        self._connection.register("arriving", schema.empty_table())
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {stage}")
        self._connection.execute(f"CREATE OR REPLACE TABLE {stage}.{name} AS SELECT * FROM arriving")
        self._connection.unregister("arriving")
        self._tables[table] = schema

    def bind(self, sql: str, where: str) -> pa.Schema:
        """The columns that a query yields, with their types.

        Raises:
            ConfigurationError: it cannot be bound, as `where:line: what` where DuckDB names the line.
        """
        try:
            return self._connection.sql(sql).limit(0).to_arrow_table().schema
        except duckdb.Error as error:
            raise _refused(where, error) from None


def bind_condition(sql: str, columns: pa.Schema, what: str) -> None:
    """Bind a condition to the columns of the table that it is about, without rows.

    Args:
        sql: the condition.
        columns: the table's columns.
        what: the field that declares it.

    Raises:
        ConfigurationError: it cannot be bound.
    """
    connection = walled()
    try:
        connection.register("rows", columns.empty_table())
        connection.sql(f"SELECT CAST(({sql}) AS BOOLEAN) FROM rows")
    except duckdb.Error as error:
        raise _refused(what, error) from None
    finally:
        connection.close()


def input_schema(columns: Mapping[str, pa.DataType], partitioned: bool) -> pa.Schema:
    """What a query sees of a table: its own columns, each row's position, and the partition's key if it has one."""
    key = {PARTITION_COLUMN: pa.string()} if partitioned else {}
    return pa.schema(list({**columns, **POSITION, **key}.items()))


def _refused(place: str, error: duckdb.Error) -> ConfigurationError:
    line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
    near = re.search(r"^(Candidate bindings|Did you mean)[: ]+(.*)$", str(error), re.MULTILINE)
    where = f"{place}:{line[1]}" if line else place
    return ConfigurationError(
        first_line(error), where=where, fix=f"did you mean {near[2].rstrip('?')}?" if near else ""
    )
