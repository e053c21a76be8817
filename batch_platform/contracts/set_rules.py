"""Rules that judge a row by other rows: those of its partition, or those of another table.

What belongs here: `Unique` and `Relationship`, each with its form in SQL. What does not: rules that judge a row by
itself (`rules.py`), and whole partitions (`table_rules.py`).

A partition may be judged in several batches, none of which holds all its rows. So these rules have a form in SQL, to
be computed over the query of the whole partition; `validate` then takes the answers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from batch_platform.contracts.rules import RowRule
from batch_platform.lake.store import quote_identifier, relation


@dataclass(frozen=True)
class SetRule(RowRule):
    """A rule that a row passes or breaks together with other rows."""

    def sql(self, alias: str = "model", relation_of: Callable[[str], str] = relation) -> str:
        """A DuckDB boolean expression, never NULL: whether a row keeps the rule.

        It stands in the SELECT list of a query that reads from one relation alone, the partition's rows; a window
        function may be in it, so it cannot stand in WHERE.

        Args:
            alias: what that relation is called.
            relation_of: the SQL relation of a table of the lake.
        """
        everywhere = self.sql_everywhere(alias, relation_of)
        return f"(NOT {self.where.sql} OR {everywhere})" if self.where else everywhere

    @abstractmethod
    def sql_everywhere(self, alias: str, relation_of: Callable[[str], str]) -> str:
        """As `sql`, for rows to which the rule applies; others must not count."""


@dataclass(frozen=True)
class Unique(SetRule):
    """No two rows of the partition hold the same values. All rows of a duplicated key break the rule.

    A test on one column leaves out NULLs, as SQL's UNIQUE does; a combination of columns counts NULL as a
    value, as dbt's does: two rows alike in all they know are not told apart by what they do not. Two NaN are equal,
    and so are 0 and -0.
    """

    keys: tuple[str, ...]
    combination: bool

    @property
    def title(self) -> str:
        return f"unique({', '.join(self.keys)})" if self.combination else f"{self.keys[0]}: unique"

    @property
    def own_columns(self) -> tuple[str, ...]:
        return self.keys

    def passes_everywhere(self, rows: pl.DataFrame) -> pl.Series:
        # Equal rows have equal hashes: only rows that share a hash need the comparison of their values.
        keys = rows.select(self.keys)
        suspects = keys.hash_rows(seed=0).is_duplicated()
        if not self.combination:
            suspects &= keys.to_series().is_not_null()
        duplicated = keys.filter(suspects).is_duplicated()
        return ~suspects.scatter(suspects.arg_true(), duplicated) if len(duplicated) else ~suspects

    def sql_everywhere(self, alias: str, relation_of: Callable[[str], str]) -> str:
        keys = [f"{alias}.{quote_identifier(key)}" for key in self.keys]
        counted = f" FILTER (WHERE {self.where.sql})" if self.where else ""
        alone = f"count(*){counted} OVER (PARTITION BY {', '.join(keys)}) = 1"
        return f"({alone})" if self.combination else f"({keys[0]} IS NULL OR {alone})"


@dataclass(frozen=True)
class Relationship(SetRule):
    """The value stands in a column of another table (`other`, as the lake names it); dbt's `relationships`.

    NULL passes, and a NULL over there is the value of none.
    """

    column: str
    other: str
    field: str

    @property
    def title(self) -> str:
        return f"{self.column}: relationships({self.other}, {self.field})"

    @property
    def own_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def passes_everywhere(self, rows: pl.DataFrame) -> pl.Series:
        """Cannot be said without the other table.

        Raises:
            RuntimeError: always; `sql` says which rows keep the rule.
        """
        raise RuntimeError(f"{self.name} reads {self.other}: compute it in SQL and give `validate` the answers")

    def sql_everywhere(self, alias: str, relation_of: Callable[[str], str]) -> str:
        value, there = f"{alias}.{quote_identifier(self.column)}", quote_identifier(self.field)
        known = f"SELECT {there} FROM {relation_of(self.other)} WHERE {there} IS NOT NULL"
        # IN is NULL for an empty value alone, which the first part answers.
        return f"({value} IS NULL OR {value} IN ({known}))"
