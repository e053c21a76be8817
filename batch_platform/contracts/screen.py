"""A quick first look at a partition: which rules may be broken at all.

What belongs here: evaluating many rules at once, to one answer each. What does not: which rows break a rule
(`validation.py`). Most partitions break none, and are told apart here at the price of a few queries in all instead of
one for each rule.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.expressions import ExpressionIsTrue, kept_by_all
from batch_platform.contracts.rules import ColumnRule, RowRule


def suspects(
    rows: pl.DataFrame, contract: Contract, computed: Mapping[str, pl.Series] | None = None
) -> tuple[RowRule, ...]:
    """The contract's row rules that some row breaks, or that cannot be evaluated here; every row keeps the others.

    Args:
        rows: rows in the contract's types.
        computed: for rules by name, which rows keep them, where that is known already.
    """
    known = computed or {}
    plan = _plan(contract)
    kept: dict[str, bool] = {}
    try:
        if plan.tests:
            kept |= rows.select(plan.tests).row(0, named=True)
        if plan.expressions:
            answers = kept_by_all(plan.expressions, rows)
            kept |= {rule.name: answer for rule, answer in zip(plan.expressions, answers, strict=True)}
        for rule in plan.others:
            passes = known[rule.name] if rule.name in known else rule.passes(rows)
            kept[rule.name] = bool(passes.all())
    except pl.exceptions.PolarsError:
        return contract.row_rules
    return tuple(rule for name, rule in plan.rules.items() if not kept[name])


@dataclass(frozen=True)
class _Plan:
    """A contract's row rules by name, and how each is evaluated; `tests` are those on one column, named as the rule."""

    rules: Mapping[str, RowRule]
    tests: Sequence[pl.Expr]
    expressions: Sequence[ExpressionIsTrue]
    others: Sequence[RowRule]


@functools.lru_cache(maxsize=256)
def _plan(contract: Contract) -> _Plan:
    tests: list[pl.Expr] = []
    expressions: list[ExpressionIsTrue] = []
    others: list[RowRule] = []
    for rule in contract.row_rules:
        if isinstance(rule, ColumnRule) and rule.where is None:
            # `all` leaves out nulls, which pass every test.
            tests.append(rule.test(contract.column(rule.column).polars_type).all().alias(rule.name))
        elif isinstance(rule, ExpressionIsTrue):
            expressions.append(rule)
        else:
            others.append(rule)
    return _Plan({rule.name: rule for rule in contract.row_rules}, tests, expressions, others)
