"""Which partitions of a table must be made now: those that are missing, and those made from what has changed since.

Belongs here: comparing what a table holds with what it should hold. Does not belong here: whether the time has come
(`holds.py`), or in which runs (`runs.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum

from batch_platform.lake.digest import combine
from batch_platform.schedules.facts import Arrival, Books, Facts, Made
from batch_platform.schedules.rules import RerunOn
from batch_platform.schedules.scheduled import WHOLE_TABLE, Input, Role, Scheduled


class Reason(StrEnum):
    """Why a partition must be made."""

    MISSING = "missing"
    SOURCE = "source changed"
    INPUTS = "input changed"
    CODE = "code changed"
    MODEL = "model changed"
    ASKED = "asked for"


@dataclass(frozen=True)
class Owed:
    """A partition that must be made.

    Args:
        reason: why.
        cause: stands for what it would be made from: as long as it stays the same, another attempt gives the same.
        polled: whether only an attempt can tell if there is something to make it from; then there is no last attempt.
    """

    reason: Reason
    cause: str
    polled: bool = False


def owed(table: Scheduled, facts: Facts, demanded: AbstractSet[str] = frozenset()) -> dict[str, Owed]:
    """The partitions of a table that must be made, oldest first; nothing if nothing is made without being asked for.

    Args:
        table: the table.
        facts: what is the case.
        demanded: partitions that others, which must be made, read; they are made whatever their age, if they exist.
    """
    arrived = facts.arrived.get(table.table)
    live = facts.books.live(table.table)
    found: dict[str, Owed] = {}
    if table.rules.enabled:
        recent = set(table.within(table.rules.horizon, facts.now))
        wanted = recent | {key for key in demanded if _exists(table, key, facts)}
        for key in sorted(_with_past(table, wanted, live)):
            # Sources are watched as far back as the horizon; what is older and needed can only be tried.
            polled = table.source and (arrived is None or key not in recent)
            if key not in live and (polled or not table.source or key in (arrived or {})):
                found[key] = Owed(Reason.MISSING, _cause(table, key, facts), polled)
        for key, reason in _changed(table, facts):
            found[key] = Owed(reason, _cause(table, key, facts))
    for key, arrival in (arrived or facts.asked.get(table.table, {})).items():
        if arrival.asked and (arrival.changed or key not in live):
            found[key] = Owed(Reason.ASKED, arrival.token)
    return dict(sorted(found.items()))


def demands(table: Scheduled, needed: Iterable[str], books: Books) -> Iterator[tuple[str, str]]:
    """The partitions of inputs that partitions of a table read and that are not there: table and partition."""
    for key in needed:
        for read in table.inputs:
            live = books.live(read.table)
            yield from ((read.table, own) for own in read.keys(key) if own not in live)


def _with_past(table: Scheduled, wanted: AbstractSet[str], live: AbstractSet[str]) -> AbstractSet[str]:
    """Partitions and, of a table that reads itself, what is not there of their past, as far back as that goes."""
    if table.past is None:
        return wanted
    found, waiting = set(wanted), [key for key in wanted if key not in live]
    while waiting:
        new = {own for own in table.past(waiting.pop()) if own not in live} - found
        found |= new
        waiting += new
    return found


def _exists(table: Scheduled, key: str, facts: Facts) -> bool:
    """Whether a table has such a partition by now: readers may name some before its first one."""
    return table.calendar is None or table.calendar.first <= key <= table.newest(facts.now)


def _changed(table: Scheduled, facts: Facts) -> Iterable[tuple[str, Reason]]:
    """The partitions within the lookback that are there, and were made from what is not there any more."""
    live = facts.books.live(table.table)
    keys = [key for key in table.within(table.rules.lookback, facts.now) if key in live]
    arrived = facts.arrived.get(table.table, {})
    yield from ((key, Reason.SOURCE) for key in keys if key in arrived and arrived[key].changed)
    if not table.source and table.held is None:
        for key, made in facts.books.made(table.table, keys).items():
            reason = change(table, key, made, facts)
            if reason is not None:
                yield key, reason


def change(table: Scheduled, key: str, made: Made, facts: Facts) -> Reason | None:
    """What has changed, of that after which a table is made again, since this partition was made; None: nothing."""
    told = table.rules.rerun_on
    for read in table.inputs:
        kind = RerunOn.UNDATED_INPUTS if read.role is Role.UNDATED and table.calendar else RerunOn.INPUTS
        if kind in told and read.role is not Role.MODEL and is_outdated(read.table, made, facts.books):
            return Reason.INPUTS
    if table.past is not None and RerunOn.INPUTS in told and is_outdated(table.table, made, facts.books):
        return Reason.INPUTS
    if RerunOn.CODE in told and table.code and made.code != table.code:
        return Reason.CODE
    serving = facts.serving(table.table, key) if RerunOn.MODEL in told else None
    if serving is not None and serving != made.model:
        return Reason.MODEL
    return None


def is_outdated(table: str, made: Made, books: Books) -> bool:
    """Whether an input holds other content now than what a partition was made from, in the stretch that it read."""
    read = made.reads.get(table)
    if read is None:
        return False
    first, last = read.stretch or (WHOLE_TABLE, WHOLE_TABLE)
    now = books.stretch(table, first, last)
    # Whoever reads exactly one partition may have recorded its digest as it is.
    return read.digest not in (combine(now), *(now if len(now) == 1 else ()))


def _cause(table: Scheduled, key: str, facts: Facts) -> str:
    if table.source:
        arrival: Arrival | None = facts.arrived.get(table.table, {}).get(key)
        return arrival.token if arrival else ""
    own = [Input(table.table, table.past)] if table.past is not None else []
    digests = [digest for read in (*table.inputs, *own) for digest in _seen(read, key, facts.books)]
    return combine([table.code, *digests])[:12]


def _seen(read: Input, key: str, books: Books) -> Iterable[str]:
    keys = read.keys(key)
    return (read.table, *books.stretch(read.table, keys[0], keys[-1])) if keys else ()
