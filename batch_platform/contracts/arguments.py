"""The arguments of one test, read as what the test needs them to be.

What belongs here: arguments as numbers, texts, columns, values of a column; refusals with their line. What does not:
which tests there are (`column_tests.py`, `model_tests.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import polars as pl
import yaml

from batch_platform.contracts.column_types import Scalar, storage, typed
from batch_platform.contracts.conditions import Condition
from batch_platform.sql.yaml_nodes import Document

Bound = TypeVar("Bound", bound=Scalar | None)


@dataclass(frozen=True)
class Arguments:
    """What the file gives one test; `types` are the canonical types of the model's columns."""

    test: str
    document: Document
    place: yaml.Node
    given: Mapping[str, yaml.Node]
    types: Mapping[str, str]

    def take(self, allowed: tuple[str, ...], required: tuple[str, ...] = (), some_of: tuple[str, ...] = ()) -> None:
        """Refuse arguments other than these, and the lack of one that is required or of all in `some_of`."""
        for name, node in self.given.items():
            if name not in allowed:
                fix = f"use {', '.join(allowed)}" if allowed else "it takes no arguments"
                self.document.refuse(node, f"{self.test} has no key {name}", fix)
        for name in required:
            if name not in self.given:
                self.refuse(f"{self.test} needs {name}")
        if some_of and not any(name in self.given for name in some_of):
            self.refuse(f"{self.test} needs {' or '.join(some_of)}")

    def refuse(self, what: str, fix: str = "", at: str = "") -> NoReturn:
        """Refuse the test, at the line of one of its arguments or at its own."""
        self.document.refuse(self.given.get(at, self.place), what, fix)

    def text(self, name: str) -> str:
        """An argument that is text."""
        return self.document.text(self.given[name], name)

    def flag(self, name: str, default: bool) -> bool:
        """An argument that is true or false."""
        value = self.document.value(self.given[name]) if name in self.given else default
        if not isinstance(value, bool):
            self.refuse(f"{self.test}: {name} must be true or false", at=name)
        return value

    def values(self, name: str, column: str) -> tuple[Scalar, ...]:
        """An argument that is a list of values of a column, each of them once."""
        listed = self.document.items(self.given[name], name)
        values = [self._typed(item, column) for item in listed]
        if not values or len(set(values)) < len(values):
            self.refuse(f"{self.test} needs values, each of them once", at=name)
        return tuple(values)

    def value(self, name: str, column: str) -> Scalar | None:
        """An argument that is a value of a column; None where it is not given."""
        return self._typed(self.given[name], column) if name in self.given else None

    def value_bounds(self, column: str) -> tuple[Scalar | None, Scalar | None]:
        """`min` and `max` as values of a column."""
        return self._ordered(self.value("min", column), self.value("max", column))

    def count_bounds(self) -> tuple[int | None, int | None]:
        """`min` and `max` as numbers of things."""
        found: list[int | None] = []
        for key in ("min", "max"):
            count = self.document.value(self.given[key]) if key in self.given else None
            if key in self.given and (type(count) is not int or not 0 <= count < 2**32):
                self.refuse(f"{self.test}: {key} must be a whole number from 0 to 2^32 - 1", at=key)
            found.append(count if isinstance(count, int) else None)
        return self._ordered(found[0], found[1])

    def number(self, name: str, low: float = -float("inf"), high: float = float("inf")) -> float | None:
        """An argument that is a number between two others; None where it is not given."""
        if name not in self.given:
            return None
        value = self.document.value(self.given[name])
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            limits = f" from {low:g} to {high:g}" if low > -float("inf") else ""
            self.refuse(f"{self.test}: {name} must be a number{limits}", at=name)
        return float(value)

    def number_bounds(
        self, low: float = -float("inf"), high: float = float("inf")
    ) -> tuple[float | None, float | None]:
        """`min` and `max` as numbers between two others."""
        return self._ordered(self.number("min", low, high), self.number("max", low, high))

    def columns(self, name: str) -> tuple[str, ...]:
        """An argument that is a list of the model's columns, each of them once."""
        found: list[str] = []
        for item in self.document.items(self.given[name], name):
            found.append(self.document.text(item, "a column's name"))
            if found[-1] not in self.types:
                self.document.refuse(item, f"{self.test} reads {found[-1]}, which the model does not declare")
        if not found or len(set(found)) < len(found):
            self.refuse(f"{self.test} needs columns, each of them once", at=name)
        return tuple(found)

    def polars_types(self) -> dict[str, pl.DataType]:
        """The types of the model's columns in memory."""
        return {name: storage(data_type)[0] for name, data_type in self.types.items()}

    def condition(self, node: yaml.Node) -> Condition:
        """A `where`, as written at a node."""
        text = self.document.text(node, "where")
        try:
            return Condition.over(text, self.polars_types())
        except ValueError as error:
            self.document.refuse(node, f"where {text!r} {error}")

    def _typed(self, node: yaml.Node, column: str) -> Scalar:
        value, data_type = self.document.value(node), self.types[column]
        try:
            return typed(value, storage(data_type)[0])
        except ValueError as error:
            fix = "put it in quotes" if data_type == "VARCHAR" else ""
            if data_type == "TIMESTAMPTZ" and isinstance(value, dt.datetime | dt.date):
                fix = "give date, time and zone: 2025-01-06T00:00:00Z"
            if data_type == "TIMESTAMP" and isinstance(value, dt.datetime | dt.date):
                fix = "give date and time without a zone: 2025-01-06T00:00:00"
            self.document.refuse(node, f"column {column} is {data_type}: {error}", fix)

    def _ordered(self, low: Bound, high: Bound) -> tuple[Bound, Bound]:
        if low is not None and high is not None and low > high:  # type: ignore[operator]
            self.refuse(f"{self.test}: min {low} is above max {high}")
        return low, high
