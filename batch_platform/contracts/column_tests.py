"""The tests that a column may have, and the rule that each declares.

What belongs here: one function per test. What does not: how a test is written down (`data_tests.py`), and what a rule
means (`rules.py`, `set_rules.py`, `distribution.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from batch_platform.contracts.arguments import Arguments
from batch_platform.contracts.column_types import storage
from batch_platform.contracts.distribution import (
    DistinctCount,
    MeanBetween,
    NullShareBelow,
    QuantileBetween,
    ShareOfValue,
)
from batch_platform.contracts.expressions import ExpressionIsTrue
from batch_platform.contracts.rules import AcceptedValues, Matches, NotNull, Range, Rule, StringLength
from batch_platform.contracts.set_rules import Relationship, Unique
from batch_platform.contracts.surroundings import Surroundings
from batch_platform.errors import BatchPlatformError

BOUNDS = ("min", "max")


def _not_null(given: Arguments, column: str, _: Surroundings) -> Rule:
    given.take(())
    return NotNull(column)


def _unique(given: Arguments, column: str, _: Surroundings) -> Rule:
    given.take(())
    return Unique((column,), combination=False)


def _accepted_values(given: Arguments, column: str, _: Surroundings) -> Rule:
    given.take(("values", "quote"), ("values",))
    if not given.flag("quote", True) and given.types[column] == "VARCHAR":
        given.refuse("quote: false would make SQL of text", "remove it", at="quote")
    return AcceptedValues(column, given.values("values", column))


def _relationships(given: Arguments, column: str, around: Surroundings) -> Rule:
    given.take(("to", "field"), ("to", "field"))
    return Relationship(column, referenced(given, "to", around), given.text("field"))


def referenced(given: Arguments, name: str, around: Surroundings) -> str:
    """The lake's table that an argument names as `ref('x')` or `source('group', 'x')`."""
    try:
        return around.table(given.text(name))
    except ValueError as error:
        given.refuse(f"{given.test}: {error}", "write ref('x') or source('group', 'x')", at=name)
    except KeyError:
        given.refuse(f"{given.test}: {given.text(name)} is no table of the project", at=name)
    except BatchPlatformError as error:
        given.refuse(f"{given.test}: {error.what}", error.fix, at=name)


def _range(given: Arguments, column: str, _: Surroundings) -> Rule:
    if storage(given.types[column])[0] in (pl.Boolean, pl.String):
        given.refuse(f"{given.test} is no test for {given.types[column]}")
    given.take((*BOUNDS, "inclusive", "strictly"), some_of=BOUNDS)
    low, high = given.value_bounds(column)
    inclusive = given.flag("inclusive", True) and not given.flag("strictly", False)
    if not inclusive and low is not None and low == high:
        given.refuse(f"{given.test}: nothing lies between {low} and {high}")
    return Range(column, low, high, inclusive=inclusive)


def _matches(given: Arguments, column: str, _: Surroundings) -> Rule:
    _only_for_text(given, column)
    given.take(("regex",), ("regex",))
    regex = given.text("regex")
    try:
        pl.Series([""]).str.contains(regex)
    except pl.exceptions.ComputeError as error:
        given.refuse(f"regex is not valid: {error}", at="regex")
    return Matches(column, regex)


def _string_length(given: Arguments, column: str, _: Surroundings) -> Rule:
    _only_for_text(given, column)
    given.take(BOUNDS, some_of=BOUNDS)
    return StringLength(column, *given.count_bounds())


def _expression_is_true(given: Arguments, column: str, _: Surroundings) -> Rule:
    """As `dbt_utils` means it on a column: what the file gives follows the column's name."""
    given.take(("expression",), ("expression",))
    return expression(given, f"{column} {given.text('expression')}")


def expression(given: Arguments, text: str) -> ExpressionIsTrue:
    """The rule for an expression, which stands in the argument `expression`."""
    try:
        return ExpressionIsTrue.over(text, given.polars_types(), None)
    except ValueError as error:
        given.refuse(f"expression {text!r} {error}", at="expression")


def _mean_between(given: Arguments, column: str, _: Surroundings) -> Rule:
    if not storage(given.types[column])[0].is_numeric():
        given.refuse(f"{given.test} is a test for numbers; column {column} is {given.types[column]}")
    given.take(BOUNDS, some_of=BOUNDS)
    return MeanBetween(column, *given.number_bounds())


def _quantile_between(given: Arguments, column: str, _: Surroundings) -> Rule:
    if storage(given.types[column])[0] in (pl.Boolean, pl.String):
        given.refuse(f"{given.test} is no test for {given.types[column]}")
    given.take(("quantile", *BOUNDS), ("quantile",), some_of=BOUNDS)
    return QuantileBetween(column, given.number("quantile", 0, 1) or 0.0, *given.value_bounds(column))


def _null_share_below(given: Arguments, column: str, _: Surroundings) -> Rule:
    given.take(("max",), ("max",))
    return NullShareBelow(column, given.number("max", 0, 1) or 0.0)


def _distinct_count(given: Arguments, column: str, _: Surroundings) -> Rule:
    given.take(BOUNDS, some_of=BOUNDS)
    return DistinctCount(column, *given.count_bounds())


def _share_of_value(given: Arguments, column: str, _: Surroundings) -> Rule:
    given.take(("value", *BOUNDS), ("value",), some_of=BOUNDS)
    value = given.value("value", column)
    assert value is not None
    return ShareOfValue(column, value, *given.number_bounds(0, 1))


def _only_for_text(given: Arguments, column: str) -> None:
    if given.types[column] != "VARCHAR":
        given.refuse(f"{given.test} is a test for VARCHAR; column {column} is {given.types[column]}")


COLUMN_TESTS: Mapping[str, Callable[[Arguments, str, Surroundings], Rule]] = {
    "not_null": _not_null,
    "unique": _unique,
    "accepted_values": _accepted_values,
    "relationships": _relationships,
    "range": _range,
    "matches": _matches,
    "string_length": _string_length,
    "expression_is_true": _expression_is_true,
    "mean_between": _mean_between,
    "quantile_between": _quantile_between,
    "null_share_below": _null_share_below,
    "distinct_count": _distinct_count,
    "share_of_value": _share_of_value,
}
"""The tests by name; each takes what the file gives it, the column's name and the project around."""
