"""What is wrong enough to tell somebody: found from the states of partitions, and from what failed beside them.

Belongs here: the kinds of findings, and when one is made. Does not belong here: which of them have one cause
(`grouping.py`), or who hears of it (`routing.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from batch_platform.alerts.severity import Severity
from batch_platform.alerts.states import Cause, State
from batch_platform.partitions.places import place as named
from batch_platform.schedules.holds import Hold


class Kind(StrEnum):
    """What is wrong, in the words of a message's title."""

    OVERDUE = "overdue"
    WARNED = "late"
    WRONG = "wrong"
    GIVEN_UP = "given up"
    BACKFILL_FAILED = "backfill failed"
    RUN_FAILED = "run failed"
    SOURCE_UNREACHABLE = "source unreachable"
    DELIVERY = "not delivered"
    BLIND = "nobody watches"

    @property
    def runbook(self) -> str:
        """The page of `docs/runbooks/` that says what to do."""
        return _RUNBOOKS[self]


_RUNBOOKS: Mapping[Kind, str] = {
    Kind.OVERDUE: "partition-overdue.md",
    Kind.WARNED: "partition-overdue.md",
    Kind.WRONG: "a-partition-failed.md",
    Kind.GIVEN_UP: "a-partition-failed.md",
    Kind.BACKFILL_FAILED: "backfill-failed.md",
    Kind.RUN_FAILED: "a-partition-failed.md",
    Kind.SOURCE_UNREACHABLE: "source-unreachable.md",
    Kind.DELIVERY: "sink-out-of-reach.md",
    Kind.BLIND: "alerts-silent.md",
}


_PATIENCE = {Kind.SOURCE_UNREACHABLE: timedelta(minutes=10)}
"""How long something must last before anybody is told: what is looked at every few seconds fails now and then."""

_PASSING = timedelta(minutes=10)
"""The same for what only waits for work that goes on, as a whole history does where a project is new."""


@dataclass(frozen=True)
class Watched:
    """What alerts must know of a table.

    Args:
        table: its name.
        owners: who answers for it, such as `team:flight-ops`.
        pipeline: the pipeline that declares it.
        critical: whether somebody is paged when it is overdue or wrong.
    """

    table: str
    owners: tuple[str, ...] = ()
    pipeline: str = ""
    critical: bool = False


@dataclass(frozen=True)
class Incident:
    """Something that is wrong without being the state of a partition; it lasts as long as it is told.

    Args:
        kind: what: `BACKFILL_FAILED`, `RUN_FAILED`, `SOURCE_UNREACHABLE`, `DELIVERY` or `BLIND`.
        text: one line.
        since: when it began; None: when it was first seen.
        table: the table that it is about; empty if it is about none.
        partition: its partition, if it is about one.
        key: what tells it from others that are about no table, such as a backfill's id; of a table, leave it empty:
            then it is one alert with everything else that has its cause there.
        owners: who answers for it; by default the owners of the table.
        severity: how urgent it is.
    """

    kind: Kind
    text: str
    since: datetime | None = None
    table: str = ""
    partition: str = ""
    key: str = ""
    owners: tuple[str, ...] = ()
    severity: Severity = Severity.TICKET


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Args:
        kind: what.
        table: where; empty for what is about no table.
        partition: its partition, if one.
        cause: the last thing that it waits for; itself, if it waits for nothing.
        severity: how urgent it is.
        text: one line.
        since: since when; None: since it was found.
        owners: who answers for it.
        pipeline: the table's pipeline.
        muted: whether a planned backfill is at it, so that nobody is told meanwhile.
    """

    kind: Kind
    table: str
    partition: str
    cause: Cause
    severity: Severity
    text: str
    since: datetime | None
    owners: tuple[str, ...] = ()
    pipeline: str = ""
    muted: bool = False

    @property
    def patience(self) -> timedelta:
        """How long it must have been seen before anybody is told."""
        return _PATIENCE.get(self.kind, _PASSING if self.cause.passing else timedelta())

    @property
    def place(self) -> str:
        """Where it is, as messages show it."""
        return named(self.table, self.partition) if self.table else self.cause.key


def findings_of(
    states: Iterable[State],
    tables: Mapping[str, Watched],
    now: datetime,
    incidents: Iterable[Incident] = (),
) -> tuple[Finding, ...]:
    """Everything that is wrong at a moment.

    Args:
        states: partitions that are not as they should be.
        tables: what is known of tables, by name.
        now: the moment.
        incidents: what else is wrong.
    """
    found = [finding for state in states for finding in _of_state(state, tables, now)]
    return (*found, *(_of_incident(incident, tables) for incident in incidents))


def _of_state(state: State, tables: Mapping[str, Watched], now: datetime) -> Iterator[Finding]:
    table = tables.get(state.table, Watched(state.table))
    urgent = Severity.urgent(table.critical)
    where = named(*state.place)

    def finding(kind: Kind, severity: Severity, text: str, since: datetime | None) -> Finding:
        return Finding(
            kind, *state.place, state.cause, severity, text, since, table.owners, table.pipeline, state.planned
        )

    own = state.held if state.held and (state.held.table, state.held.partition) == state.place else None
    if own is not None and own.hold is Hold.UNREADABLE:
        text = f"{state.table} cannot be read, and nothing is made of it: {own.detail}"
        yield finding(Kind.WRONG, urgent, text, None)
    elif own is not None and own.hold is Hold.GIVEN_UP:
        why = f": {state.fault.text}" if state.fault else ""
        text = f"{where} failed too often and is not tried again ({own.detail}){why}"
        yield finding(Kind.GIVEN_UP, urgent, text, state.fault.since if state.fault else None)
    elif state.fault is not None:
        # What is tried again by itself is nobody's work yet.
        severity = Severity.NOTICE if state.goes_on else urgent
        text = f"{where}: the check {state.fault.check} failed: {state.fault.text}"
        yield finding(Kind.WRONG, severity, text, state.fault.since)
    if state.there or state.due is None:
        return
    if now.timestamp() >= state.due.timestamp():
        yield finding(Kind.OVERDUE, urgent, f"{where} was due {moment(state.due)}", state.due)
    elif state.warn is not None and now.timestamp() >= state.warn.timestamp():
        yield finding(Kind.WARNED, Severity.NOTICE, f"{where} is due {moment(state.due)}", state.warn)


def _of_incident(incident: Incident, tables: Mapping[str, Watched]) -> Finding:
    table = tables.get(incident.table, Watched(incident.table))
    key = incident.key or incident.table or str(incident.kind)
    cause = Cause(key, incident.table, incident.partition, incident.text)
    return Finding(
        incident.kind,
        incident.table,
        incident.partition,
        cause,
        incident.severity,
        incident.text,
        incident.since,
        incident.owners or table.owners,
        table.pipeline,
    )


def moment(at: datetime) -> str:
    """A moment as messages show it, in the zone that it has: `2026-03-02 06:00 CET`."""
    return f"{at:%Y-%m-%d %H:%M} {at.tzname() or ''}".rstrip()
