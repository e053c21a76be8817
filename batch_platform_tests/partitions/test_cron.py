"""Cron expressions are read as Dagster's schedules read them; what never strikes is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.partitions.cron import Cron
from batch_platform_tests.calendars import ZONES

NEW_YORK = ZoneInfo("America/New_York")
EXPRESSIONS = ["0 22 * * 1-5", "30 2 * * *", "*/15 * * * *", "0 0 1 * *", "0 4 * * SUN", "0 0 29 2 *", "0 0 L * *"]


@pytest.mark.parametrize(
    "text", ["nonsense", "", "61 * * * *", "* * * *", "0 0 * * * *", "@daily", "0 0 * * FUNDAY", "\x00 * * * *"]
)
def test_nonsense_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no cron expression") as refused:
        Cron.parse(text, NEW_YORK, "window night")
    assert str(refused.value).startswith("window night: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["0 0 31 4 *", "0 0 31 2,4,6 *"])
def test_what_never_strikes_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="never strikes"):
        Cron.parse(text, NEW_YORK, "window night")


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_it_strikes_when_dagsters_public_calendars_would(text: str) -> None:
    """A change of the private reading would show here."""
    begin, fmt = datetime(2026, 3, 6, tzinfo=NEW_YORK), "%Y-%m-%d %H:%M"
    told = dg.TimeWindowPartitionsDefinition(
        start=begin.replace(tzinfo=None), fmt=fmt, cron_schedule=text, timezone="America/New_York"
    ).get_partition_keys(current_time=begin + timedelta(days=40))
    cron, moment, struck = Cron.parse(text, NEW_YORK, ""), begin - timedelta(seconds=1), []
    for _ in told:
        found = cron.first_after(moment)
        assert found is not None
        struck.append(found.astimezone(NEW_YORK).strftime(fmt))
        moment = found
    assert struck == list(told)


def test_a_time_that_is_skipped_strikes_when_the_clock_is_set_forward_and_one_that_repeats_strikes_once() -> None:
    forward = Cron.parse("30 2 * * *", NEW_YORK, "").first_after(datetime(2026, 3, 8, 4, tzinfo=UTC))
    assert forward == datetime(2026, 3, 8, 7, tzinfo=UTC)
    twice = Cron.parse("30 1 * * *", NEW_YORK, "")
    assert twice.first_after(datetime(2026, 11, 1, 4, tzinfo=UTC)) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from(ZONES),
    st.datetimes(datetime(2015, 1, 1), datetime(2034, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
)
def test_the_strike_before_and_the_one_after_enclose_any_moment(text: str, zone: str, moment: datetime) -> None:
    cron = Cron.parse(text, ZoneInfo(zone), "")
    latest, coming = cron.latest_at(moment), cron.first_after(moment)
    assert latest is not None and coming is not None
    assert latest <= moment < coming
    assert cron.latest_at(latest) == latest
    assert cron.first_after(latest) == coming
