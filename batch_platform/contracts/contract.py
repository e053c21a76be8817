"""Data contracts as values: what a feature table's rows must be, and the verdict on a partition's rows.

What belongs here: the contract, its columns, its Arrow and pandera schemas. What does not: what a single rule means
(`rules.py` and its like), reading contracts from files (`schema_yml.py`), and applying them (`validation.py`).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

from batch_platform.contracts.column_types import storage
from batch_platform.contracts.rules import NotNull, RowRule, Rule, Severity
from batch_platform.contracts.set_rules import Relationship, SetRule
from batch_platform.contracts.table_query import TableQuery
from batch_platform.contracts.table_rules import TableRule
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
    """One column: `data_type` is the canonical DuckDB name.

    `nullable` is false under a `not_null` rule that rejects every row without a value.
    """

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

    `digest` is the sha256 of what is enforced: names, types, order, roles, units, rules. Prose, formatting, tags,
    owners and the order of the rules leave it as it is.
    """

    model: str
    description: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    path: Path
    digest: str
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    stage: str = "features"

    @property
    def table(self) -> str:
        """The table's name in the lake, such as `features/flight_features`."""
        return f"{self.stage}/{self.model}"

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

    @property
    def set_rules(self) -> tuple[SetRule, ...]:
        """Those of `row_rules` that judge a row by other rows, and so need the whole partition or another table."""
        return tuple(rule for rule in self.row_rules if isinstance(rule, SetRule))

    @property
    def table_rules(self) -> tuple[TableRule, ...]:
        """The rules that a partition keeps or breaks as a whole."""
        return tuple(rule for rule in self.rules if isinstance(rule, TableRule))

    @property
    def queries(self) -> tuple[TableQuery, ...]:
        """The rules that are queries, which must yield no row; `validate` knows nothing of them."""
        return tuple(rule for rule in self.rules if isinstance(rule, TableQuery))

    @property
    def warnings(self) -> tuple[Rule, ...]:
        """The rules that reject nothing and stop nothing, but are counted and told."""
        own = [rule for column in self.columns for rule in column.rules]
        return tuple(rule for rule in (*own, *self.rules) if rule.severity is Severity.WARN)

    @property
    def reads(self) -> tuple[str, ...]:
        """The other tables of the lake that its rules read, sorted."""
        related = {rule.other for rule in self.row_rules if isinstance(rule, Relationship)}
        return tuple(sorted(related.union(*(query.tables for query in self.queries)) - {self.table}))

    def arrow_schema(self) -> pa.Schema:
        """The schema that the lake stores, in the contract's order; times are `timestamp[us, UTC]`."""
        return pa.schema([pa.field(c.name, c.arrow_type, nullable=c.nullable) for c in self.columns])

    def pandera_schema(self, rules: tuple[RowRule, ...] | None = None) -> pandera.polars.DataFrameSchema:
        """The contract as a strict pandera schema: types, and one named check for each row rule, or for `rules` alone.

        Rules on the partition are left to `validate`: pandera cannot fail a frame that has no rows. So are
        relationships, which need another table. One contract's schema is compiled once for the same rules; do not
        change it.
        """
        if rules is None:
            rules = tuple(rule for rule in self.row_rules if not isinstance(rule, Relationship))
        return _pandera_schema(self, rules)


def is_nullable(rules: Iterable[Rule]) -> bool:
    """Whether rules on a column leave room for a row without a value."""
    return not any(isinstance(r, NotNull) and r.severity is Severity.ERROR and r.where is None for r in rules)


def digest_of(model: str, columns: Sequence[Column], rules: Sequence[Rule]) -> str:
    """The `digest` of a contract that holds these."""

    def spelled(found: Sequence[Rule]) -> list[str]:
        return sorted(json.dumps(rule.spelled(), default=str) for rule in found)

    content = {
        "model": model,
        "columns": [[c.name, c.data_type, c.role, c.unit, c.personal, spelled(c.rules)] for c in columns],
        "rules": spelled(rules),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class Verdict:
    """The rows that keep the contract and those that break it: together the input's rows, in its order.

    Both hold the contract's columns in its order and types, `_source_file` and `_source_row`; `rejected` also
    `_rules`. `broken` counts rows for each broken rule, by name; a row may count under several. So does `warned` for
    rules of severity `warn`, which reject nothing; `notes` is what such rules say of the whole partition.
    """

    valid: pl.DataFrame
    rejected: pl.DataFrame
    broken: dict[str, int]
    warned: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


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
