"""A partition's window as values of a watermark."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Window
from batch_platform.snapshots.watermark import bounds, needed, wall_clock
from batch_platform_tests.snapshots.asking import BERLIN, DAY

NEW_YORK = ZoneInfo("America/New_York")


def test_moments_are_compared_in_utc() -> None:
    assert bounds(pa.timestamp("us", "UTC"), DAY, None, "t") == (
        datetime(2026, 1, 4, 23, tzinfo=UTC),
        datetime(2026, 1, 5, 23, tzinfo=UTC),
    )


def test_times_without_zone_are_compared_with_the_clock_of_their_zone() -> None:
    clock = datetime(2026, 1, 4, 18), datetime(2026, 1, 5, 18)
    assert bounds(pa.timestamp("us"), DAY, "America/New_York", "t") == clock


def test_dates_are_those_of_the_partitions_unless_a_zone_is_declared() -> None:
    assert bounds(pa.date32(), DAY, None, "t") == (date(2026, 1, 5), date(2026, 1, 6))
    other = Window(datetime(2026, 1, 5, tzinfo=NEW_YORK), datetime(2026, 1, 6, tzinfo=NEW_YORK))
    assert bounds(pa.date32(), other, "America/New_York", "t") == (date(2026, 1, 5), date(2026, 1, 6))
    with pytest.raises(ConfigurationError, match="begins within a day"):
        bounds(pa.date32(), other, "Europe/Berlin", "t")


@pytest.mark.parametrize("kind", [pa.int64(), pa.string(), None])
def test_other_types_are_refused(kind: pa.DataType | None) -> None:
    with pytest.raises(ConfigurationError, match="expected a time or a date"):
        bounds(kind, DAY, None, "t")


@given(start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)), minutes=st.sampled_from([60, 1440, 10080]))
def test_no_clock_time_belongs_to_two_windows_or_to_none(start: datetime, minutes: int) -> None:
    first = start.replace(minute=0, second=0, microsecond=0, tzinfo=UTC)
    edges = [(first + timedelta(minutes=minutes * step)).astimezone(BERLIN) for step in range(4)]
    windows = [wall_clock(Window(*pair), "Europe/Berlin") for pair in pairwise(edges)]
    assert all(earlier[1] == later[0] for earlier, later in pairwise(windows))


def test_what_needs_a_window_says_so() -> None:
    assert needed(DAY, "t", "it") is DAY
    with pytest.raises(ConfigurationError, match="it, but the snapshot has no partitions"):
        needed(None, "t", "it")
