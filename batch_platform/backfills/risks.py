"""What may go wrong in a backfill, or surprise afterwards, as far as facts tell before anything runs.

Belongs here: risks that follow from declarations and facts. Does not belong here: those that need a look at files or
contracts, which whoever asks for a plan adds (`cli/backfill_looks.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from batch_platform.backfills.states import State, States
from batch_platform.backfills.versions import VersionUse
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.scheduled import Role, Scheduled


class RiskKind(StrEnum):
    """What kind of risk it is."""

    INPUT_MISSING = "input missing"
    NO_SOURCE = "source gone"
    NO_MODEL = "no model"
    NOT_PROMOTED = "not promoted"
    CONTRACT = "contract"
    RESCORED = "rescored"
    RUNNING = "running"
    DEADLINE = "deadline"


FAILS = frozenset({RiskKind.INPUT_MISSING, RiskKind.NO_SOURCE, RiskKind.NO_MODEL})
"""Risks of partitions that will fail for certain unless somebody does something."""


@dataclass(frozen=True)
class Risk:
    """One risk.

    Args:
        kind: what kind.
        table: of which table.
        first: its first partition that is concerned; empty for a table without partitions.
        last: the last one.
        partitions: how many.
        text: what it is, in words.
    """

    kind: RiskKind
    table: str
    first: str
    last: str
    partitions: int
    text: str

    def __str__(self) -> str:
        stretch = self.first if self.first == self.last else f"{self.first} to {self.last}"
        return f"{self.table}{f' [{stretch}]' if stretch else ''}: {self.text}"


def risks_of(
    ordered: Sequence[Scheduled],
    states: States,
    making: Mapping[str, Sequence[str]],
    versions: Sequence[VersionUse],
    facts: Facts,
    elapsed: float,
) -> list[Risk]:
    """The risks of a backfill, the worst kinds first.

    Args:
        ordered: all tables of the project, each after those that it reads.
        states: the state of the backfill's partitions.
        making: those that it makes.
        versions: which versions score them.
        facts: what is the case.
        elapsed: how long it is expected to take, in seconds.
    """
    found: list[Risk] = []
    known = {table.table: table for table in ordered}
    for table in ordered:
        keys = making.get(table.table, ())
        if keys:
            found += _inputs_missing(table, keys, making, facts, known)
            found += _rescored(table, keys, facts)
        running = [key for key, state in states.get(table.table, {}).items() if state is State.RUNNING]
        if running:
            found.append(_risk(RiskKind.RUNNING, table.table, running, "queued or running already: left out"))
    found += _of_versions(versions)
    found += _deadlines(ordered, facts, elapsed)
    order = list(RiskKind)
    return sorted(found, key=lambda risk: (order.index(risk.kind), risk.table, risk.first))


def _risk(kind: RiskKind, table: str, keys: Sequence[str], text: str) -> Risk:
    return Risk(kind, table, keys[0], keys[-1], len(keys), text)


def _inputs_missing(
    table: Scheduled,
    keys: Sequence[str],
    making: Mapping[str, Sequence[str]],
    facts: Facts,
    known: Mapping[str, Scheduled],
) -> Iterator[Risk]:
    for read in table.inputs:
        if read.role is Role.MODEL or read.table not in known:
            continue
        there = facts.books.live(read.table) | set(making.get(read.table, ()))
        lacking = {
            key: [own for own in read.keys(key) if own not in there and not facts.is_running(read.table, own)]
            for key in keys
        }
        lacking = {key: missing for key, missing in lacking.items() if missing}
        if lacking:
            missing = sorted({own for own_keys in lacking.values() for own in own_keys})
            place = f"{len(missing)} partitions, {missing[0]} to {missing[-1]}," if missing[0] else "it"
            text = (
                f"will fail: of {read.table} {place} {'are' if len(missing) > 1 else 'is'} missing and not part of it"
            )
            yield _risk(RiskKind.INPUT_MISSING, table.table, list(lacking), text)


def _rescored(table: Scheduled, keys: Sequence[str], facts: Facts) -> Iterator[Risk]:
    """Old predictions that another version would score than the one that did."""
    if table.serving is None or table.calendar is None:
        return
    frozen = table.rules.lookback.oldest(table.calendar, table.newest(facts.now))
    made = facts.books.made(table.table, [key for key in keys if key < frozen])
    now = {key: facts.serving(table.table, key) for key in made}
    other = {key: version for key, version in now.items() if version is not None and version != made[key].model}
    if other:
        before = ", ".join(sorted({made[key].model for key in other}))
        after = ", ".join(sorted(set(other.values())))
        text = f"frozen history, scored by version {before}, would be scored by {after}"
        yield _risk(RiskKind.RESCORED, table.table, sorted(other), text)


def _of_versions(versions: Sequence[VersionUse]) -> Iterator[Risk]:
    trained: dict[str, list[VersionUse]] = {}
    for use in versions:
        text = ""
        if use.trained:
            trained.setdefault(use.table, []).append(use)
        elif not use.version:
            window = f" (window {use.window})" if use.window else ""
            text, kind = f"will fail: no promoted version serves them{window}", RiskKind.NO_MODEL
        elif use.passed_over:
            text = f"version {use.passed_over} (window {use.window}) is not promoted: version {use.version} scores them"
            kind = RiskKind.NOT_PROMOTED
        if text:
            yield Risk(kind, use.table, use.first, use.last, use.partitions, text)
    for table, uses in trained.items():
        windows = "the version of a window" if len(uses) == 1 else f"the versions of {len(uses)} windows"
        text = f"scored by {windows} trained in this backfill; where its gate refuses one, an earlier one scores"
        total = sum(use.partitions for use in uses)
        yield Risk(RiskKind.NOT_PROMOTED, table, uses[0].first, uses[-1].last, total, text)


def _deadlines(ordered: Sequence[Scheduled], facts: Facts, elapsed: float) -> Iterator[Risk]:
    """Partitions of live work that are due before the backfill is expected to be over."""
    until = facts.now + timedelta(seconds=elapsed)
    for table in ordered:
        if table.slo is None or table.calendar is None:
            continue
        live = facts.books.live(table.table)
        key = table.newest(facts.now)
        for step in range(-1, 3):
            own = table.calendar.shift(key, step)
            due = table.slo.due_at(table.calendar, own)
            if own not in live and facts.now.timestamp() < due.timestamp() <= until.timestamp():
                text = f"is due at {due:%Y-%m-%d %H:%M %Z}, before the backfill is expected to end; it overtakes it"
                yield _risk(RiskKind.DEADLINE, table.table, [own], text)
