"""Rules that a partition keeps or breaks as a whole, and judging one that arrives in several batches.

What belongs here: what such rules have in common, `row_count`, `freshness`, and the state of all of a contract's
rules. What does not: how values are spread (`distribution.py`), and rules that are queries (`table_query.py`).

They are about every row that the SQL yields, valid or not. In one batch or in many, a partition gets one answer.
"""

from __future__ import annotations

import datetime as dt
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from batch_platform.contracts.rules import Rule, Severity, bounds, shown
from batch_platform.errors import ConfigurationError, ContractError

if TYPE_CHECKING:
    from batch_platform.contracts.contract import Contract

State = Any
"""What a rule keeps of the rows it has seen; only the rule itself knows what it is."""


@dataclass(frozen=True)
class TableRule(Rule):
    """A rule on a whole partition: `start` a state, `update` it with each batch, and ask for the `verdict`."""

    @abstractmethod
    def start(self) -> State:
        """The state before any row."""

    @abstractmethod
    def update(self, state: State, rows: pl.DataFrame) -> State:
        """The state after these rows too, which are in the contract's types and to which the rule applies."""

    @abstractmethod
    def verdict(self, state: State, window_end: dt.datetime | None = None) -> str | None:
        """What is wrong, in words that follow `the partition`; None if nothing is.

        Args:
            state: after all the partition's rows.
            window_end: where the partition's window ends, with its time zone; None for a table without partitions.
        """

    def judge(self, rows: Sequence[pl.DataFrame], window_end: dt.datetime | None = None) -> str | None:
        """The verdict on a partition that is there as batches."""
        state = self.start()
        for batch in rows:
            state = self.update(state, batch.filter(self.where.applies(batch)) if self.where else batch)
        return self.verdict(state, window_end)


class PartitionState:
    """What a contract's table rules have seen of one partition so far."""

    def __init__(self, contract: Contract, window_end: dt.datetime | None = None) -> None:
        self._contract, self._window_end = contract, window_end
        self._states: list[State] = [rule.start() for rule in contract.table_rules]

    def update(self, rows: pl.DataFrame) -> None:
        """Show a batch, in the contract's types, to every rule."""
        for place, rule in enumerate(self._contract.table_rules):
            seen = rows.filter(rule.where.applies(rows)) if rule.where else rows
            self._states[place] = rule.update(self._states[place], seen)

    def finish(self) -> tuple[str, ...]:
        """What rules of severity `warn` say of the partition; call it once, after the last batch.

        Raises:
            ContractError: a rule of severity `error` is broken; the message names all that are.
        """
        problems: dict[Severity, list[str]] = {severity: [] for severity in Severity}
        for rule, state in zip(self._contract.table_rules, self._states, strict=True):
            if (problem := rule.verdict(state, self._window_end)) is not None:
                if any(self._contract.column(name).personal for name in rule.columns):
                    problem = "differs from what is declared"
                problems[rule.severity].append(f"the partition {problem}, which breaks {rule.name}")
        if errors := problems[Severity.ERROR]:
            raise ContractError(
                "; ".join(errors),
                where=self._contract.table,
                fix=f"look for lost or doubled input, or correct the rule in {self._contract.path}",
            )
        return tuple(problems[Severity.WARN])


@dataclass(frozen=True)
class RowCount(TableRule):
    """The number of rows of one partition, valid and rejected alike, lies between two bounds."""

    minimum: int | None
    maximum: int | None

    @property
    def title(self) -> str:
        return f"row_count({bounds(self.minimum, self.maximum)})"

    @property
    def own_columns(self) -> tuple[str, ...]:
        return ()

    def start(self) -> int:
        return 0

    def update(self, state: int, rows: pl.DataFrame) -> int:
        return state + rows.height

    def verdict(self, state: int, window_end: dt.datetime | None = None) -> str | None:
        kept = (self.minimum or 0) <= state and (self.maximum is None or state <= self.maximum)
        return None if kept else f"has {state} rows"


UNITS = {"week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1}
"""Seconds of each unit that an age may be given in, the longest first."""


@dataclass(frozen=True)
class Freshness(TableRule):
    """The newest value of a column lies at most `max_age_seconds` before the end of the partition's window.

    A date counts as its midnight, and a date or a time without zone is read in the zone of the window. A column
    without any value is not fresh.
    """

    column: str
    max_age_seconds: int

    @property
    def title(self) -> str:
        unit = next(unit for unit, seconds in UNITS.items() if self.max_age_seconds % seconds == 0)
        return f"{self.column}: freshness({self.max_age_seconds // UNITS[unit]} {unit}s)"

    @property
    def own_columns(self) -> tuple[str, ...]:
        return (self.column,)

    def start(self) -> dt.date | None:
        return None

    def update(self, state: dt.date | None, rows: pl.DataFrame) -> dt.date | None:
        newest = rows[self.column].max()
        known = [value for value in (state, newest) if isinstance(value, dt.date)]
        return max(known, default=None)

    def verdict(self, state: dt.date | None, window_end: dt.datetime | None = None) -> str | None:
        if window_end is None:
            fix = "remove the rule, or give the table partitions"
            raise ConfigurationError(f"{self.name} needs a window, which a table without partitions has not", fix=fix)
        if state is None:
            return f"holds no value of {self.column}"
        moment = state if isinstance(state, dt.datetime) else dt.datetime.combine(state, dt.time())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=window_end.tzinfo)
        # In UTC: between two times of one zone Python would subtract wall clocks.
        age = window_end.astimezone(dt.UTC) - moment.astimezone(dt.UTC)
        if age.total_seconds() <= self.max_age_seconds:
            return None
        return f"is not fresh: the newest {self.column} is {shown(state)}"
