"""Stretches that vary: what is never known too late, whatever a partition sees."""

from __future__ import annotations

from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.timelines.lookbacks import Lookback
from batch_platform.timelines.varying import Varying, offsets, unknown

DAYS = Calendar(Cadence.DAILY, "2024-01-01")
WEEKS = Calendar(Cadence.WEEKLY, "2024-01-07")
MONTHS = Calendar(Cadence.MONTHLY, "2024-01-01")
AT_ONCE, NEXT_DAY = Offset.parse("0d"), Offset.parse("1d")


def rule(source: Calendar, reader: Calendar, available: Offset, known_at: Offset, days: int | None = None) -> Varying:
    lookback = None if days is None else Lookback(days)
    return Varying(source, available, reader, known_at, lookback)


def test_a_month_sees_its_own_days() -> None:
    seen = rule(DAYS, MONTHS, AT_ONCE, NEXT_DAY)
    assert [len(seen.keys(month)) for month in ("2024-02-01", "2024-04-01", "2025-02-01")] == [29, 30, 28]
    assert seen.keys("2024-02-01")[0] == "2024-02-01" and offsets(seen) == (0, 0)


def test_what_lies_before_the_inputs_start_is_seen_by_no_one() -> None:
    seen = rule(DAYS, WEEKS, NEXT_DAY, AT_ONCE, 10)
    assert seen.ends("2024-01-07") == ("2023-12-28", "2024-01-06")
    assert seen.keys("2024-01-07") == [f"2024-01-0{day}" for day in range(1, 7)]


def test_how_many_are_unknown_is_that_of_the_worst_partition() -> None:
    """At the month's beginning none of its 28 to 31 days is known; a day after its end all are, and some beyond."""
    assert unknown(rule(DAYS, MONTHS, NEXT_DAY, AT_ONCE)) == 31
    assert unknown(rule(DAYS, MONTHS, NEXT_DAY, Offset.parse("31d"))) == 0
    assert unknown(rule(DAYS, MONTHS, NEXT_DAY, Offset.parse("30d"))) == 1


def test_a_lookback_never_reaches_beyond_what_is_known_or_the_readers_own_end() -> None:
    late = rule(DAYS, WEEKS, Offset.parse("3d"), NEXT_DAY, 2)
    assert late.ends("2024-03-03") == ("2024-02-29", "2024-03-01")
    early = rule(DAYS, WEEKS, Offset.parse("-30d"), NEXT_DAY, 2)
    assert early.ends("2024-03-03") == ("2024-03-08", "2024-03-09")
    assert unknown(late) <= 0 and offsets(late) == (-1, -1)
