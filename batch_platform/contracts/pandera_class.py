"""A pandera class of the project's own, as part of a contract: `meta: {contract: "package.module:Class"}`.

What belongs here: importing the class, and its checks as rules. What does not: the pandera schema of a whole contract,
which holds these rules with all others (`contract.py`).

A check that answers for each row is a row rule, and must judge a row by itself: it may see the rows of one batch
alone. One that gives one answer for the frame is a rule on the partition; it cannot be merged, so the columns that it
reads are kept in memory until the partition is complete.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from batch_platform.contracts.column_types import storage
from batch_platform.contracts.rules import NotNull, RowRule, Rule, Severity, shown
from batch_platform.contracts.set_rules import Unique
from batch_platform.contracts.table_rules import TableRule
from batch_platform.errors import ConfigurationError, ContractError, first_line

if TYPE_CHECKING:
    import pandera.polars

_PATH = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)", re.ASCII)


@dataclass(frozen=True)
class PanderaCheck(Rule):
    """A check of a pandera class: the class, the column it is on (none for the frame), its place there, and its name.

    `source` is the sha256 of the class's module, so that a contract's digest changes with the code.
    """

    path: str
    column: str | None
    place: int
    check: str
    reads: tuple[str, ...]
    source: str

    @property
    def title(self) -> str:
        return f"{self.column}: {shown(self.check)}" if self.column else shown(self.check)

    @property
    def own_columns(self) -> tuple[str, ...]:
        return self.reads

    def answers(self, rows: pl.DataFrame) -> pl.Series:
        """What the check says: a boolean per row, or a single one.

        Raises:
            ContractError: the check fails to run.
        """
        try:
            return _answers(self.path, self.column, self.place, rows.select(self.reads))
        except Exception as error:
            problem = f"the check {self.title} cannot be applied: {first_line(error)}"
            raise ContractError(problem, where=self.path, fix="correct the check") from error


@dataclass(frozen=True)
class PanderaRowCheck(PanderaCheck, RowRule):
    """A check that answers for each row."""

    def passes_everywhere(self, rows: pl.DataFrame) -> pl.Series:
        answers = self.answers(rows)
        if len(answers) != rows.height:
            problem = f"the check {self.title} gives {len(answers)} answers for {rows.height} rows"
            raise ContractError(problem, where=self.path, fix="let it answer for each row")
        return answers


@dataclass(frozen=True)
class PanderaTableCheck(PanderaCheck, TableRule):
    """A check that gives one answer for the whole partition."""

    def start(self) -> list[pl.DataFrame]:
        return []

    def update(self, state: list[pl.DataFrame], rows: pl.DataFrame) -> list[pl.DataFrame]:
        return [*state, rows.select(self.reads)]

    def verdict(self, state: list[pl.DataFrame], window_end: dt.datetime | None = None) -> str | None:
        if not state or bool(self.answers(pl.concat(state, rechunk=True)).all()):
            return None
        return f"fails a check of {self.path}"


def rules_of_class(path: str, types: Mapping[str, str]) -> list[Rule]:
    """The rules of a pandera.polars DataFrameModel or DataFrameSchema.

    Args:
        path: `package.module:Class`.
        types: canonical types of the contract's columns, in order.

    Raises:
        ConfigurationError: it cannot be imported, is no such class, declares other columns or types than the contract,
            or asks for what the platform does not do: coerce, parse, filter, fill in.
    """
    schema = _schema(path)
    _refuse_what_is_not_done(path, schema)
    for name, column in schema.columns.items():
        if name not in types:
            raise ConfigurationError(f"{path} declares {name}, which the model has not", fix="remove it there")
        expected = storage(types[name])[0]
        if column.dtype is not None and column.dtype.type != expected:
            problem = f"{path}: {name} is {column.dtype.type}, but the contract has {types[name]}"
            raise ConfigurationError(problem, fix=f"declare it as polars' {expected!r}")
    if schema.strict and (lacking := [name for name in types if name not in schema.columns]):
        fix = "declare them there, or leave out `strict`"
        raise ConfigurationError(f"{path} is strict and lacks {', '.join(lacking)}", fix=fix)
    if schema.ordered and list(schema.columns) != [name for name in types if name in schema.columns]:
        raise ConfigurationError(f"{path} is ordered, and the columns of the model come in another order")
    return list(_rules(path, schema, types))


def _rules(path: str, schema: pandera.polars.DataFrameSchema, types: Mapping[str, str]) -> Iterator[Rule]:
    empty = pl.DataFrame(schema={name: storage(data_type)[0] for name, data_type in types.items()})
    for name, column in schema.columns.items():
        if not column.nullable:
            yield NotNull(name)
        if column.unique:
            yield Unique((name,), combination=False)
        for place, check in enumerate(column.checks):
            yield _rule(path, name, place, check, empty.select(name))
    if schema.unique:
        yield Unique(tuple(schema.unique), combination=True)
    for place, check in enumerate(schema.checks):
        yield _rule(path, None, place, check, empty)


def _rule(path: str, column: str | None, place: int, check: Any, empty: pl.DataFrame) -> Rule:
    name = str(check.error or check.name or f"check {place + 1}")
    try:
        answers = _answers(path, column, place, empty)
    except Exception as error:
        problem = f"{path}: the check {name} fails on the model's columns: {first_line(error)}"
        raise ConfigurationError(problem, fix="correct the check") from None
    kind = PanderaTableCheck if len(answers) else PanderaRowCheck
    severity = Severity.WARN if check.raise_warning else Severity.ERROR
    return kind(path, column, place, name, tuple(empty.columns), _source(path), severity=severity)


def _answers(path: str, column: str | None, place: int, rows: pl.DataFrame) -> pl.Series:
    schema = _schema(path)
    checks = schema.checks if column is None else schema.columns[column].checks
    answers: pl.Series = checks[place](rows.lazy(), column).check_output.collect().to_series()
    return answers.fill_null(False).rename("passes")


@functools.cache
def _schema(path: str) -> pandera.polars.DataFrameSchema:
    import pandera.polars as pandera

    match = _PATH.fullmatch(path)
    if match is None:
        raise ConfigurationError(f"{path!r} names no class", fix="write package.module:Class")
    try:
        found = getattr(importlib.import_module(match[1]), match[2])
    except Exception as error:
        problem = f"{path} cannot be imported: {type(error).__name__}: {first_line(error)}"
        raise ConfigurationError(problem, fix="correct the path, or the module") from None
    if isinstance(found, type) and issubclass(found, pandera.DataFrameModel):
        found = found.to_schema()
    if not isinstance(found, pandera.DataFrameSchema):
        fix = "use a DataFrameModel or a DataFrameSchema of pandera.polars"
        raise ConfigurationError(f"{path} is a {type(found).__name__}", fix=fix)
    return found


@functools.cache
def _source(path: str) -> str:
    file = inspect.getsourcefile(importlib.import_module(path.split(":")[0]))
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _refuse_what_is_not_done(path: str, schema: pandera.polars.DataFrameSchema) -> None:
    asked = {
        "coerce": schema.coerce or any(column.coerce for column in schema.columns.values()),
        "strict: filter": schema.strict == "filter",
        "drop_invalid_rows": schema.drop_invalid_rows,
        "add_missing_columns": schema.add_missing_columns,
        "parsers": schema.parsers or any(column.parsers for column in schema.columns.values()),
        "regex": any(column.regex for column in schema.columns.values()),
        "default": any(column.default is not None for column in schema.columns.values()),
        "required: false": not all(column.required for column in schema.columns.values()),
        "a dtype for the whole frame": schema.dtype is not None,
    }
    if found := [what for what, is_asked in asked.items() if is_asked]:
        problem = f"{path} asks for {', '.join(found)}, which a contract does not do"
        raise ConfigurationError(problem, fix="change rows in the SQL; a contract judges them")
