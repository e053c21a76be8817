"""One alert for one cause: what failed upstream is told once, with everything that it holds up.

Belongs here: which findings belong together, and what is affected. Does not belong here: what was told before
(`book.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from batch_platform.alerts.finding import Finding, Watched
from batch_platform.alerts.severity import Severity
from batch_platform.alerts.states import Cause, State
from batch_platform.partitions.places import place as named

MOST_ALERTS = 50
"""Alerts at once; what goes beyond becomes one alert, or a broken lake would be a thousand messages."""

OVERFLOW = "and more"
"""The key of that alert."""

_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Affected:
    """A partition that is late, or will be, because of an alert's cause.

    Args:
        table: its table.
        partition: its key.
        due: its deadline; None: it has none.
        overdue: whether that has passed.
        owners: who answers for the table.
    """

    table: str
    partition: str
    due: datetime | None
    overdue: bool
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alert:
    """What is told as one.

    Args:
        key: what it is, the same as long as it lasts: the table that holds the cause, or an incident's key.
        cause: what everything in it waits for.
        findings: what is wrong, the most urgent first.
        affected: what is held up; the nearest deadline first.
    """

    key: str
    cause: Cause
    findings: tuple[Finding, ...]
    affected: tuple[Affected, ...] = ()

    @property
    def worst(self) -> Finding:
        """The most urgent finding, which names the alert."""
        return self.findings[0]

    @property
    def severity(self) -> Severity:
        """How urgent it is."""
        return self.worst.severity

    @property
    def since(self) -> datetime | None:
        """When the oldest of its findings began; None: not known."""
        return min((finding.since for finding in self.findings if finding.since is not None), default=None)

    @property
    def muted(self) -> bool:
        """Whether a planned backfill is at everything in it."""
        return all(finding.muted for finding in self.findings)

    @property
    def patience(self) -> timedelta:
        """How long it must have been seen before anybody is told."""
        return min(finding.patience for finding in self.findings)

    @property
    def tables(self) -> frozenset[str]:
        """The tables that it is about."""
        return frozenset(filter(None, [*(one.table for one in self.findings), *(one.table for one in self.affected)]))

    @property
    def scope(self) -> frozenset[str]:
        """What makes it a larger matter once it grows: the tables, and the partitions where its causes are."""
        return self.tables | {str(finding.cause) for finding in self.findings}


def grouped(
    findings: Iterable[Finding],
    states: Iterable[State],
    tables: Mapping[str, Watched],
    now: datetime,
    told: Mapping[str, frozenset[str]] | None = None,
    most: int = MOST_ALERTS,
    over: Collection[str] = (),
) -> tuple[Alert, ...]:
    """The findings as alerts, one for each cause, the most urgent first.

    Args:
        findings: what is wrong.
        states: what `findings_of` was given; partitions that are not late yet are told as affected.
        tables: what is known of tables, by name.
        now: the moment.
        told: the alerts that are remembered -> their tables. When a cause is gone and what it held up is only being
            made, that still belongs to the alert that told of it.
        most: how many alerts there may be beside the one that holds the rest.
        over: those of them that are good again; what is only being made brings none of them back.
    """
    told = told or {}
    lasting = {key: tables for key, tables in told.items() if key not in over}
    members: dict[str, list[Finding]] = {}
    for finding in findings:
        members.setdefault(_key(finding, lasting), []).append(finding)
    held_up = _held_up(states, tables, now)
    alerts = []
    for key, found in members.items():
        found.sort(key=lambda one: (-one.severity, one.since or _LATEST, one.place))
        causes = [one.cause for one in found]
        cause = next((one for one in causes if not one.passing), causes[0])
        alerts.append(Alert(key, cause, tuple(found), held_up.get(key, ())))
    # Those that are open come first, so that none is told as resolved because others have become more urgent.
    alerts.sort(key=lambda alert: (alert.key not in told, -alert.severity, alert.since or _LATEST, alert.key))
    kept, rest = alerts[:most], alerts[most:]
    return tuple(sorted([*kept, *_as_one(rest)], key=lambda alert: (-alert.severity, alert.key)))


def _key(finding: Finding, told: Mapping[str, frozenset[str]]) -> str:
    cause = finding.cause
    if not cause.passing or cause.key in told:
        return cause.key
    return min((key for key, tables in told.items() if finding.table in tables), default=cause.key)


def _held_up(states: Iterable[State], tables: Mapping[str, Watched], now: datetime) -> dict[str, tuple[Affected, ...]]:
    found: dict[str, list[Affected]] = {}
    for state in states:
        cause = state.cause
        if state.there or state.place == (cause.table, cause.partition):
            continue
        overdue = state.due is not None and now.timestamp() >= state.due.timestamp()
        owners = tables[state.table].owners if state.table in tables else ()
        found.setdefault(cause.key, []).append(Affected(*state.place, state.due, overdue, owners))
    return {key: tuple(sorted(those, key=_nearest)) for key, those in found.items()}


def _nearest(affected: Affected) -> tuple[datetime, str, str]:
    return affected.due or _LATEST, affected.table, affected.partition


def _as_one(alerts: Sequence[Alert]) -> list[Alert]:
    if not alerts:
        return []
    findings = [finding for alert in alerts for finding in alert.findings]
    first = f"{alerts[0].worst.kind}: {named(alerts[0].worst.table, alerts[0].worst.partition)}"
    cause = replace(alerts[0].cause, key=OVERFLOW, table="", partition="", text=f"{len(alerts)} causes; {first}")
    return [Alert(OVERFLOW, cause, tuple(sorted(findings, key=lambda one: -one.severity)))]
