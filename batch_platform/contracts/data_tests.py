"""The `data_tests` of a `schema.yml`: which tests there are, their arguments, and the rules they declare.

What belongs here: tests on a column and on a model. What does not: models and columns (`schema_yml.py`), and what
a rule means (`rules.py`, `expressions.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import polars as pl
import yaml  # type: ignore[import-untyped, unused-ignore]

from batch_platform.contracts.column_types import Scalar, storage, typed
from batch_platform.contracts.expressions import ExpressionIsTrue
from batch_platform.contracts.rules import (
    AcceptedValues,
    Matches,
    NotNull,
    Range,
    RowCount,
    RowRule,
    Rule,
    StringLength,
    Unique,
)
from batch_platform.sql.yaml_nodes import Document

AnyRule = TypeVar("AnyRule", bound=Rule)

SPELLINGS = ("data_tests", "tests")
"""The two keys that tests may stand under."""

_ON_COLUMNS = ("not_null", "unique", "accepted_values", "range", "matches", "string_length")
_ON_MODELS = ("unique_combination_of_columns", "row_count", "expression_is_true")


@dataclass(frozen=True)
class DataTests:
    """The tests of one model; no two of its rules have one name."""

    document: Document
    _names: set[str] = field(default_factory=set)

    def of_column(self, parts: Mapping[str, yaml.Node], column: str, data_type: str) -> tuple[RowRule, ...]:
        """The rules of a column, from the parts of its declaration.

        Raises:
            ConfigurationError: naming the line of a test that would not be enforced.
        """
        return tuple(
            self._add(self._column_rule(test, arguments, place, column, data_type), place)
            for test, arguments, place in self._tests(parts)
        )

    def of_model(self, parts: Mapping[str, yaml.Node], types: Mapping[str, pl.DataType]) -> tuple[Rule, ...]:
        """The rules on several columns and on the whole partition; `types` are those of the model's columns.

        Raises:
            ConfigurationError: naming the line of a test that would not be enforced.
        """
        return tuple(
            self._add(self._model_rule(test, arguments, place, types), place)
            for test, arguments, place in self._tests(parts)
        )

    def _tests(self, parts: Mapping[str, yaml.Node]) -> Iterator[tuple[str, yaml.Node | None, yaml.Node]]:
        """Each test's name, its arguments' node and the node of its place."""
        if len(spelled := [key for key in SPELLINGS if key in parts]) == 2:
            self.document.refuse(parts["tests"], "tests and data_tests are the same; keep one")
        for item in self.document.items(parts[spelled[0]], spelled[0]) if spelled else ():
            if isinstance(item, yaml.ScalarNode):
                yield self.document.text(item, "a test"), None, item
            else:
                test = self.document.mapping(item, "a test", None)
                if len(test) != 1:
                    self.document.refuse(item, f"one test per item, not {', '.join(test) or 'none'}")
                yield next(iter(test)), next(iter(test.values())), item

    def _add(self, rule: AnyRule, place: yaml.Node) -> AnyRule:
        if rule.name in self._names:
            fix = "remove one, or give it another name"
            self.document.refuse(place, f"two rules are called {rule.name}", fix)
        self._names.add(rule.name)
        return rule

    def _column_rule(
        self, test: str, arguments: yaml.Node | None, place: yaml.Node, column: str, data_type: str
    ) -> RowRule:
        refuse, dtype = self.document.refuse, storage(data_type)[0]
        if test in ("matches", "string_length") and dtype != pl.String:
            refuse(place, f"{test} is a test for VARCHAR; column {column} is {data_type}")
        if test == "not_null":
            self._arguments(test, arguments, place, ())
            return NotNull(column)
        if test == "unique":
            self._arguments(test, arguments, place, ())
            return Unique((column,), combination=False)
        if test == "accepted_values":
            given = self._arguments(test, arguments, place, ("values",), ("values",))
            listed = self.document.items(given["values"], "values")
            values = [self._typed(item, column, data_type) for item in listed]
            if not values or len(set(values)) < len(values):
                refuse(given["values"], "accepted_values needs values, each of them once")
            return AcceptedValues(column, tuple(values))
        if test == "range":
            if dtype in (pl.Boolean, pl.String):
                refuse(place, f"range is no test for {data_type}")
            given = self._arguments(test, arguments, place, ("min", "max"))
            low, high = (self._typed(given[k], column, data_type) if k in given else None for k in ("min", "max"))
            self._ordered(test, low, high, place)
            return Range(column, low, high)
        if test == "matches":
            given = self._arguments(test, arguments, place, ("regex",), ("regex",))
            regex = self.document.text(given["regex"], "regex")
            try:
                pl.Series([""]).str.contains(regex)
            except pl.exceptions.ComputeError as error:
                refuse(given["regex"], f"regex is not valid: {error}")
            return Matches(column, regex)
        if test == "string_length":
            given = self._arguments(test, arguments, place, ("min", "max"))
            return StringLength(column, *self._counts(test, given, place))
        problem = f"unknown test {test} on column {column}"
        raise self.document.refusal(place, problem, f"use one of {', '.join(_ON_COLUMNS)}")

    def _model_rule(
        self, test: str, arguments: yaml.Node | None, place: yaml.Node, types: Mapping[str, pl.DataType]
    ) -> Rule:
        refuse = self.document.refuse
        if test == "unique_combination_of_columns":
            only = ("combination_of_columns",)
            given = self._arguments(test, arguments, place, only, only)
            keys = []
            for item in self.document.items(given[only[0]], only[0]):
                keys.append(self.document.text(item, "a column's name"))
                if keys[-1] not in types:
                    refuse(item, f"{test} reads {keys[-1]}, which the model does not declare")
            if not keys or len(set(keys)) < len(keys):
                refuse(given[only[0]], f"{test} needs columns, each of them once")
            return Unique(tuple(keys), combination=True)
        if test == "row_count":
            given = self._arguments(test, arguments, place, ("min", "max"))
            return RowCount(*self._counts(test, given, place))
        if test == "expression_is_true":
            given = self._arguments(test, arguments, place, ("expression", "name"), ("expression",))
            expression = self.document.text(given["expression"], "expression")
            label = self.document.text(given["name"], "name") if "name" in given else None
            try:
                return ExpressionIsTrue.over(expression, types, label)
            except ValueError as error:
                refuse(given["expression"], f"expression {expression!r} {error}")
        problem = f"unknown test {test} on the model"
        raise self.document.refusal(place, problem, f"use one of {', '.join(_ON_MODELS)}")

    def _arguments(
        self,
        test: str,
        node: yaml.Node | None,
        place: yaml.Node,
        allowed: tuple[str, ...],
        required: tuple[str, ...] = (),
    ) -> dict[str, yaml.Node]:
        given = self.document.mapping(node, test, (*allowed, "arguments")) if node is not None else {}
        if "arguments" in given:
            if len(given) > 1:
                self.document.refuse(given["arguments"], f"{test}: give all arguments under `arguments`, or none")
            given = self.document.mapping(given["arguments"], test, allowed)
        for name in required:
            if name not in given:
                self.document.refuse(place, f"{test} needs {name}")
        if allowed and not given:
            self.document.refuse(place, f"{test} needs {' or '.join(allowed)}")
        return given

    def _counts(self, test: str, given: Mapping[str, yaml.Node], place: yaml.Node) -> tuple[int | None, int | None]:
        found: list[int | None] = []
        for key in ("min", "max"):
            count = self.document.value(given[key]) if key in given else None
            if key in given and (type(count) is not int or not 0 <= count < 2**32):
                self.document.refuse(given[key], f"{test}: {key} must be a whole number from 0 to 2^32 - 1")
            found.append(count if isinstance(count, int) else None)
        self._ordered(test, found[0], found[1], place)
        return found[0], found[1]

    def _ordered(self, test: str, low: Scalar | None, high: Scalar | None, place: yaml.Node) -> None:
        if low is not None and high is not None and low > high:  # type: ignore[operator]
            self.document.refuse(place, f"{test}: min {low} is above max {high}")

    def _typed(self, node: yaml.Node, column: str, data_type: str) -> Scalar:
        value = self.document.value(node)
        try:
            return typed(value, storage(data_type)[0])
        except ValueError as error:
            fix = "put it in quotes" if data_type == "VARCHAR" else ""
            if data_type == "TIMESTAMPTZ" and isinstance(value, dt.datetime | dt.date):
                fix = "give date, time and zone: 2025-01-06T00:00:00Z"
            self.document.refuse(node, f"column {column} is {data_type}: {error}", fix)
