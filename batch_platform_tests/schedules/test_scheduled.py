"""Tables as the schedule sees them: their newest partition, how far back they reach, their order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.partitions import Calendar, Offset
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import WHOLE_TABLE, Input, Scheduled, in_order
from batch_platform.timelines.lookbacks import Lookback
from batch_platform_tests.calendars import calendars
from batch_platform_tests.schedules.tables import NOW, READER, SOURCE, reader, source, undated


def test_the_newest_partition_is_the_last_that_is_ready_and_exists() -> None:
    assert source().newest(NOW) == "2025-03-09"
    assert source(ready=Offset.parse("1d 13:00")).newest(NOW) == "2025-03-08"
    # It is ready from its start on, but does not exist before its end.
    assert source(ready=Offset.parse("0d")).newest(NOW) == "2025-03-09"


@given(calendars(), st.integers(-3, 3), st.integers(0, 2000))
def test_every_partition_is_the_newest_at_some_time_and_none_before_it_is_ready(
    calendar: Calendar, days: int, hours: int
) -> None:
    ready = Offset.parse(f"{days}d 03:00")
    table = Scheduled("table", calendar, ready, Rules.declared(calendar.cadence, "table"))
    now = calendar.start_of(calendar.first).astimezone(UTC) + timedelta(hours=hours)
    newest = table.newest(now)
    assert ready.after(calendar.start_of(newest)).timestamp() <= now.timestamp()
    assert newest <= calendar.latest(now)
    following = calendar.shift(newest, 1)
    is_ready = ready.after(calendar.start_of(following)).timestamp() <= now.timestamp()
    assert not is_ready or following > calendar.latest(now)


def test_what_lies_within_begins_with_the_first_partition() -> None:
    assert source().within(Lookback(3), NOW) == ["2025-03-07", "2025-03-08", "2025-03-09"]
    assert source().within(Lookback(99), NOW)[0] == "2025-03-01"
    assert source().within(Lookback(99), datetime(2025, 2, 1, tzinfo=UTC)) == []
    assert undated().within(Lookback(1), NOW) == [WHOLE_TABLE]


def test_tables_come_after_what_they_read_and_otherwise_by_name() -> None:
    tables = [reader(), undated(), source(table="snapshots/a"), source()]
    names = [table.table for table in in_order(tables)]
    assert names.index(SOURCE) < names.index(READER)
    assert names == [table.table for table in in_order(tables[::-1])]


def test_tables_that_read_one_another_are_refused() -> None:
    circle = source(inputs=(Input(READER, lambda key: [key]),))
    with pytest.raises(ValueError):
        in_order([circle, reader()])
