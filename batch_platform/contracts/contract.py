"""Data contracts as values: what a feature table's rows must be, and the verdict on a partition's rows.

What belongs here: the contract, its columns, its Arrow and pandera schemas. What does not: what a single rule means
(`rules.py`, `expressions.py`), reading contracts from files (`schema_yml.py`), and applying them (`validation.py`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

from batch_platform.contracts.column_types import storage
from batch_platform.contracts.rules import RowRule, Rule
from batch_platform.errors import ConfigurationError

if TYPE_CHECKING:
    import pandera.polars
    from pandera.api.polars.types import PolarsData

RULES = "_rules"
"""The column of `Verdict.rejected` that names the broken rules, sorted and joined by `;`."""


class Role(StrEnum):
    """What a column is for: to identify a row, to feed the model, or to be handed on unread."""

    KEY = "key"
    FEATURE = "feature"
    CARRIED = "carried"


@dataclass(frozen=True)
class Column:
    """One column: `data_type` is the canonical DuckDB name; `nullable` is false under a `not_null` rule."""

    name: str
    data_type: str
    description: str
    nullable: bool
    role: Role | None
    unit: str | None
    personal: bool
    rules: tuple[RowRule, ...]

    @property
    def polars_type(self) -> pl.DataType:
        """The type in memory."""
        return storage(self.data_type)[0]

    @property
    def arrow_type(self) -> pa.DataType:
        """The type in the lake."""
        return storage(self.data_type)[1]


@dataclass(frozen=True)
class Contract:
    """The contract of one feature table; `rules` are those on several columns or on the whole partition.

    `digest` is the sha256 of what is enforced: names, types, order, roles, units, rules. Prose, formatting
    and the order of the rules leave it as it is.
    """

    model: str
    description: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    path: Path
    digest: str

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            ConfigurationError: the contract declares none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise ConfigurationError(f"{self.model} declares no column {name}", where=str(self.path))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that feed the model, in order."""
        return tuple(c.name for c in self.columns if c.role is Role.FEATURE)

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the columns that identify a row, in order."""
        return tuple(c.name for c in self.columns if c.role is Role.KEY)

    @property
    def row_rules(self) -> tuple[RowRule, ...]:
        """Every rule that single rows break: those of the columns, then those on several columns."""
        own = [rule for column in self.columns for rule in column.rules]
        return (*own, *(rule for rule in self.rules if isinstance(rule, RowRule)))

    def arrow_schema(self) -> pa.Schema:
        """The schema that the lake stores, in the contract's order; times are `timestamp[us, UTC]`."""
        return pa.schema([pa.field(c.name, c.arrow_type, nullable=c.nullable) for c in self.columns])

    def pandera_schema(self, rules: tuple[RowRule, ...] | None = None) -> pandera.polars.DataFrameSchema:
        """The contract as a strict pandera schema: types, and one named check for each row rule, or for `rules` alone.

        `row_count` is left to `validate`: pandera cannot fail a frame that has no rows. One contract's schema is
        compiled once for the same rules; do not change it.
        """
        return _pandera_schema(self, self.row_rules if rules is None else rules)


@dataclass(frozen=True, eq=False)
class Verdict:
    """The rows that keep the contract and those that break it: together the input's rows, in its order.

    Both hold the contract's columns in its order and types, `_source_file` and `_source_row`; `rejected` also
    `_rules`. `broken` counts rows for each broken rule, by name; a row may count under several.
    """

    valid: pl.DataFrame
    rejected: pl.DataFrame
    broken: dict[str, int]


@functools.lru_cache(maxsize=256)
def _pandera_schema(contract: Contract, rules: tuple[RowRule, ...]) -> pandera.polars.DataFrameSchema:
    import pandera.polars as pandera

    columns = {c.name: pandera.Column(c.polars_type, nullable=True) for c in contract.columns}
    # One failure case each: the rows are read from the check's output, not from pandera's table of cases.
    checks = [pandera.Check(_check(rule), name=rule.name, n_failure_cases=1) for rule in rules]
    return pandera.DataFrameSchema(columns, checks=checks, strict=True, name=contract.model)


def _check(rule: RowRule) -> Callable[[PolarsData], pl.LazyFrame]:
    def passes(data: PolarsData) -> pl.LazyFrame:
        return pl.LazyFrame({"passes": rule.passes(data.lazyframe.select(rule.columns).collect())})

    return passes
