"""The last reason why a partition is not as it should be: what it waits for, and what that waits for, to the end.

Belongs here: following the reasons, and telling the last one in a line. Does not belong here: the reasons themselves
(`holds.py`), or how bad it is that the partition waits (`freshness.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from batch_platform.partitions.places import place as named
from batch_platform.schedules.decision import Decision
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.history import Failure, History
from batch_platform.schedules.holds import Held, Hold
from batch_platform.schedules.scheduled import Role, Scheduled

_RUNS = (Hold.RUNNING, Hold.INPUT_RUNNING)
_SELF_EXPLAINING = (Hold.WINDOW, Hold.CLOSED, Hold.TURN, Hold.HEALING, Hold.MODEL)
"""What a failure of the partition itself has nothing to do with."""


@dataclass(frozen=True)
class RootCause:
    """Why a partition waits, in the end.

    Args:
        table: where the reason lies: an input, an input's input, or the table itself.
        partition: of that table.
        why: what that partition waits for; None: nothing holds it, or nothing is known of it.
        text: the reason, one line that begins with the place.
        run_id: the run to look at: the one that failed, or that is at work; empty if there is none.
        kind: stands for the reason without its numbers and times: equal as long as it is the same.
    """

    table: str
    partition: str
    why: Held | None
    text: str
    run_id: str
    kind: str


def root_cause(
    place: tuple[str, str],
    tables: Mapping[str, Scheduled],
    decision: Decision,
    facts: Facts,
    history: History,
    zone: ZoneInfo,
) -> RootCause:
    """Follow what a partition waits for to the last reason.

    Args:
        place: the table and the partition.
        tables: all tables, by name.
        decision: what starts now, and what holds the rest.
        facts: what is the case.
        history: what happened.
        zone: of the moments in the text.
    """
    seen, held = {place}, None
    while (found := decision.held.get(place)) is not None:
        held = found
        following = _following(place, held, tables.get(place[0]), decision)
        if following in seen:
            break
        seen.add(following)
        place = following
    table, partition = place
    check = held.detail if held is not None and held.hold is Hold.INPUT_BLOCKED else ""
    failure = None
    if held is None or held.hold not in _SELF_EXPLAINING:
        failure = history.failure(table, partition, check)
    underway = history.underway(table, partition)
    if held is None:
        reason = _unheld(tables.get(table), place, decision, facts, failure, zone)
    else:
        since = f" since {_moment(underway.since, zone)}" if underway else ""
        reason = _reason(place, held, failure, since, tables.get(table), facts, zone)
    run_id = underway.run_id if underway and failure is None else failure.run_id if failure else ""
    # Whether what failed is being tried again or waits for that, it is the same trouble.
    kind = failure.text if failure else _kind(held, reason)
    return RootCause(table, partition, held, f"{named(table, partition)}: {reason}", run_id, kind)


def _following(place: tuple[str, str], held: Held, table: Scheduled | None, decision: Decision) -> tuple[str, str]:
    """Where to look on: at what a partition waits for, or at the model version that is to be trained for it."""
    if held.hold is Hold.MODEL and (held.table, held.partition) == place and table is not None:
        models = [read for read in table.inputs if read.role is Role.MODEL]
        wanted = ((read.table, key) for read in models for key in read.keys(place[1]))
        return next((own for own in wanted if own[1] in decision.owed.get(own[0], {})), place)
    return held.table, held.partition


def _reason(
    place: tuple[str, str],
    held: Held,
    failure: Failure | None,
    since: str,
    table: Scheduled | None,
    facts: Facts,
    zone: ZoneInfo,
) -> str:
    failed = f"failed: {failure.text}" if failure else "failed"
    until = _moment(held.until, zone) if held.until else "something changes"
    match held.hold:
        case Hold.RUNNING | Hold.INPUT_RUNNING:
            again = f"; before that it {failed}" if failure else ""
            return f"queued or running{since}{again}"
        case Hold.BACKOFF:
            return f"{failed}; tried again at {until} ({held.detail})"
        case Hold.GIVEN_UP:
            return f"{failed}; not tried again before something changes ({held.detail})"
        case Hold.INPUT_BLOCKED:
            return f"the check {held.detail} {failed}"
        case Hold.INPUT_MISSING:
            return failed if failure else _absent(table, facts)
        case Hold.WINDOW:
            return f"its batch window {held.detail} is closed until {until}"
        case Hold.CLOSED:
            return f"nothing may start until {until}"
        case Hold.INPUT_OWED:
            return f"is about to be made{f'; before that it {failed}' if failure else ''}"
        case Hold.MODEL if held.detail and place == (held.table, held.partition):
            return "no registered version of its model could score it"
        case Hold.MODEL:
            return "is about to be trained"
        case _:
            return f"{held.hold}{f' ({held.detail})' if held.detail else ''}"


def _unheld(
    table: Scheduled | None,
    place: tuple[str, str],
    decision: Decision,
    facts: Facts,
    failure: Failure | None,
    zone: ZoneInfo,
) -> str:
    """The reason for a partition that nothing holds: it starts, or nothing makes it."""
    name, key = place
    if any(name in run.tables and key in run.keys for run in decision.runs):
        return f"its run starts now; before that it failed: {failure.text}" if failure else "its run starts now"
    if facts.is_running(name, key):
        return "queued or running"
    if failure is not None:
        return f"failed: {failure.text}"
    if table is None or key in facts.books.live(name):
        return "is there" if table is not None else "is not there"
    if table.calendar is not None:
        ready = table.ready.after(table.calendar.start_of(key))
        if ready.timestamp() > facts.now.timestamp():
            return f"can be made from {_moment(ready, zone)} on"
    if not table.rules.enabled:
        return "is made only when somebody asks: automation is off"
    if key not in table.within(table.rules.horizon, facts.now):
        return "is older than the horizon: only a backfill makes it"
    return _absent(table, facts)


def _absent(table: Scheduled | None, facts: Facts) -> str:
    if table is not None and table.table in facts.unwatched:
        return "nobody has looked at its source yet (is the daemon running?)"
    return "has not arrived" if table is not None and table.source else "is not there"


def _kind(held: Held | None, reason: str) -> str:
    if held is None:
        return reason
    return str(Hold.RUNNING if held.hold in _RUNS else held.hold) + (held.detail if held.until is None else "")


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"
