"""The rules a data contract can hold, each a vectorized test on a frame.

What belongs here: one class per kind of rule, with the name it is reported under and the rows it lets pass.
What does not: how rules are written in `schema.yml`, and what happens to the rows that break them
(`contract.py`).

A NULL passes every rule but `not_null` (SQL's CHECK semantics) and `unique_combination_of_columns`. NaN is
not a NULL: it breaks `not_null`, `range` and `accepted_values` alike.
"""

from __future__ import annotations

import datetime as dt
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import duckdb

Scalar = bool | int | float | str | Decimal | dt.date | dt.datetime


def shown(value: object) -> str:
    """`value` as part of a rule's name: on one line, and without the `;` that separates names."""
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    return re.sub(r"\s+", " ", str(value)).replace(";", "\\x3b")


def typed(value: object, dtype: pl.DataType) -> Scalar:
    """A value read from YAML as exactly a value of a column's type.

    Raises:
        ValueError: the value is of another kind, does not fit the type, or would change when stored in it.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    whole = number and value == value and float(str(value)).is_integer()
    if dtype == pl.String and isinstance(value, str):
        return value
    if dtype == pl.Boolean and isinstance(value, bool):
        return value
    if dtype == pl.Date and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if isinstance(dtype, pl.Datetime) and isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC)
    if dtype.is_float() and isinstance(value, int | float) and number and value == value:
        return float(value)
    if dtype.is_integer() and isinstance(value, int | float) and whole:
        try:
            pl.Series([int(value)], dtype=dtype, strict=True)
        except (OverflowError, TypeError, pl.exceptions.PolarsError):
            raise ValueError(f"{value!r} does not fit the column's type") from None
        return int(value)
    if isinstance(dtype, pl.Decimal) and number and abs(float(str(value))) != float("inf") and value == value:
        exact = Decimal(str(value))
        if exact != round(exact, dtype.scale) or abs(exact) >= Decimal(10) ** (dtype.precision - dtype.scale):
            raise ValueError(f"{value!r} does not fit the column's type")
        return exact
    raise ValueError(f"{value!r} is not a value of the column's type")


@dataclass(frozen=True)
class Rule(ABC):
    """One rule of a contract. `name` is unique within the contract and says all of the rule."""

    @property
    @abstractmethod
    def name(self) -> str:
        """How the rule is reported, e.g. `distance_miles: range(0, 5000)`."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns that the rule reads."""


@dataclass(frozen=True)
class RowRule(Rule):
    """A rule that every row passes or breaks."""

    @abstractmethod
    def passes(self, rows: pl.DataFrame) -> pl.Series:
        """A boolean per row, in the rows' order and never null: whether the row keeps the rule."""


@dataclass(frozen=True)
class ColumnRule(RowRule):
    """A rule on the values of one column."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def passes(self, rows: pl.DataFrame) -> pl.Series:
        return rows.select(self.test(rows.schema[self.column]).fill_null(True)).to_series()

    @abstractmethod
    def test(self, dtype: pl.DataType) -> pl.Expr:
        """The test as an expression over the column, whose type is `dtype`; null passes."""


@dataclass(frozen=True)
class NotNull(ColumnRule):
    """The value is there, and is not NaN."""

    @property
    def name(self) -> str:
        return f"{self.column}: not_null"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        value = pl.col(self.column)
        return value.is_not_null() & value.is_not_nan() if dtype.is_float() else value.is_not_null()


@dataclass(frozen=True)
class AcceptedValues(ColumnRule):
    """The value is one of a set."""

    values: tuple[Scalar, ...]

    @property
    def name(self) -> str:
        some = ", ".join(map(shown, self.values[:8]))
        more = f", ... {len(self.values)} values" if len(self.values) > 8 else ""
        return f"{self.column}: accepted_values({some}{more})"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        return pl.col(self.column).is_in(pl.Series(self.values, dtype=dtype).implode())


@dataclass(frozen=True)
class Range(ColumnRule):
    """The value lies between two bounds, both included; either may be absent. NaN lies nowhere."""

    minimum: Scalar | None
    maximum: Scalar | None

    @property
    def name(self) -> str:
        return f"{self.column}: range({_bounds(self.minimum, self.maximum)})"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        value = pl.col(self.column)
        inside = value.is_not_nan() if dtype.is_float() else pl.lit(True)
        if self.minimum is not None:
            inside &= value >= pl.lit(self.minimum).cast(dtype)
        if self.maximum is not None:
            inside &= value <= pl.lit(self.maximum).cast(dtype)
        return inside


@dataclass(frozen=True)
class Matches(ColumnRule):
    """The text contains a match of a regular expression (Rust `regex` syntax); anchor it to match all."""

    regex: str

    @property
    def name(self) -> str:
        return f"{self.column}: matches({shown(self.regex)})"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        return pl.col(self.column).str.contains(self.regex)


@dataclass(frozen=True)
class StringLength(ColumnRule):
    """The text has a number of characters (Unicode code points, as DuckDB's `length`) between two bounds."""

    minimum: int | None
    maximum: int | None

    @property
    def name(self) -> str:
        return f"{self.column}: string_length({_bounds(self.minimum, self.maximum)})"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        length = pl.col(self.column).str.len_chars()
        return length.is_between(self.minimum or 0, 2**32 - 1 if self.maximum is None else self.maximum)


@dataclass(frozen=True)
class Unique(RowRule):
    """No two rows of the partition hold the same values. All rows of a duplicated key break the rule.

    A test on one column leaves out NULLs, as SQL's UNIQUE does; a combination of columns counts NULL as a
    value, as dbt's does: two rows alike in all they know are not told apart by what they do not.
    """

    keys: tuple[str, ...]
    combination: bool

    @property
    def name(self) -> str:
        return f"unique({', '.join(self.keys)})" if self.combination else f"{self.keys[0]}: unique"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.keys

    def passes(self, rows: pl.DataFrame) -> pl.Series:
        # Equal rows have equal hashes: only rows that share a hash need the comparison of their values.
        keys = rows.select(self.keys)
        suspects = keys.hash_rows(seed=0).is_duplicated()
        if not self.combination:
            suspects &= keys.to_series().is_not_null()
        duplicated = keys.filter(suspects).is_duplicated()
        return ~suspects.scatter(suspects.arg_true(), duplicated) if len(duplicated) else ~suspects


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
        with _sandbox() as connection:
            connection.register("rows_under_test", rows.select(self.reads).to_arrow())
            # The newline ends a trailing comment of the expression. `try` is NULL only where it fails.
            answer = connection.sql(
                f"select try(coalesce(({self.expression}\n), true)) as passes from rows_under_test"
            )
            return pl.Series(answer.to_arrow_table().column("passes"), dtype=pl.Boolean).fill_null(False)

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
            tokens = sqlglot.tokenize(expression, dialect="duckdb")
        except sqlglot.errors.SqlglotError as error:
            raise ValueError(f"is not SQL: {str(error).splitlines()[0]}") from None
        if tree.find(exp.Query, exp.Window, exp.Unnest, exp.Explode, exp.Block, exp.Command):
            raise ValueError("may hold no query, window function, unnest or second statement")
        spelled = {column.lower(): column for column in types}
        named = {column.name.lower() for column in tree.find_all(exp.Column)}
        if unknown := sorted(named - spelled.keys()):
            raise ValueError(f"reads {', '.join(unknown)}, which the model does not declare")
        if not named:
            raise ValueError("reads no column")
        with _sandbox() as connection:
            volatile = {name for (name,) in connection.execute(_VOLATILE).fetchall()}
        words = {token.text.lower() for token in tokens if token.token_type != sqlglot.TokenType.STRING}
        if moody := sorted((words & (volatile | _CLOCK)) - named):
            raise ValueError(f"depends on more than the row: {', '.join(moody)}")
        rule = cls(expression, tuple(c for c in types if c.lower() in named), label)
        with _sandbox() as connection:
            connection.register("rows_under_test", pl.DataFrame(schema=types).select(rule.reads).to_arrow())
            try:
                answer = connection.sql(f"select ({expression}\n) as passes from rows_under_test")
                kind, rows = str(answer.types[0]), len(answer.fetchall())
            except duckdb.Error as error:
                raise ValueError(f"is refused by DuckDB: {str(error).splitlines()[0]}") from None
        if rows:
            raise ValueError("aggregates rows; it must read one row at a time")
        if kind != "BOOLEAN":
            raise ValueError(f"is of type {kind}, not BOOLEAN")
        return rule


@dataclass(frozen=True)
class RowCount(Rule):
    """The number of rows of one partition, valid and rejected alike, lies between two bounds."""

    minimum: int | None
    maximum: int | None

    @property
    def name(self) -> str:
        return f"row_count({_bounds(self.minimum, self.maximum)})"

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def holds(self, rows: int) -> bool:
        """Whether a partition of so many rows keeps the rule."""
        return (self.minimum or 0) <= rows and (self.maximum is None or rows <= self.maximum)


_VOLATILE = "select distinct lower(function_name) from duckdb_functions() where stability <> 'CONSISTENT'"
# Words that read the clock and are not listed as volatile functions.
_CLOCK = {"age", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}


def _bounds(minimum: object, maximum: object) -> str:
    return f"{'' if minimum is None else shown(minimum)}, {'' if maximum is None else shown(maximum)}".strip()


def _sandbox() -> duckdb.DuckDBPyConnection:
    """A DuckDB connection that reads no file and no variable of this process, in UTC wherever it runs."""
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "enable_external_access": False,
        "python_enable_replacements": False,
        "threads": 1,
    }
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set lock_configuration = true")
    return connection
