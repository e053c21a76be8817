"""From what a schedule knows to what alerts are made from.

Belongs here: which partitions are looked at, and what is known of each. Does not belong here: how a partition stands
with its deadline, and why (`schedules/freshness.py`, `schedules/root_causes.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from zoneinfo import ZoneInfo

from batch_platform.alerts.finding import Watched
from batch_platform.alerts.states import Cause, Fault, State, is_in_work
from batch_platform.schedules.decision import Decision
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.freshness import freshness
from batch_platform.schedules.history import History
from batch_platform.schedules.holds import Hold
from batch_platform.schedules.root_causes import root_cause
from batch_platform.schedules.scheduled import Scheduled

PRODUCED = "produced"
"""The check that fails for a partition which could not be made at all."""

_UTC = ZoneInfo("UTC")


def _nothing(_: str, __: str) -> bool:
    return False


def watched_tables(tables: Iterable[Scheduled]) -> dict[str, Watched]:
    """What alerts must know of tables, by name."""
    return {
        table.table: Watched(
            table.table, tuple(table.owners), table.pipeline, table.slo is not None and table.slo.critical
        )
        for table in tables
    }


def states_of(
    tables: Sequence[Scheduled],
    decision: Decision,
    facts: Facts,
    history: History,
    planned: Callable[[str, str], bool] = _nothing,
    late: Collection[tuple[str, str]] = (),
) -> list[State]:
    """Every partition that is not as it should be: not there, given up, or with a failed blocking check.

    Looked at are the partitions that are judged by their deadlines, and those within each table's horizon.

    Args:
        tables: all tables.
        decision: what follows from these facts.
        facts: what is the case.
        history: what happened.
        planned: table, partition -> whether a backfill that somebody planned is to make it.
        late: what was overdue at an earlier look: it stays so, whatever its age, until it is there.
    """
    known = {table.table: table for table in tables}
    starting = {(table, key) for run in decision.runs for table in run.tables for key in run.keys}

    def cause_at(place: tuple[str, str], text: str) -> Cause:
        held = decision.held.get(place)
        soon = place in starting or facts.is_running(*place) or place[0] in facts.unwatched
        works = is_in_work(held) or (held is None and soon)
        return Cause(place[0], *place, text, works)

    found: dict[tuple[str, str], State] = {}
    for told in freshness(tables, decision, facts, history, late):
        slo, calendar = known[told.table].slo, known[told.table].calendar
        if told.state.is_there or slo is None or calendar is None:
            continue
        place = (told.table, told.partition)
        found[place] = State(
            *place,
            cause_at(told.root, told.text),
            due=told.due,
            warn=slo.warn_at(calendar, told.partition),
            held=decision.held.get(place),
            fault=_fault(place, facts, history),
            planned=planned(*place),
        )
    for place in _in_trouble(tables, decision, facts):
        if place not in found:
            root = root_cause(place, known, decision, facts, history, _UTC)
            found[place] = State(
                *place,
                cause_at((root.table, root.partition), root.text),
                there=place[1] in facts.books.live(place[0]),
                held=decision.held.get(place),
                fault=_fault(place, facts, history),
                planned=planned(*place),
            )
    return list(found.values())


def _in_trouble(tables: Sequence[Scheduled], decision: Decision, facts: Facts) -> Iterator[tuple[str, str]]:
    """The partitions that were given up, and those of a table's horizon on which a blocking check failed."""
    for place, held in decision.held.items():
        if held.hold in (Hold.GIVEN_UP, Hold.UNREADABLE) and (held.table, held.partition) == place:
            yield place
    for table in tables:
        for key in table.within(table.rules.horizon, facts.now):
            if facts.blocked(table.table, key) is not None:
                yield table.table, key


def _fault(place: tuple[str, str], facts: Facts, history: History) -> Fault | None:
    check = facts.blocked(*place)
    if check is None:
        return None
    failure = history.failure(*place, "" if check == PRODUCED else check)
    return Fault(check, failure.text if failure else "it does not say why")
