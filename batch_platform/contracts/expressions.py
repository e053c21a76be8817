"""The rule `expression_is_true`: a DuckDB expression over a row's own columns.

What belongs here: the rule, and evaluating many of them at once. What does not: which expressions are allowed and
where they are computed (`conditions.py`), and every other rule (`rules.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from batch_platform.contracts.conditions import Condition, columns_read, rows_under_test
from batch_platform.contracts.rules import RowRule, Severity, shown


@dataclass(frozen=True)
class ExpressionIsTrue(RowRule):
    """A DuckDB boolean expression over the row's own columns is true or NULL.

    A row on which it cannot be computed (a cast that fails, an overflow) breaks the rule.
    """

    expression: str
    reads: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"expression_is_true({shown(self.expression)})"

    @property
    def own_columns(self) -> tuple[str, ...]:
        return self.reads

    def passes_everywhere(self, rows: pl.DataFrame) -> pl.Series:
        with rows_under_test(rows.select(self.reads)) as connection:
            answer = connection.sql(f"select {self.judgement} as passes from rows_under_test").to_arrow_table()
            return pl.Series(answer.column("passes"), dtype=pl.Boolean)

    def spelled(self) -> list[object]:
        # The label is part of what a rule of this kind is, also where it has none.
        return [type(self).__name__, self.expression, self.reads, self.label, *self._options("label")]

    @property
    def judgement(self) -> str:
        """A DuckDB expression, never NULL: whether the row keeps the rule, `where` aside."""
        # The newline ends a trailing comment of the expression. `try` is NULL only where it fails.
        return f"coalesce(try(coalesce(({self.expression}\n), true)), false)"

    @classmethod
    def over(
        cls,
        expression: str,
        types: Mapping[str, pl.DataType],
        label: str | None,
        *,
        severity: Severity = Severity.ERROR,
        where: Condition | None = None,
    ) -> ExpressionIsTrue:
        """The rule for an expression, checked against the types of the contract's columns.

        Raises:
            ValueError: as `conditions.columns_read`.
        """
        return cls(expression, columns_read(expression, types), label=label, severity=severity, where=where)


def kept_by_all(rules: Sequence[ExpressionIsTrue], rows: pl.DataFrame) -> list[bool]:
    """For each rule whether every row passes it, from one query; all false where the query fails."""
    import duckdb

    if not rules:
        return []
    judged = (f"(not {r.where.sql} or {r.judgement})" if r.where else r.judgement for r in rules)
    answers = ", ".join(f"coalesce(bool_and({judgement}), true)" for judgement in judged)
    reads = list(dict.fromkeys(name for rule in rules for name in rule.columns))
    try:
        with rows_under_test(rows.select(reads)) as connection:
            (kept,) = connection.execute(f"select {answers} from rows_under_test").fetchall()
            return list(kept)
    except duckdb.Error:
        return [False] * len(rules)
