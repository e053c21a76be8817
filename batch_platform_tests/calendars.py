"""Calendars and offsets of all kinds, which the property tests draw from."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from batch_platform.partitions import Cadence, Calendar, Offset, Window

MIDNIGHT_GAPS = ["America/Havana", "America/Santiago", "Africa/Cairo", "Asia/Beirut"]
"""Some days begin at one; in autumn an hour next to midnight comes twice."""

HOURLY_ZONES = [
    "UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney", "America/St_Johns",
    "Atlantic/Azores", "Africa/Casablanca", *MIDNIGHT_GAPS,
]  # fmt: skip
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Sydney", "Australia/Lord_Howe"]
DATES = st.dates(date(2015, 1, 1), date(2034, 12, 31))


def calendar_from(cadence: Cadence, start: date, zone: str, ahead: int = 0, hour: int = 0) -> Calendar:
    """The calendar of this cadence from a date on, where it is hourly from an hour on."""
    text = f"{start.isoformat()}-{hour:02}:00" if cadence is Cadence.HOURLY else start.isoformat()
    return Calendar(cadence, text, zone, ahead)


def keys_within(calendar: Calendar, window: Window) -> list[str]:
    """The partitions of a calendar that begin within `window`, in order; none before its first."""
    last = calendar.shift(calendar.key_from(window.end), -1)
    return calendar.keys_between(max(calendar.key_from(window.start), calendar.first), last)


@st.composite
def calendars(draw: st.DrawFn, zones: tuple[str, ...] = (*ZONES, *MIDNIGHT_GAPS)) -> Calendar:
    """Any cadence from any date on, also one on which no week or month begins."""
    cadence = draw(st.sampled_from(Cadence))
    zone = draw(st.sampled_from(HOURLY_ZONES if cadence is Cadence.HOURLY else zones))
    return calendar_from(cadence, draw(DATES), zone, draw(st.integers(0, 3)), draw(st.integers(0, 23)))


@st.composite
def offsets(draw: st.DrawFn) -> Offset:
    """Any offset of some weeks."""
    days, hours = draw(st.integers(-40, 70)), draw(st.integers(-80, 80))
    clock = draw(st.none() | st.times().map(lambda t: f"{t:%H:%M}"))
    parts = [f"{days:+}d" if draw(st.booleans()) else "", f"{hours}h" if draw(st.booleans()) else "", clock or ""]
    return Offset.parse(" ".join(part for part in parts if part) or "0d")
