"""DuckDB expressions over a row's own columns: which are allowed, and the sandbox they are computed in.

What belongs here: checking an expression, computing it on rows, and the `where` of a rule. What does not: the rule
that an expression itself is (`expressions.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from batch_platform.sql.volatile import first_volatile

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Condition:
    """Which rows a rule applies to: those for which a DuckDB expression over their own columns is true.

    The rule does not apply where it is false or NULL. It does where the expression cannot be computed, so that a cast
    that fails hides no row from its rule.
    """

    text: str
    reads: tuple[str, ...]

    @classmethod
    def over(cls, text: str, types: Mapping[str, pl.DataType]) -> Condition:
        """The condition, checked against the types of the contract's columns.

        Raises:
            ValueError: as `columns_read`.
        """
        return cls(text, columns_read(text, types))

    @property
    def sql(self) -> str:
        """A DuckDB expression, never NULL: whether the rule applies to the row."""
        # The newline ends a trailing comment of the expression. `try` is NULL only where it fails.
        return f"coalesce(try(coalesce(({self.text}\n), false)), true)"

    def applies(self, rows: pl.DataFrame) -> pl.Series:
        """A boolean per row, never null."""
        with rows_under_test(rows.select(self.reads)) as connection:
            answer = connection.sql(f"select {self.sql} as applies from rows_under_test").to_arrow_table()
            return pl.Series(answer.column("applies"), dtype=pl.Boolean)


def columns_read(expression: str, types: Mapping[str, pl.DataType]) -> tuple[str, ...]:
    """The columns that an expression reads, in the order of `types`.

    Raises:
        ValueError: it is not one boolean expression over columns of the row alone, or depends on more than the row:
            other rows, other tables, the time, chance.
    """
    import duckdb
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(expression, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise ValueError(f"is not SQL: {str(error).splitlines()[0]}") from None
    if tree.find(exp.Query, exp.Window, exp.Unnest, exp.Explode, exp.Block, exp.Command):
        raise ValueError("may hold no query, window function, unnest or second statement")
    if tree.find(exp.Star, exp.Columns):
        raise ValueError("names its columns by a pattern; write each of them out")
    spelled = {column.lower(): column for column in types}
    named = {column.name.lower() for column in tree.find_all(exp.Column)}
    if unknown := sorted(named - spelled.keys()):
        raise ValueError(f"reads {', '.join(unknown)}, which the model does not declare")
    if not named:
        raise ValueError("reads no column")
    if found := first_volatile(expression, "the expression"):
        raise ValueError(f"depends on more than the row: {found[0]}")
    reads = tuple(column for column in types if column.lower() in named)
    try:
        with rows_under_test(pl.DataFrame(schema=types).select(reads)) as connection:
            answer = connection.sql(f"select ({expression}\n) as passes from rows_under_test")
            kind, rows = str(answer.types[0]), len(answer.fetchall())
    except duckdb.Error as error:
        raise ValueError(f"is refused by DuckDB: {str(error).splitlines()[0]}") from None
    if rows:
        raise ValueError("aggregates rows; it must read one row at a time")
    if kind != "BOOLEAN":
        raise ValueError(f"is of type {kind}, not BOOLEAN")
    return reads


_thread = threading.local()


@contextmanager
def rows_under_test(rows: pl.DataFrame) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sandbox with these rows as its one table, `rows_under_test`."""
    with _sandbox() as connection:
        connection.register("rows_under_test", rows.to_arrow())
        yield connection
        connection.unregister("rows_under_test")


@contextmanager
def _sandbox() -> Iterator[duckdb.DuckDBPyConnection]:
    """This thread's DuckDB connection, which reads no file and no variable of this process, in UTC wherever it runs.

    Opening one takes longer than a query on a small partition. An error closes it: what the connection may still
    hold, or refuse to do after a fatal one, ends with it.
    """
    if not hasattr(_thread, "connection"):
        _thread.connection = _open_sandbox()
    try:
        yield _thread.connection
    except BaseException:
        _thread.connection.close()
        del _thread.connection
        raise


def _open_sandbox() -> duckdb.DuckDBPyConnection:
    from batch_platform.sql.walls import walled

    # Computed once for several places, a cast that fails would be taken out of the `try` that guards it.
    return walled("SET disabled_optimizers = 'common_subexpressions'", threads=1)
