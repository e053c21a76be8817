"""Rules that judge a row by itself, each a vectorized test on a frame; and what all rules have in common.

What belongs here: the base classes, and one class per kind of rule on one column. What does not: rules that compare a
row with others (`set_rules.py`), rules on the partition (`table_rules.py`, `distribution.py`, `table_query.py`), the
rule that is a DuckDB expression (`expressions.py`), how rules are written (`data_tests.py`), and what happens to the
rows that break them (`validation.py`).

A NULL passes every rule but `not_null` (SQL's CHECK semantics) and `unique_combination_of_columns`. NaN is
not a NULL: it breaks `not_null`, `range` and `accepted_values` alike.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from enum import StrEnum

import polars as pl

from batch_platform.contracts.column_types import Scalar
from batch_platform.contracts.conditions import Condition


class Severity(StrEnum):
    """What a broken rule does: reject its rows or stop the partition; or be counted and told, and nothing else."""

    ERROR = "error"
    WARN = "warn"


def shown(value: object) -> str:
    """`value` as part of a rule's name: on one line, and without the `;` that separates names."""
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    return re.sub(r"\s+", " ", str(value)).replace(";", "\\x3b")


def bounds(minimum: object, maximum: object) -> str:
    """Two bounds, either of them absent, as part of a rule's name."""
    return f"{'' if minimum is None else shown(minimum)}, {'' if maximum is None else shown(maximum)}".strip()


@dataclass(frozen=True)
class Rule(ABC):
    """One rule of a contract.

    Attributes:
        label: the name that its file gives the rule, in place of the one that says what it is.
        severity: what a broken rule does.
        where: the rows that it is about; None for all.
    """

    label: str | None = field(default=None, kw_only=True)
    severity: Severity = field(default=Severity.ERROR, kw_only=True)
    where: Condition | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        """How the rule is reported, e.g. `distance_miles: range(0, 5000)`; unique within the contract."""
        if self.label:
            return shown(self.label)
        return f"{self.title} where {shown(self.where.text)}" if self.where else self.title

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the rule reads, those of its `where` included."""
        return tuple(dict.fromkeys((*self.own_columns, *(self.where.reads if self.where else ()))))

    @property
    @abstractmethod
    def title(self) -> str:
        """All that the rule says, `where` aside."""

    @property
    @abstractmethod
    def own_columns(self) -> tuple[str, ...]:
        """The columns that the rule reads, `where` aside."""

    def spelled(self) -> list[object]:
        """The rule as plain values: its class, its arguments, and the options that differ from their defaults."""
        own = [getattr(self, f.name) for f in fields(self) if not f.kw_only]
        return [type(self).__name__, *own, *self._options()]

    def _options(self, *leave_out: str) -> list[object]:
        options: dict[str, object] = {}
        for option in fields(self):
            value = getattr(self, option.name)
            if option.kw_only and option.name not in leave_out and value != option.default:
                options[option.name] = value.text if isinstance(value, Condition) else value
        return [options] if options else []


@dataclass(frozen=True)
class RowRule(Rule):
    """A rule that every row passes or breaks."""

    def passes(self, rows: pl.DataFrame) -> pl.Series:
        """A boolean per row, in the rows' order and never null: whether the row keeps the rule."""
        if self.where is None:
            return self.passes_everywhere(rows)
        applies = self.where.applies(rows)
        judged = self.passes_everywhere(rows.filter(applies))
        return pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True).scatter(applies.arg_true(), judged)

    @abstractmethod
    def passes_everywhere(self, rows: pl.DataFrame) -> pl.Series:
        """As `passes`, for rows to which the rule applies, all of them."""


@dataclass(frozen=True)
class ColumnRule(RowRule):
    """A rule on the values of one column."""

    column: str

    @property
    def own_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def passes_everywhere(self, rows: pl.DataFrame) -> pl.Series:
        return rows.select(self.test(rows.schema[self.column]).fill_null(True)).to_series()

    @abstractmethod
    def test(self, dtype: pl.DataType) -> pl.Expr:
        """The test as an expression over the column, whose type is `dtype`; null passes."""


@dataclass(frozen=True)
class NotNull(ColumnRule):
    """The value is there, and is not NaN."""

    @property
    def title(self) -> str:
        return f"{self.column}: not_null"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        return is_there(self.column, dtype)


def is_there(column: str, dtype: pl.DataType) -> pl.Expr:
    """Whether a value is neither NULL nor NaN."""
    value = pl.col(column)
    return value.is_not_null() & value.is_not_nan() if dtype.is_float() else value.is_not_null()


@dataclass(frozen=True)
class AcceptedValues(ColumnRule):
    """The value is one of a set."""

    values: tuple[Scalar, ...]

    @property
    def title(self) -> str:
        some = ", ".join(map(shown, self.values[:8]))
        more = f", ... {len(self.values)} values" if len(self.values) > 8 else ""
        return f"{self.column}: accepted_values({some}{more})"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        return pl.col(self.column).is_in(pl.Series(self.values, dtype=dtype).implode())


@dataclass(frozen=True)
class Range(ColumnRule):
    """The value lies between two bounds, both included or both not; either may be absent. NaN lies nowhere."""

    minimum: Scalar | None
    maximum: Scalar | None
    inclusive: bool = field(default=True, kw_only=True)

    @property
    def title(self) -> str:
        if self.inclusive:
            return f"{self.column}: range({bounds(self.minimum, self.maximum)})"
        outside = (("> ", self.minimum), ("< ", self.maximum))
        return f"{self.column}: range({', '.join(sign + shown(bound) for sign, bound in outside if bound is not None)})"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        value = pl.col(self.column)
        inside = value.is_not_nan() if dtype.is_float() else pl.lit(True)
        if self.minimum is not None:
            low = pl.lit(self.minimum).cast(dtype)
            inside &= value >= low if self.inclusive else value > low
        if self.maximum is not None:
            high = pl.lit(self.maximum).cast(dtype)
            inside &= value <= high if self.inclusive else value < high
        return inside


@dataclass(frozen=True)
class Matches(ColumnRule):
    """The text contains a match of a regular expression (Rust `regex` syntax); anchor it to match all."""

    regex: str

    @property
    def title(self) -> str:
        return f"{self.column}: matches({shown(self.regex)})"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        return pl.col(self.column).str.contains(self.regex)


@dataclass(frozen=True)
class StringLength(ColumnRule):
    """The text has a number of characters (Unicode code points, as DuckDB's `length`) between two bounds."""

    minimum: int | None
    maximum: int | None

    @property
    def title(self) -> str:
        return f"{self.column}: string_length({bounds(self.minimum, self.maximum)})"

    def test(self, dtype: pl.DataType) -> pl.Expr:
        length = pl.col(self.column).str.len_chars()
        return length.is_between(self.minimum or 0, 2**32 - 1 if self.maximum is None else self.maximum)
