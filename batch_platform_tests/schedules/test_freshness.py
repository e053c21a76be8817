"""Each partition is judged by its own deadline and by what its table holds of it, in any cadence and zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.facts import Facts, Read
from batch_platform.schedules.freshness import State, freshness, judged_keys, next_due
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.slo import Slo
from batch_platform_tests.calendars import HOURLY_ZONES, ZONES, calendar_from
from batch_platform_tests.schedules.deadlines import DAYS, Past, Shelf, decided, table_of

SLO = Slo(Offset.parse("+1d 10:00"), Offset.parse("+1d 09:00"))
TABLE = table_of("snapshots/a", DAYS, "+1d 06:00", SLO)


def at(text: str) -> datetime:
    """A moment on the wall clock of the days' zone."""
    return datetime.fromisoformat(text).replace(tzinfo=DAYS.zone).astimezone(UTC)


def states(table: Scheduled, shelf: Shelf, now: datetime, past: Past | None = None) -> dict[str, State]:
    """How the table's partitions stand."""
    decision, facts = decided([table], Facts(now, shelf))
    return {told.partition: told.state for told in freshness([table], decision, facts, past)}


def test_a_missing_partition_is_due_then_warned_then_overdue_to_the_second() -> None:
    moments = {
        "2026-03-06T08:59:59": State.DUE,
        "2026-03-06T09:00": State.WARNED,
        "2026-03-06T09:59:59": State.WARNED,
        "2026-03-06T10:00": State.OVERDUE,
    }
    shelf = Shelf()
    shelf.put(TABLE.table, "2026-03-04")
    assert {moment: states(TABLE, shelf, at(moment))["2026-03-05"] for moment in moments} == moments
    shelf.put(TABLE.table, "2026-03-05")
    assert {states(TABLE, shelf, at(moment))["2026-03-05"] for moment in moments} == {State.FRESH}


def test_a_hole_in_the_middle_is_overdue_and_today_stays_missing_whatever_is_made_beside_it() -> None:
    shelf = Shelf()
    shelf.put(TABLE.table, "2026-03-01", "2026-03-02", "2026-03-04", "2026-03-05")
    found = states(TABLE, shelf, at("2026-03-07T11:00"))
    assert [key for key, state in found.items() if state is State.OVERDUE] == ["2026-03-03", "2026-03-06"]
    shelf.put(TABLE.table, "2026-03-03")
    assert states(TABLE, shelf, at("2026-03-07T11:00")) == {**found, "2026-03-03": State.FRESH}


def test_what_was_late_is_told_with_how_late_it_came() -> None:
    shelf, past = Shelf(), Past()
    shelf.put(TABLE.table, "2026-03-04", "2026-03-05")
    past.first = {
        (TABLE.table, "2026-03-04"): at("2026-03-05T09:30"),
        (TABLE.table, "2026-03-05"): at("2026-03-06T12:30"),
    }
    decision, facts = decided([TABLE], Facts(at("2026-03-07T07:00"), shelf))
    found = {told.partition: told for told in freshness([TABLE], decision, facts, past)}
    assert (found["2026-03-05"].state, found["2026-03-05"].by) == (State.FRESH, timedelta(hours=2, minutes=30))
    assert not found["2026-03-04"].late
    overdue = found["2026-03-03"]
    assert (overdue.since, overdue.by) == (overdue.due, timedelta(days=2, hours=21))


def test_a_partition_that_was_overdue_is_judged_beyond_the_horizon_until_it_is_there() -> None:
    shelf, long_after = Shelf(), at("2026-04-20T11:00")
    late = [(TABLE.table, "2026-03-03")]

    def judged() -> dict[str, State]:
        decision, facts = decided([TABLE], Facts(long_after, shelf))
        return {told.partition: told.state for told in freshness([TABLE], decision, facts, late=late)}

    assert "2026-03-03" not in states(TABLE, shelf, long_after)
    assert judged()["2026-03-03"] is State.OVERDUE
    shelf.put(TABLE.table, "2026-03-03")
    assert judged()["2026-03-03"] is State.FRESH


@pytest.mark.parametrize("key", ["", "yesterday", "2026-02-27", "2026-03-03-01:00"])
def test_what_the_table_never_had_or_has_no_more_is_not_remembered(key: str) -> None:
    decision, facts = decided([TABLE], Facts(at("2026-03-05T11:00"), Shelf()))
    assert key not in [told.partition for told in freshness([TABLE], decision, facts, late=[(TABLE.table, key)])]


def test_what_was_made_from_something_else_is_outdated_although_it_is_there() -> None:
    reader = table_of("features/b", DAYS, "+1d 08:00", SLO, reads=["snapshots/a"])
    source = table_of("snapshots/a", DAYS, "+1d 06:00")
    shelf = Shelf()
    shelf.put("snapshots/a", "2026-03-04", "2026-03-05")
    shelf.put("features/b", "2026-03-04", reads={"snapshots/a": Read(("2026-03-04", "2026-03-04"), "another")})
    same = {"snapshots/a": Read(("2026-03-05", "2026-03-05"), "snapshots/a2026-03-05")}
    shelf.put("features/b", "2026-03-05", reads=same)
    decision, facts = decided([source, reader], Facts(at("2026-03-06T09:30"), shelf))
    found = {told.partition: told.state for told in freshness([source, reader], decision, facts)}
    assert (found["2026-03-04"], found["2026-03-05"]) == (State.OUTDATED, State.FRESH)


def test_tables_without_an_objective_are_not_judged() -> None:
    table = table_of("snapshots/a", DAYS, "+1d 06:00")
    assert judged_keys(table, at("2026-03-05T11:00")) == []
    assert states(table, Shelf(), at("2026-03-05T11:00")) == {}
    with pytest.raises(ValueError, match="no deadline"):
        next_due(table, at("2026-03-05T11:00"))


def test_a_deadline_stays_at_its_hour_when_the_clock_is_changed() -> None:
    """Berlin's clock goes forward on 2026-03-29."""
    shelf = Shelf()
    for day in ("2026-03-27", "2026-03-28", "2026-03-29"):
        due = datetime.combine(date.fromisoformat(day) + timedelta(days=1), datetime.min.time().replace(hour=10))
        due = due.replace(tzinfo=DAYS.zone).astimezone(UTC)
        assert states(TABLE, shelf, due)[day] is State.OVERDUE
        assert states(TABLE, shelf, due - timedelta(seconds=1))[day] is State.WARNED


PROMISES = {
    Cadence.HOURLY: [("1h", "2h", "2h"), ("1h", "5h", "3h"), ("1h", "+2d 06:00", "+2d")],
    Cadence.DAILY: [("-1d 18:00", "-1d 20:00", "-1d 19:30"), ("+1d", "+1d 06:00", "+1d 05:00"), ("1d", "+9d", "3d")],
    Cadence.WEEKLY: [("+7d", "+8d 06:00", "+8d"), ("0d", "+1d 12:00", "+1d"), ("+7d", "+30d", "+20d")],
    Cadence.MONTHLY: [("+31d", "+33d 12:00", "+33d"), ("-2d", "-1d 20:00", "-1d"), ("0d", "6h", "5h")],
}


@st.composite
def tables(draw: st.DrawFn) -> Scheduled:
    """A source of any cadence and zone with a deadline."""
    cadence = draw(st.sampled_from(Cadence))
    zone = draw(st.sampled_from(HOURLY_ZONES if cadence is Cadence.HOURLY else ZONES))
    calendar = calendar_from(cadence, draw(st.dates(date(2024, 1, 1), date(2024, 3, 1))), zone, draw(st.integers(0, 2)))
    ready, due, warn = draw(st.sampled_from(PROMISES[cadence]))
    slo = Slo(Offset.parse(due), draw(st.sampled_from([None, Offset.parse(warn)])))
    return table_of("snapshots/a", calendar, ready, slo, horizon=draw(st.integers(1, 10)))


# Around both clock changes of a year, and before the first partition.
MOMENTS = st.datetimes(datetime(2023, 12, 1), datetime(2025, 12, 31), timezones=st.just(UTC))


@given(tables(), MOMENTS)
def test_the_partition_that_is_due_next_is_always_among_those_that_are_judged(table: Scheduled, now: datetime) -> None:
    coming, slo, calendar = next_due(table, now), table.slo, table.calendar
    assert slo is not None and calendar is not None
    assert slo.due_at(calendar, coming).timestamp() > now.timestamp()
    before = calendar.shift(coming, -1)
    assert before < calendar.first or slo.due_at(calendar, before).timestamp() <= now.timestamp()
    keys = judged_keys(table, now)
    assert coming in keys
    assert keys == calendar.keys_between(keys[0], keys[-1]) and keys[0] >= calendar.first
    assert set(table.within(table.rules.horizon, now)) <= set(keys)


@given(tables(), MOMENTS, st.data())
def test_a_state_follows_from_its_own_partition_alone(table: Scheduled, now: datetime, data: st.DataObject) -> None:
    keys = judged_keys(table, now)
    shelf = Shelf()
    shelf.put(table.table, *data.draw(st.sets(st.sampled_from(keys))))
    found = states(table, shelf, now)
    slo, calendar = table.slo, table.calendar
    assert slo is not None and calendar is not None
    for key, state in found.items():
        there = key in shelf.live(table.table)
        past = slo.due_at(calendar, key).timestamp() <= now.timestamp()
        assert state.is_there == there
        assert (state is State.OVERDUE) == (past and not there)
        assert state is not State.WARNED or slo.warn is not None
    another = data.draw(st.sampled_from([*keys, calendar.shift(keys[0], -40)]))
    shelf.put(table.table, another)
    after = states(table, shelf, now)
    assert {**after, another: State.FRESH} == {**found, another: State.FRESH}


@given(tables(), st.data())
def test_without_events_a_missing_partition_only_ever_gets_later(table: Scheduled, data: st.DataObject) -> None:
    key = judged_keys(table, datetime(2024, 6, 1, tzinfo=UTC))[0]
    moments = sorted(data.draw(st.lists(MOMENTS, min_size=2, max_size=5)))
    order = [State.DUE, State.WARNED, State.OVERDUE]
    seen = []
    for now in moments:
        decision, facts = decided([table], Facts(now, Shelf()))
        late = [(table.table, key)]
        told = next(told for told in freshness([table], decision, facts, late=late) if told.partition == key)
        seen.append((order.index(told.state), told.by))
    assert seen == sorted(seen)


def test_calendars_that_exist_ahead_and_those_that_do_not_have_a_next_partition() -> None:
    """A day is due on the day after, so the next one that is due has not ended, and does not exist for Dagster yet."""
    now = at("2026-03-06T11:00")
    assert next_due(TABLE, now) == "2026-03-06" > Calendar.latest(DAYS, now)
