"""Moments told relative to a partition's start: the notation, and what the clock changes do to it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar
from batch_platform.partitions.offsets import Offset


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-1d 18:00", "2025-01-05T18:00"),
        ("+1d", "2025-01-07T00:00"),
        ("6h", "2025-01-06T06:00"),
        ("-6h", "2025-01-05T18:00"),
        ("06:00", "2025-01-06T06:00"),
        ("6:00", "2025-01-06T06:00"),
        (" 2d 3h 12:30 ", "2025-01-08T15:30"),
        ("0d", "2025-01-06T00:00"),
    ],
)
def test_offsets_that_are_understood(text: str, expected: str) -> None:
    assert Offset.parse(text).after(datetime(2025, 1, 6)) == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "d",
        "1",
        "-1",
        "1w",
        "1.5d",
        "25:00",
        "12:60",
        "18:5",
        "12:00 -1d",
        "1d 1d",
        "-",
        "\u0663d",
        "1d\n2d",
        "noon",
    ],
)
def test_offsets_that_are_not(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Offset.parse(text)


def test_offsets_keep_the_wall_clock_across_clock_changes() -> None:
    start = datetime(2025, 3, 10, tzinfo=ZoneInfo("America/New_York"))
    assert Offset.parse("-1d 18:00").after(start).isoformat() == "2025-03-09T18:00:00-04:00"
    assert Offset.parse("-2d 18:00").after(start).isoformat() == "2025-03-08T18:00:00-05:00"


def test_hours_of_an_offset_are_hours_of_real_time() -> None:
    """An hourly partition is over an hour after it begins, also where the clock is moved in it."""
    hours = Calendar(Cadence.HOURLY, "2025-01-01-00:00", "America/New_York")
    one = Offset.parse("1h")
    for key in ("2025-11-02-01:00", "2025-11-02-01:00-0500", "2025-03-09-01:00"):
        window = hours.window(key)
        assert one.after(hours.start_of(key)).timestamp() == window.end.timestamp()
        assert Offset.parse("0h").after(hours.start_of(key)).timestamp() == window.start.timestamp()
