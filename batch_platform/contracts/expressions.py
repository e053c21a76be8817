"""The rule `expression_is_true`: a DuckDB expression over a row's own columns, and the sandbox it is computed in.

What belongs here: which expressions are allowed, and applying them. What does not: every other rule (`rules.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from batch_platform.contracts.rules import RowRule, shown
from batch_platform.sql.volatile import first_volatile

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class ExpressionIsTrue(RowRule):
    """A DuckDB boolean expression over the row's own columns is true or NULL.

    A row on which it cannot be computed (a cast that fails, an overflow) breaks the rule.
    """

    expression: str
    reads: tuple[str, ...]
    label: str | None = None

    @property
    def name(self) -> str:
        return shown(self.label) if self.label else f"expression_is_true({shown(self.expression)})"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.reads

    def passes(self, rows: pl.DataFrame) -> pl.Series:
        with _rows_under_test(rows.select(self.reads)) as connection:
            answer = connection.sql(f"select {self._judgement} as passes from rows_under_test").to_arrow_table()
            return pl.Series(answer.column("passes"), dtype=pl.Boolean)

    @property
    def _judgement(self) -> str:
        # The newline ends a trailing comment of the expression. `try` is NULL only where it fails.
        return f"coalesce(try(coalesce(({self.expression}\n), true)), false)"

    @classmethod
    def over(cls, expression: str, types: Mapping[str, pl.DataType], label: str | None) -> ExpressionIsTrue:
        """The rule for an expression, checked against the types of the contract's columns.

        Raises:
            ValueError: it is not one boolean expression over columns of the row alone, or depends on more
                than the row: other rows, other tables, the time, chance.
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
        rule = cls(expression, tuple(c for c in types if c.lower() in named), label)
        try:
            with _rows_under_test(pl.DataFrame(schema=types).select(rule.reads)) as connection:
                answer = connection.sql(f"select ({expression}\n) as passes from rows_under_test")
                kind, rows = str(answer.types[0]), len(answer.fetchall())
        except duckdb.Error as error:
            raise ValueError(f"is refused by DuckDB: {str(error).splitlines()[0]}") from None
        if rows:
            raise ValueError("aggregates rows; it must read one row at a time")
        if kind != "BOOLEAN":
            raise ValueError(f"is of type {kind}, not BOOLEAN")
        return rule


def kept_by_all(rules: Sequence[ExpressionIsTrue], rows: pl.DataFrame) -> list[bool]:
    """For each rule whether every row passes it, from one query; all false where the query fails."""
    import duckdb

    if not rules:
        return []
    answers = ", ".join(f"coalesce(bool_and({rule._judgement}), true)" for rule in rules)
    reads = list(dict.fromkeys(name for rule in rules for name in rule.reads))
    try:
        with _rows_under_test(rows.select(reads)) as connection:
            (kept,) = connection.execute(f"select {answers} from rows_under_test").fetchall()
            return list(kept)
    except duckdb.Error:
        return [False] * len(rules)


_thread = threading.local()


@contextmanager
def _rows_under_test(rows: pl.DataFrame) -> Iterator[duckdb.DuckDBPyConnection]:
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
