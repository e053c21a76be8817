"""Why a partition that must be made is not made yet.

Belongs here: the reasons, and finding the one that holds. Does not belong here: which partitions must be made
(`owed.py`), or how they become runs (`runs.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from batch_platform.schedules.facts import Facts
from batch_platform.schedules.memory import Memory
from batch_platform.schedules.owed import Owed
from batch_platform.schedules.scheduled import Input, Role, Scheduled

ALL_WINDOWS = ""
"""The name under which a batch window tells when nothing at all may start."""


class Hold(StrEnum):
    """What a partition waits for."""

    RUNNING = "it is queued or running"
    HEALING = "another run of the table makes good older partitions"
    INPUT_MISSING = "an input is missing"
    INPUT_RUNNING = "an input is queued or running"
    INPUT_OWED = "an input is about to be made"
    INPUT_BLOCKED = "a blocking check of an input failed"
    MODEL = "the model version that should serve is not there yet"
    BACKOFF = "it failed and is tried again later"
    GIVEN_UP = "it failed too often"
    WINDOW = "its batch window is closed"
    CLOSED = "nothing may start now"
    TURN = "more urgent runs come first"
    UNREADABLE = "what the table holds cannot be read"


@dataclass(frozen=True)
class Held:
    """Why one partition waits.

    Args:
        hold: for what.
        table: the input, or the table itself.
        partition: the input's partition, or its own.
        detail: the check, the batch window or the number of attempts, if the hold has such.
        until: when that ends by itself; None: by something that happens.
    """

    hold: Hold
    table: str
    partition: str
    detail: str = ""
    until: datetime | None = None

    def __str__(self) -> str:
        place = f"{self.table}[{self.partition}]" if self.partition else self.table
        detail = f" ({self.detail})" if self.detail else ""
        until = f" until {self.until:%Y-%m-%d %H:%M %Z}" if self.until else ""
        return f"{self.hold}: {place}{detail}{until}"


def held_by_itself(
    table: Scheduled, key: str, owed: Owed, facts: Facts, memory: Memory, latest_start: datetime | None
) -> Held | None:
    """What holds a partition, inputs aside; None: nothing."""
    name = table.table
    if facts.is_running(name, key) and not _overtakes_backfill(table, key, facts, latest_start):
        return Held(Hold.RUNNING, name, key)
    tried = memory.tried.get((name, key))
    if tried is not None and tried.cause == owed.cause:
        if tried.attempts >= table.rules.attempts and not owed.polled:
            return Held(Hold.GIVEN_UP, name, key, f"{tried.attempts} attempts")
        if facts.now < tried.next_at:
            return Held(Hold.BACKOFF, name, key, f"{tried.attempts} of {table.rules.attempts} attempts", tried.next_at)
    closed = facts.closed_until(ALL_WINDOWS, facts.now)
    if closed is not None:
        return Held(Hold.CLOSED, name, key, until=closed)
    if table.rules.window and (latest_start is None or facts.now < latest_start):
        closed = facts.closed_until(table.rules.window, facts.now)
        if closed is not None:
            return Held(Hold.WINDOW, name, key, table.rules.window, closed)
    return None


def _overtakes_backfill(table: Scheduled, key: str, facts: Facts, latest_start: datetime | None) -> bool:
    """Whether a partition cannot wait for the backfill that is about to make it: the newest, once it is pressing."""
    pressing = latest_start is not None and facts.now >= latest_start
    return pressing and key >= table.newest(facts.now) and facts.is_only_requested(table.table, key)


def unmet(
    table: Scheduled,
    key: str,
    facts: Facts,
    expected: Mapping[tuple[str, str], Held | None],
    latest_start: datetime | None,
) -> list[Held]:
    """The inputs of a partition that are not as they should be, or will not stay as they are.

    Args:
        table: the table.
        key: the partition.
        facts: what is the case.
        expected: the partitions of tables before it that must be made -> what holds them, None: nothing.
        latest_start: when it must start to be there by its deadline; None: it has none.
    """
    found = []
    if table.serving is not None and facts.serving(table.table, key) is None:
        found.append(Held(Hold.MODEL, table.table, key, "none is registered that could serve"))
    for read in table.inputs:
        for own in read.keys(key):
            held = _unmet(read, own, facts, expected, latest_start)
            if held is not None:
                found.append(held)
    return [*found, *_unmet_past(table, key, facts, expected, latest_start)]


def _unmet_past(
    table: Scheduled,
    key: str,
    facts: Facts,
    expected: Mapping[tuple[str, str], Held | None],
    latest_start: datetime | None,
) -> Iterator[Held]:
    """The earlier partitions of a table that reads itself; those that nothing holds can be made in the same run."""
    if table.past is None:
        return
    read = Input(table.table, table.past)
    for own in table.past(key):
        held = _unmet(read, own, facts, expected, latest_start)
        if held is not None and (held.hold is not Hold.INPUT_OWED or expected[table.table, own] is not None):
            yield held


def _unmet(
    read: Input,
    key: str,
    facts: Facts,
    expected: Mapping[tuple[str, str], Held | None],
    latest_start: datetime | None,
) -> Held | None:
    place = (read.table, key)
    there = key in facts.books.live(read.table)
    coming = place in expected and not _is_hopeless(expected[place])
    late = latest_start is not None and facts.now >= latest_start
    if read.role is Role.MODEL:
        waits = coming or facts.is_running(*place)
        return Held(Hold.MODEL, *place) if waits and not there and not late else None
    why = expected.get(place)
    left = why is not None and why.hold is Hold.RUNNING if place in expected else not late
    if facts.is_running(*place) and (left or not facts.is_only_requested(*place)):
        return Held(Hold.INPUT_RUNNING, *place)
    if coming:
        return Held(Hold.INPUT_OWED, *place)
    if not there:
        return Held(Hold.INPUT_MISSING, *place)
    check = facts.blocked(*place)
    return Held(Hold.INPUT_BLOCKED, *place, check) if check is not None else None


def _is_hopeless(held: Held | None) -> bool:
    """Whether nothing will come of a partition unless something happens that nobody can expect."""
    return held is not None and held.hold in (Hold.GIVEN_UP, Hold.INPUT_MISSING, Hold.INPUT_BLOCKED, Hold.UNREADABLE)
