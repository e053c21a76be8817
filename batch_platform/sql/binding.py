"""Trying SQL on no rows when definitions load: a wrong name is told in seconds, not at night.

Belongs here: binding a query or a condition to the columns that its inputs will have. Does not belong here: running
it (`features/sandbox.py`), or what its columns ought to be (`features/binding.py`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import quote_identifier
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.sql.rendered import template_line
from batch_platform.sql.walls import one_select, walled

POSITION = {SOURCE_FILE: pa.string(), SOURCE_ROW: pa.int64()}
"""The columns that every input has beside its own: where a row stood in its source."""

_conditions_lock = threading.Lock()


class Binder:
    """Binds queries, without rows, to the tables that were declared to it; one connection serves a whole project."""

    def __init__(self) -> None:
        self._connection = walled()
        self._tables: dict[str, pa.Schema] = {}
        self._schemas: set[str] = set()
        self._spelled: dict[pa.DataType, str] = {}
        self._read: dict[str, pa.DataType] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._connection.close()

    def declare(self, table: str, schema: pa.Schema) -> None:
        """Let queries name `"stage"."name"` with these columns."""
        if self._tables.get(table) == schema:
            return
        stage, name = (quote_identifier(part) for part in table.split("/"))
        if stage not in self._schemas:
            self._connection.execute(f"CREATE SCHEMA {stage}")
            self._schemas.add(stage)
        columns = ", ".join(f"{quote_identifier(field.name)} {self._duckdb_type(field.type)}" for field in schema)
        self._connection.execute(f"CREATE OR REPLACE TABLE {stage}.{name} ({columns})")
        self._tables[table] = schema

    def bind(self, sql: str, where: str, template: str | None = None) -> pa.Schema:
        """The columns that a query yields, with their types.

        Args:
            sql: the query.
            where: its file.
            template: the text that it was rendered from, whose lines a person knows.

        Raises:
            ConfigurationError: it cannot be bound, as `where:line: what` where DuckDB names the line; or it is not one
                query.
        """
        return pa.schema([pa.field(name, self._arrow_type(kind)) for name, kind in self.types(sql, where, template)])

    def types(self, sql: str, where: str, template: str | None = None) -> list[tuple[str, str]]:
        """The same with the names of DuckDB's types; a name may come twice.

        Raises:
            ConfigurationError: as `bind`.
        """
        try:
            one_select(self._connection, sql, where)
            found = self._connection.sql(sql)
        except duckdb.Error as error:
            raise _refused(where, self._placed(sql, error), sql, template) from None
        return list(zip(found.columns, map(str, found.types), strict=True))

    def _placed(self, sql: str, error: duckdb.Error) -> duckdb.Error:
        """The same error with its line, which DuckDB tells of a statement that it is to run only."""
        try:
            self._connection.execute(f"EXPLAIN {sql}")
        except duckdb.Error as placed:
            return placed
        return error

    def _duckdb_type(self, kind: pa.DataType) -> str:
        if kind not in self._spelled:
            empty = pa.table({"x": pa.array([], kind)})
            self._spelled[kind] = str(self._connection.from_arrow(empty).types[0])
        return self._spelled[kind]

    def _arrow_type(self, kind: str) -> pa.DataType:
        if kind not in self._read:
            empty = self._connection.sql(f"SELECT CAST(NULL AS {kind}) AS x LIMIT 0")
            self._read[kind] = empty.to_arrow_table().schema.field(0).type
        return self._read[kind]


@cache
def _conditions() -> duckdb.DuckDBPyConnection:
    """Opening a connection takes longer than binding a hundred conditions in it."""
    return walled()


def bind_condition(sql: str, columns: pa.Schema, what: str) -> None:
    """Bind a condition to the columns of the table that it is about, without rows.

    Args:
        sql: the condition.
        columns: the table's columns.
        what: the field that declares it.

    Raises:
        ConfigurationError: it cannot be bound.
    """
    query = f"SELECT CAST(({sql}) AS BOOLEAN) FROM rows"
    with _conditions_lock:
        connection = _conditions()
        try:
            connection.register("rows", columns.empty_table())
            one_select(connection, query, what)
            connection.sql(query)
        except duckdb.Error as error:
            raise _refused(what, error) from None


def input_schema(columns: Mapping[str, pa.DataType], partitioned: bool) -> pa.Schema:
    """What a query sees of a table: its own columns, each row's position, and the partition's key if it has one."""
    key = {PARTITION_COLUMN: pa.string()} if partitioned else {}
    return pa.schema(list({**columns, **POSITION, **key}.items()))


def seen_by(columns: pa.Schema, *, partitioned: bool) -> pa.Schema:
    """What a reader sees of an input's columns: as in dbt, a table without partitions is made of plain ones."""
    if partitioned:
        return columns
    return pa.schema([field for field in columns if field.name not in POSITION])


def _refused(place: str, error: duckdb.Error, sql: str = "", template: str | None = None) -> ConfigurationError:
    line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
    near = re.search(r"^(Candidate bindings|Did you mean)[: ]+(.*)$", str(error), re.MULTILINE)
    at = int(line[1]) if line else 0
    if line and template is not None:
        at = template_line(template, sql, at)
    where = f"{place}:{at}" if line else place
    return ConfigurationError(
        first_line(error), where=where, fix=f"did you mean {near[2].rstrip('?')}?" if near else ""
    )
