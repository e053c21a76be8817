"""Dagster's own policy follows from a deadline and its cadence, or says so in another way where no cron can."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.freshness import CronFreshnessPolicy, TimeWindowFreshnessPolicy
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.automation.badge import native_policy, with_badges
from batch_platform.automation.reporting import asset_key
from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.partitions.cron import Cron
from batch_platform.schedules.slo import Slo, refuse_early_deadline
from batch_platform_tests.calendars import calendars, offsets
from batch_platform_tests.schedules.deadlines import DAYS, table_of


def policy(cadence: Cadence, ready: str, due: str, zone: str = "Europe/Berlin") -> dg.FreshnessPolicy:
    """The policy of a table."""
    start = {Cadence.HOURLY: "2026-03-01-00:00"}.get(cadence, "2026-03-01")
    return native_policy(Slo(Offset.parse(due)), Offset.parse(ready), Calendar(cadence, start, zone))


@pytest.mark.parametrize(
    ("cadence", "ready", "due", "cron", "within"),
    [
        (Cadence.HOURLY, "1h", "2h", "0 * * * *", timedelta(hours=1)),
        (Cadence.HOURLY, "1h", "+1d 06:30", "30 6 * * *", timedelta(hours=6, minutes=30)),
        (Cadence.DAILY, "-1d 18:00", "-1d 20:00", "0 20 * * *", timedelta(hours=2)),
        (Cadence.DAILY, "+1d", "30h", "0 6 * * *", timedelta(hours=6)),
        (Cadence.DAILY, "+1d", "+5d 06:00", "0 6 * * *", timedelta(days=1)),
        (Cadence.WEEKLY, "+7d", "+8d 06:00", "0 6 * * 1", timedelta(days=1, hours=6)),
        (Cadence.MONTHLY, "0d", "+1d 06:00", "0 6 2 * *", timedelta(days=1, hours=6)),
    ],
)
def test_the_cron_strikes_at_the_deadlines(
    cadence: Cadence, ready: str, due: str, cron: str, within: timedelta
) -> None:
    found = policy(cadence, ready, due)
    assert isinstance(found, CronFreshnessPolicy)
    assert (found.deadline_cron, found.lower_bound_delta, found.timezone) == (cron, within, "Europe/Berlin")


@pytest.mark.parametrize(("ready", "due"), [("-2d", "-1d 20:00"), ("+31d", "+33d 12:00")])
def test_deadlines_near_the_end_of_a_month_become_a_longest_time_between_two_events(ready: str, due: str) -> None:
    found = policy(Cadence.MONTHLY, ready, due)
    assert isinstance(found, TimeWindowFreshnessPolicy)
    assert found.fail_window.to_timedelta() > timedelta(days=31)


@given(calendars(), offsets(), offsets())
def test_every_deadline_that_can_be_met_has_a_policy(calendar: Calendar, ready: Offset, due: Offset) -> None:
    try:
        refuse_early_deadline(Slo(due), ready, calendar, "known_at")
    except (ConfigurationError, OverflowError):
        return
    assert native_policy(Slo(due), ready, calendar) is not None


@given(st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]), st.dates(date(2025, 1, 1), date(2025, 12, 31)))
def test_on_every_day_of_the_year_it_asks_at_the_deadline(zone: str, day: date) -> None:
    found = policy(Cadence.DAILY, "+1d", "+1d 06:00", zone)
    calendar = Calendar(Cadence.DAILY, "2024-01-01", zone)
    due = Slo(Offset.parse("+1d 06:00")).due_at(calendar, day.isoformat())
    assert isinstance(found, CronFreshnessPolicy)
    cron = Cron.parse(found.deadline_cron, calendar.zone, "")
    assert cron.first_after(due.astimezone(UTC) - timedelta(hours=1)) == due.astimezone(UTC)


def test_only_tables_with_an_objective_have_a_badge() -> None:
    specs = [dg.AssetSpec(asset_key(name), partitions_def=DAYS.definition) for name in ("a/b", "a/c")]
    tables = [table_of("a/b", DAYS, "+1d", Slo(Offset.parse("+1d 06:00"))), table_of("a/c", DAYS, "+1d")]
    found = with_badges(dg.Definitions(assets=specs), tables).resolve_all_asset_specs()
    assert {spec.key.to_user_string(): spec.freshness_policy is not None for spec in found} == {
        "a/b": True,
        "a/c": False,
    }
