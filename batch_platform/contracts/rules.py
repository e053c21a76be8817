"""The rules a data contract can hold, each a vectorized test on a frame.

What belongs here: one class per kind of rule, with the name it is reported under and the rows it lets pass.
What does not: the rule that is a DuckDB expression (`expressions.py`), how rules are written in `schema.yml`
(`data_tests.py`), and what happens to the rows that break them (`validation.py`).

A NULL passes every rule but `not_null` (SQL's CHECK semantics) and `unique_combination_of_columns`. NaN is
not a NULL: it breaks `not_null`, `range` and `accepted_values` alike.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

import polars as pl

from batch_platform.contracts.column_types import Scalar


def shown(value: object) -> str:
    """`value` as part of a rule's name: on one line, and without the `;` that separates names."""
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    return re.sub(r"\s+", " ", str(value)).replace(";", "\\x3b")


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


def _bounds(minimum: object, maximum: object) -> str:
    return f"{'' if minimum is None else shown(minimum)}, {'' if maximum is None else shown(maximum)}".strip()
