"""Guards on how the values of a column are spread over a partition.

What belongs here: one class per guard. What does not: how they are applied (`table_rules.py`).

NULL is left out, except where shares of rows are asked for. Where there is nothing to judge, a guard is kept;
`row_count` says how many rows there must be. All answers are exact: the same rows in other batches get the same.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

import polars as pl

from batch_platform.contracts.column_types import Scalar
from batch_platform.contracts.exact_sum import mantissas, value_of
from batch_platform.contracts.rules import bounds, is_there, shown
from batch_platform.contracts.table_rules import TableRule


@dataclass(frozen=True)
class Guard(TableRule):
    """A table rule on the values of one column."""

    column: str

    @property
    def own_columns(self) -> tuple[str, ...]:
        return (self.column,)


@dataclass(frozen=True)
class MeanBetween(Guard):
    """The mean lies between two bounds, compared as doubles; one that a NaN or an infinity spoils lies nowhere."""

    minimum: float | None
    maximum: float | None

    @property
    def title(self) -> str:
        return f"{self.column}: mean_between({bounds(self.minimum, self.maximum)})"

    def start(self) -> tuple[int, int, Fraction, Counter[int]]:
        return 0, 0, Fraction(), Counter()

    def update(
        self, state: tuple[int, int, Fraction, Counter[int]], rows: pl.DataFrame
    ) -> tuple[int, int, Fraction, Counter[int]]:
        count, infinite, whole, parts = state
        values = rows[self.column].drop_nulls()
        count += len(values)
        if values.dtype.is_float():
            finite = values.filter(values.is_finite())
            infinite += len(values) - len(finite)
            parts = parts.copy()
            for exponent, found in mantissas(finite.cast(pl.Float64).to_numpy()).items():
                parts[exponent] += found
        elif values.dtype.is_decimal():
            whole += _sum_of_decimals(values)
        else:
            whole += int(values.cast(pl.Int128).sum())
        return count, infinite, whole, parts

    def verdict(
        self, state: tuple[int, int, Fraction, Counter[int]], window_end: dt.datetime | None = None
    ) -> str | None:
        count, infinite, whole, parts = state
        if infinite:
            return f"holds {infinite} values of {self.column} that are NaN or infinite and so has no mean"
        if not count:
            return None
        mean = float((whole + value_of(parts)) / count)
        return None if _between(mean, self.minimum, self.maximum) else f"has {mean:g} as mean of {self.column}"


@dataclass(frozen=True)
class QuantileBetween(Guard):
    """A quantile lies between two bounds: the smallest value that at least this share of the values do not exceed.

    This is SQL's `percentile_disc`, the inverse of the distribution function (Hyndman and Fan's definition 1): always a
    value of the column. NaN is greater than any number. The column's distinct values are kept in memory.
    """

    quantile: float
    minimum: Scalar | None
    maximum: Scalar | None

    @property
    def title(self) -> str:
        return f"{self.column}: quantile_between({shown(self.quantile)}, {bounds(self.minimum, self.maximum)})"

    def start(self) -> pl.DataFrame | None:
        return None

    def update(self, state: pl.DataFrame | None, rows: pl.DataFrame) -> pl.DataFrame | None:
        values = rows.select(value=self.column).drop_nulls().group_by("value").len("count")
        values = values.cast({"count": pl.Int64})
        if state is None:
            return values
        return pl.concat([state, values]).group_by("value").agg(pl.col("count").sum())

    def verdict(self, state: pl.DataFrame | None, window_end: dt.datetime | None = None) -> str | None:
        if state is None or not state.height:
            return None
        counts = state.sort("value")
        total = int(counts["count"].sum())
        rank = _rank(self.quantile, total)
        value = counts.filter(pl.col("count").cum_sum() >= rank)["value"][0]
        low, high = (_stored(bound, state.schema["value"]) for bound in (self.minimum, self.maximum))
        inside = value == value and _between(value, low, high)
        return None if inside else f"has {shown(value)} as quantile {shown(self.quantile)} of {self.column}"


@dataclass(frozen=True)
class NullShareBelow(Guard):
    """At most this share of the rows lacks a value: is NULL or NaN, as `not_null` means it."""

    maximum: float

    @property
    def title(self) -> str:
        return f"{self.column}: null_share_below({shown(self.maximum)})"

    def start(self) -> tuple[int, int]:
        return 0, 0

    def update(self, state: tuple[int, int], rows: pl.DataFrame) -> tuple[int, int]:
        there = rows.select(is_there(self.column, rows.schema[self.column])).to_series()
        return state[0] + int((~there).sum()), state[1] + rows.height

    def verdict(self, state: tuple[int, int], window_end: dt.datetime | None = None) -> str | None:
        missing, rows = state
        if not rows or Fraction(missing, rows) <= Fraction(str(self.maximum)):
            return None
        return f"lacks {self.column} in {missing} of {rows} rows"


@dataclass(frozen=True)
class DistinctCount(Guard):
    """The number of different values lies between two bounds; they are kept in memory."""

    minimum: int | None
    maximum: int | None

    @property
    def title(self) -> str:
        return f"{self.column}: distinct_count({bounds(self.minimum, self.maximum)})"

    def start(self) -> pl.Series | None:
        return None

    def update(self, state: pl.Series | None, rows: pl.DataFrame) -> pl.Series | None:
        values = rows[self.column].drop_nulls().unique()
        return values if state is None else pl.concat([state, values]).unique()

    def verdict(self, state: pl.Series | None, window_end: dt.datetime | None = None) -> str | None:
        count = 0 if state is None else len(state)
        return None if _between(count, self.minimum, self.maximum) else f"has {count} different values of {self.column}"


@dataclass(frozen=True)
class ShareOfValue(Guard):
    """The share of the rows that hold one value lies between two bounds; NULL holds another."""

    value: Scalar
    minimum: float | None
    maximum: float | None

    @property
    def title(self) -> str:
        return f"{self.column}: share_of_value({shown(self.value)}, {bounds(self.minimum, self.maximum)})"

    def start(self) -> tuple[int, int]:
        return 0, 0

    def update(self, state: tuple[int, int], rows: pl.DataFrame) -> tuple[int, int]:
        dtype = rows.schema[self.column]
        equal = rows.select(pl.col(self.column) == pl.lit(self.value).cast(dtype)).to_series()
        return state[0] + int(equal.sum() or 0), state[1] + rows.height

    def verdict(self, state: tuple[int, int], window_end: dt.datetime | None = None) -> str | None:
        found, rows = state
        low, high = (None if bound is None else Fraction(str(bound)) for bound in (self.minimum, self.maximum))
        if not rows or _between(Fraction(found, rows), low, high):
            return None
        return f"holds {shown(self.value)} as {self.column} in {found} of {rows} rows"


def _sum_of_decimals(values: pl.Series) -> Fraction:
    """The exact sum, in two halves of 19 digits: together, numbers of 38 digits would overflow."""
    scaled, half = values.to_physical().cast(pl.Int128), pl.Series([10**19], dtype=pl.Int128)
    high = scaled // half
    low = scaled - high * half
    scale = values.dtype.scale if isinstance(values.dtype, pl.Decimal) else 0
    return Fraction(int(high.sum()) * 10**19 + int(low.sum()), 10**scale)


def _between(value: object, minimum: object, maximum: object) -> bool:
    above = minimum is None or minimum <= value  # type: ignore[operator]
    return above and (maximum is None or value <= maximum)  # type: ignore[operator]


def _rank(quantile: float, total: int) -> int:
    """The rank of a quantile among so many values, counted from 1."""
    return max(1, math.ceil(Fraction(str(quantile)) * total))


def _stored(bound: Scalar | None, dtype: pl.DataType) -> object:
    """A bound as the column's type stores it, so that 0.1 means a FLOAT's 0.1."""
    return None if bound is None else pl.Series([bound], strict=False).cast(dtype)[0]
