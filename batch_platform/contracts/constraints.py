"""The `constraints` of a dbt model contract, as rules: here they are enforced, whatever a database would do.

What belongs here: constraints on columns and on models. What does not: tests (`data_tests.py`). A constraint that a
test declares too is one rule, not two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from batch_platform.contracts.arguments import Arguments
from batch_platform.contracts.column_tests import expression, referenced
from batch_platform.contracts.data_tests import DataTests
from batch_platform.contracts.rules import NotNull, Rule
from batch_platform.contracts.set_rules import Relationship, Unique

_KINDS = ("not_null", "unique", "primary_key", "check", "foreign_key")
_KEYS = ("type", "name", "expression", "columns", "to", "to_columns", "warn_unenforced", "warn_unsupported")


@dataclass(frozen=True)
class Constraints:
    """The constraints of the model whose tests these are."""

    tests: DataTests

    def of_column(self, parts: Mapping[str, yaml.Node], column: str) -> tuple[Rule, ...]:
        """The rules of a column's constraints that no test of it declares.

        Raises:
            ConfigurationError: naming the line of a constraint that would not be enforced.
        """
        return self._of(parts, (column,), joint=False)

    def of_model(self, parts: Mapping[str, yaml.Node]) -> tuple[Rule, ...]:
        """The rules of a model's constraints that nothing else declares.

        Raises:
            ConfigurationError: naming the line of a constraint that would not be enforced.
        """
        return self._of(parts, (), joint=True)

    def _of(self, parts: Mapping[str, yaml.Node], columns: tuple[str, ...], joint: bool) -> tuple[Rule, ...]:
        found: list[Rule] = []
        document = self.tests.document
        for node in document.items(parts["constraints"], "constraints") if "constraints" in parts else ():
            given = document.mapping(node, "a constraint", _KEYS)
            kind = document.text(document.required(node, given, "type", "a constraint"), "type")
            if kind not in _KINDS:
                document.refuse(given["type"], f"unknown constraint {kind}", f"use one of {', '.join(_KINDS)}")
            arguments = self.tests.arguments(kind, node, given)
            label = arguments.text("name") if "name" in given else None
            for number, rule in enumerate(self._rules(kind, arguments, columns, joint)):
                # One name cannot stand for several rules.
                rule = dataclasses.replace(rule, label=label if number == 0 else None)
                if not self.tests.has(rule):
                    found.append(self.tests.add(rule, node))
        return tuple(found)

    def _rules(self, kind: str, given: Arguments, columns: tuple[str, ...], joint: bool) -> Iterator[Rule]:
        if kind == "check":
            given.take(_KEYS, ("expression",))
            yield expression(given, given.text("expression"))
            return
        if joint:
            given.take(_KEYS, ("columns",))
            columns = given.columns("columns")
        if kind in ("unique", "primary_key"):
            # A unique key of SQL leaves out rows that lack a part of it; among several columns only a test says so.
            yield Unique(columns, combination=len(columns) > 1)
        if kind in ("not_null", "primary_key"):
            yield from (NotNull(column) for column in columns)
        if kind == "foreign_key":
            given.take(_KEYS, ("to", "to_columns"))
            there = [
                given.document.text(node, "a column's name")
                for node in given.document.items(given.given["to_columns"], "to_columns")
            ]
            if len(columns) != 1 or len(there) != 1:
                given.refuse(
                    "a foreign_key of several columns is not checked here", "use one column, or a test", "to_columns"
                )
            yield Relationship(columns[0], referenced(given, "to", self.tests.around), there[0])
