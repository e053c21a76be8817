"""A connection on which texts are bound to empty tables and never run: what a query yields, and of which types.

Belongs here: asking DuckDB about a text. Does not belong here: what is asked, and why.
"""

from __future__ import annotations

import atexit
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import duckdb
import pyarrow as pa

from batch_platform.lake.store import quote_identifier, relation
from batch_platform.sql.model import PLACEHOLDER
from batch_platform.sql.walls import walled


class Desk:
    """One connection with empty tables, on which texts are bound and never run; for one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Without the optimizer a plan shows every expression as it was bound.
        self._connection: duckdb.DuckDBPyConnection = walled("PRAGMA disable_optimizer", threads=1)
        self._tables: dict[str, pa.Schema] = {}

    @contextmanager
    def holding(self, tables: Mapping[str, pa.Schema]) -> Iterator[Desk]:
        """This desk with these tables (`stage/name` -> columns) and no others."""
        with self._lock:
            for name in [name for name in self._tables if name not in tables]:
                self._connection.execute(f"DROP TABLE {relation(name)}")
                del self._tables[name]
            for name, schema in tables.items():
                if self._tables.get(name) != schema:
                    self._create(name, schema)
            yield self

    def _create(self, name: str, schema: pa.Schema) -> None:
        if "/" in name:
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(name.split('/')[0])}")
        self._connection.register("arriving", schema.empty_table())
        try:
            self._connection.execute(f"CREATE OR REPLACE TABLE {relation(name)} AS SELECT * FROM arriving")
        finally:
            self._connection.unregister("arriving")
        self._tables[name] = schema

    def close(self) -> None:
        """Let go of the connection; nothing is asked of the desk any more."""
        with self._lock:
            self._connection.close()
            del self._connection
        desk.cache_clear()

    def columns(self, sql: str) -> list[tuple[str, str]]:
        """The names and types that a query yields.

        Raises:
            duckdb.Error: it cannot be bound.
        """
        found = self._connection.sql(self._only(sql))
        return [(name, str(kind)) for name, kind in zip(found.columns, found.types, strict=True)]

    def plan(self, sql: str) -> str:
        """The plan of a query as JSON, with every expression as it was bound.

        Raises:
            duckdb.Error: it cannot be bound.
        """
        return str(self._connection.execute(f"EXPLAIN (FORMAT json) {self._only(sql).query}").fetchall()[0][1])

    def _only(self, sql: str) -> duckdb.Statement:
        """The one SELECT that a text is: any other statement could change what the next text is bound to."""
        statements = self._connection.extract_statements(_without_placeholders(sql))
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise duckdb.BinderException("the query is not one SELECT statement")
        return statements[0]


@cache
def desk() -> Desk:
    """The process's one desk."""
    made = Desk()
    # DuckDB's module complains on standard error of a connection that outlives it.
    atexit.register(made.close)
    return made


def _without_placeholders(sql: str) -> str:
    """The text with a relation and a moment in the place of a range's placeholders."""

    def stand_in(mark: re.Match[str]) -> str:
        return relation(mark[1]) if "/" in mark[1] else "TIMESTAMPTZ '2000-01-01 00:00:00+00'"

    return re.sub(f'"{PLACEHOLDER}([^"]+)"', stand_in, sql)
