"""From what a schedule knows to states: which partitions are looked at, and the cause of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from batch_platform.alerts.reading import states_of, watched_tables
from batch_platform.alerts.states import State
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.decision import decide
from batch_platform.schedules.facts import Facts, Made
from batch_platform.schedules.history import Failure, NoHistory
from batch_platform.schedules.holds import Hold
from batch_platform.schedules.memory import Memory, Tried
from batch_platform.schedules.owed import owed
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Input, Scheduled
from batch_platform.schedules.slo import Slo
from batch_platform_tests.alerts.cases import DELAYS, FEATURES, FLIGHTS

NOW = datetime(2026, 3, 3, 6, 30, tzinfo=UTC)
DAYS = Calendar(Cadence.DAILY, "2026-03-01")
MON, TUE = "2026-03-01", "2026-03-02"


@dataclass
class Books:
    """What tables hold: their keys, all with the same content."""

    held: dict[str, set[str]] = field(default_factory=dict)

    def live(self, table: str) -> AbstractSet[str]:
        return self.held.get(table, set())

    def made(self, table: str, keys: Iterable[str]) -> dict[str, Made]:
        return {key: Made("d") for key in keys if key in self.live(table)}

    def stretch(self, table: str, first: str, last: str) -> list[str]:
        return ["d" for key in sorted(self.live(table)) if first <= key <= last]


@dataclass
class Failed(NoHistory):
    """Whatever was tried has failed."""

    text: str = "disk full"

    def failure(self, table: str, partition: str, check: str) -> Failure | None:
        return Failure(self.text)


def scheduled(name: str, *reads: str, due: str = "", source: bool = False) -> Scheduled:
    inputs = tuple(Input(read, lambda key: [key]) for read in reads)
    slo = Slo(Offset.parse(due), Offset.parse("+1d 05:00"), critical=True) if due else None
    rules = Rules.declared(Cadence.DAILY, name)
    return Scheduled(
        name, DAYS, Offset.parse("+1d"), rules, inputs=inputs, slo=slo, owners=("team:a",), pipeline="p", source=source,
        watched=source,
    )  # fmt: skip


TABLES = [scheduled(FLIGHTS, source=True), scheduled(FEATURES, FLIGHTS), scheduled(DELAYS, FEATURES, due="+1d 06:00")]


def states(
    held: dict[str, set[str]],
    *,
    now: datetime = NOW,
    blocked: dict[tuple[str, str], str] | None = None,
    memory: Memory | None = None,
    planned: Callable[[str, str], bool] = lambda _, __: False,
    late: tuple[tuple[str, str], ...] = (),
    unwatched: AbstractSet[str] = frozenset(),
) -> dict[tuple[str, str], State]:
    facts = Facts(now, Books(held), {FLIGHTS: {}}, unwatched, blocked=lambda *place: (blocked or {}).get(place))
    decision = decide(TABLES, facts, memory or Memory())
    return {one.place: one for one in states_of(TABLES, decision, facts, Failed(), planned, late)}


def test_what_alerts_must_know_of_a_table_is_what_it_declares() -> None:
    found = watched_tables(TABLES)
    assert (found[DELAYS].owners, found[DELAYS].pipeline, found[DELAYS].critical) == (("team:a",), "p", True)
    assert not found[FEATURES].critical


def test_a_partition_that_is_missing_has_its_deadline_and_the_cause_at_the_end_of_the_chain() -> None:
    found = states({FLIGHTS: {MON}, FEATURES: {MON}, DELAYS: {MON}})
    state = found[DELAYS, TUE]
    assert (state.due, state.warn) == (datetime(2026, 3, 3, 6, tzinfo=UTC), datetime(2026, 3, 3, 5, tzinfo=UTC))
    assert (state.cause.key, state.cause.partition, state.cause.passing) == (FLIGHTS, TUE, False)
    assert (DELAYS, MON) not in found


def test_what_starts_now_is_work_that_goes_on() -> None:
    found = states({FLIGHTS: {MON, TUE}, FEATURES: {MON, TUE}, DELAYS: {MON}})
    assert found[DELAYS, TUE].cause.passing


def test_a_source_that_nobody_has_looked_at_yet_is_about_to_be_looked_at() -> None:
    assert states({}, unwatched={FLIGHTS})[DELAYS, TUE].cause.passing
    assert not states({}, unwatched={"snapshots/others"})[DELAYS, TUE].cause.passing


def test_where_all_is_there_nothing_is_said_but_of_what_is_due_next() -> None:
    everything = {table.table: {MON, TUE} for table in TABLES}
    assert {place for place in states(everything) if place[1] <= TUE} == set()


def test_a_partition_that_was_given_up_says_so_though_it_has_no_deadline() -> None:
    facts = Facts(NOW, Books({FLIGHTS: {MON, TUE}}), {FLIGHTS: {}})
    cause = owed(TABLES[1], facts)[TUE].cause
    memory = Memory({(FEATURES, TUE): Tried(cause, 4, NOW - timedelta(hours=3))}, 1)
    held = {FLIGHTS: {MON, TUE}}
    state = states(held, memory=memory, blocked={(FEATURES, TUE): "produced"})[FEATURES, TUE]
    assert state.held is not None
    assert state.held.hold is Hold.GIVEN_UP
    assert state.fault is not None
    assert state.fault.text == "disk full"
    assert not state.goes_on


def test_a_failed_check_on_what_is_there_is_a_state_of_its_own() -> None:
    everything = {table.table: {MON, TUE} for table in TABLES}
    state = states(everything, blocked={(FEATURES, MON): "ledger"})[FEATURES, MON]
    assert state.there
    assert state.fault is not None
    assert (state.fault.check, state.cause.key) == ("ledger", FEATURES)


def test_what_a_backfill_is_to_make_is_planned() -> None:
    found = states({}, planned=lambda table, key: (table, key) == (DELAYS, MON))
    assert (found[DELAYS, MON].planned, found[DELAYS, TUE].planned) == (True, False)


def test_what_was_overdue_stays_so_when_it_leaves_the_horizon() -> None:
    later = NOW + timedelta(days=30)
    assert (DELAYS, MON) not in states({}, now=later)
    assert states({}, now=later, late=((DELAYS, MON),))[DELAYS, MON].cause.text.startswith(f"{DELAYS}[{MON}]")
