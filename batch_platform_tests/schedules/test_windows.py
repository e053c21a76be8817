"""Windows, blackouts and maintenance together: whether something is closed, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.schedules.holds import ALL_WINDOWS
from batch_platform.schedules.spans import Span, parse_span
from batch_platform.schedules.windows import Maintenance, Named, Windows, refuse_unknown_window
from batch_platform_tests.schedules.test_spans import MOMENTS, nights

NIGHT = parse_span("night", begins="22:00", ends="06:00")
EARLY = parse_span("early", begins="06:00", ends="08:00")
LATE = parse_span("late", begins="05:00", ends="09:00")
HOLIDAYS = parse_span("holidays", begins="2026-12-24", ends="2026-12-27")


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _named(*spans: Span, name: str = "off_peak") -> tuple[Named, ...]:
    return (Named(name, spans),)


def test_without_a_declaration_nothing_is_ever_closed() -> None:
    windows = Windows()
    assert windows.closed_until(ALL_WINDOWS, _utc("2026-12-24 10:00")) is None
    assert windows.in_maintenance(_utc("2026-12-24 10:00")) is None
    assert not windows.silent(_utc("2026-12-24 10:00"))


def test_a_window_is_closed_until_it_opens() -> None:
    windows = Windows(windows=_named(NIGHT))
    assert windows.closed_until("off_peak", _utc("2026-06-05 12:00")) == _utc("2026-06-05 22:00")
    assert windows.closed_until("off_peak", _utc("2026-06-05 22:00")) is None
    assert windows.closed_until(ALL_WINDOWS, _utc("2026-06-05 12:00")) is None


def test_a_blackout_closes_windows_and_what_has_none_but_is_no_maintenance() -> None:
    windows = Windows(windows=_named(NIGHT), blackouts=_named(HOLIDAYS, name="holidays"))
    assert windows.closed_until(ALL_WINDOWS, _utc("2026-12-25 12:00")) == _utc("2026-12-27 00:00")
    assert windows.closed_until("off_peak", _utc("2026-12-25 23:00")) == _utc("2026-12-27 00:00")
    assert not windows.silent(_utc("2026-12-25 12:00"))


def test_maintenance_closes_everything_and_is_silent() -> None:
    windows = Windows(maintenance=_named(HOLIDAYS, name="move"))
    assert windows.closed_until(ALL_WINDOWS, _utc("2026-12-25 12:00")) == _utc("2026-12-27 00:00")
    assert windows.silent(_utc("2026-12-25 12:00"))
    found = windows.in_maintenance(_utc("2026-12-25 12:00"))
    assert found == Maintenance("move", _utc("2026-12-24 00:00"), _utc("2026-12-27 00:00"))


def test_stretches_that_follow_one_another_or_overlap_are_one() -> None:
    adjacent = Windows(blackouts=_named(NIGHT, EARLY))
    assert adjacent.closed_until(ALL_WINDOWS, _utc("2026-06-05 23:00")) == _utc("2026-06-06 08:00")
    overlapping = Windows(maintenance=(Named("first", (NIGHT,)), Named("second", (LATE,))))
    found = overlapping.in_maintenance(_utc("2026-06-05 23:00"))
    assert found is not None and found.name == "first" and found.until == _utc("2026-06-06 09:00")
    window = Windows(windows=_named(NIGHT, LATE))
    assert window.closed_until("off_peak", _utc("2026-06-06 08:30")) is None


def test_a_window_that_opens_within_a_blackout_is_closed_until_that_ends() -> None:
    windows = Windows(windows=_named(EARLY), blackouts=_named(NIGHT, parse_span("b", begins="06:00", ends="07:00")))
    assert windows.closed_until("off_peak", _utc("2026-06-05 23:00")) == _utc("2026-06-06 07:00")


def test_a_window_that_its_blackouts_never_leave_open_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="window 'off_peak' never opens"):
        Windows(windows=_named(EARLY), blackouts=_named(LATE, name="mornings"))


def test_a_blackout_without_end_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="never end"):
        Windows(blackouts=_named(parse_span("always", cron="0 * * * *", lasts="1h")))


def test_a_name_stands_for_one_window() -> None:
    with pytest.raises(ConfigurationError, match="window 'off_peak' is declared twice"):
        Windows(windows=(*_named(NIGHT), *_named(LATE)))


def test_an_unknown_window_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"no batch window 'lunch' \(there are off_peak"):
        Windows(windows=_named(NIGHT)).closed_until("lunch", _utc("2026-06-05 12:00"))


def test_a_table_may_name_a_window_that_is_declared_or_none() -> None:
    windows = Windows(windows=_named(NIGHT))
    refuse_unknown_window("off_peak", windows, "features/orders")
    refuse_unknown_window("", windows, "features/orders")
    with pytest.raises(ConfigurationError) as refused:
        refuse_unknown_window("nonsense", windows, "features/orders, automation")
    assert str(refused.value) == (
        "features/orders, automation: there is no batch window 'nonsense' "
        "(there are off_peak; batch_platform.Operations has them)"
    )
    with pytest.raises(ConfigurationError, match="there are none"):
        refuse_unknown_window("off_peak", Windows(), "")


def test_the_end_of_a_dated_blackout_is_found_however_far_it_is() -> None:
    long = parse_span("long", begins="2026-01-01", ends="2031-01-01")
    assert Windows(blackouts=_named(long)).closed_until("", _utc("2026-06-01 00:00")) == _utc("2031-01-01 00:00")


@given(st.lists(nights(), min_size=1, max_size=3), st.lists(nights(), max_size=1), MOMENTS)
def test_it_stays_closed_until_then_and_is_open_then(
    opening: list[Span], closing: list[Span], moment: datetime
) -> None:
    try:
        windows = Windows(windows=_named(*opening), blackouts=_named(*closing, name="closing"))
    except ConfigurationError:
        return  # the blackout covers the window every day
    until = windows.closed_until("off_peak", moment)
    if until is None:
        return
    assert until > moment
    assert windows.closed_until("off_peak", until) is None
    for share in (0.0, 0.25, 0.5, 0.75):
        assert windows.closed_until("off_peak", moment + (until - moment) * share) == until
    assert windows.closed_until("off_peak", until - timedelta(seconds=1)) == until


@given(st.lists(nights(), min_size=1, max_size=2), MOMENTS)
def test_maintenance_encloses_its_moments(spans: list[Span], moment: datetime) -> None:
    try:
        windows = Windows(maintenance=_named(*spans, name="weekly"))
    except ConfigurationError:
        return  # together they leave no moment
    found = windows.in_maintenance(moment)
    closed = windows.closed_until(ALL_WINDOWS, moment)
    assert windows.silent(moment) is (found is not None)
    if found is not None:
        assert found.since <= moment < found.until
        assert closed == found.until
    else:
        assert closed is None
