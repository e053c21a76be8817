"""Dagster's own freshness policy of tables with an objective: the badge in its lists and graphs.

Dagster holds the newest event of any partition against it: a backfill of last year makes the badge green, and a table
that was never made has none. The check `on_time` judges each partition; the badge is there for who knows Dagster.

Belongs here: the policy that comes closest to an objective. Does not belong here: judging partitions.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import lru_cache

import dagster as dg

from batch_platform.automation.reporting import asset_key
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.slo import Slo

_SAMPLES = {Cadence.HOURLY: 48, Cadence.DAILY: 21, Cadence.WEEKLY: 6, Cadence.MONTHLY: 14}
_SAMPLED_FROM = datetime(2025, 5, 1)
"""Weeks in which hardly any clock is changed: a cron follows the wall clock, hours of an offset do not."""

_SHORTEST = {
    Cadence.HOURLY: timedelta(hours=1),
    Cadence.DAILY: timedelta(days=1),
    Cadence.WEEKLY: timedelta(days=7),
    Cadence.MONTHLY: timedelta(days=28),
}
_LONGEST = {**_SHORTEST, Cadence.MONTHLY: timedelta(days=31)}
_MINUTE = timedelta(minutes=1)


def with_badges(pipelines: dg.Definitions, tables: Iterable[Scheduled]) -> dg.Definitions:
    """The same definitions, with a freshness policy for each table with an objective."""
    policies = {
        asset_key(table.table): native_policy(table.slo, table.ready, table.calendar)
        for table in tables
        if table.slo is not None and table.calendar is not None
    }
    if not policies:
        return pipelines
    return pipelines.map_asset_specs(
        func=lambda spec: spec.replace_attributes(freshness_policy=policies[spec.key]) if spec.key in policies else spec
    )


# Many tables have the same objective, and Dagster goes through years of a cron's strikes for each.
@lru_cache(maxsize=256)
def native_policy(slo: Slo, ready: Offset, calendar: Calendar) -> dg.FreshnessPolicy:
    """The policy that comes closest to an objective.

    At each deadline it asks for an event since the partition can be made. Deadlines that no cron can tell, such as
    those counted back from the end of a month, become a longest time between two events.

    Args:
        slo: the objective.
        ready: when a partition can be made at the earliest.
        calendar: the partitions.
    """
    first = calendar.key_at(_SAMPLED_FROM.replace(tzinfo=calendar.zone))
    keys = [calendar.shift(first, step) for step in range(_SAMPLES[calendar.cadence])]
    time_to_make = min(
        timedelta(seconds=slo.due_at(calendar, key).timestamp() - ready.after(calendar.start_of(key)).timestamp())
        for key in keys
    )
    cron = _cron([slo.due_at(calendar, key) for key in keys], calendar.cadence)
    if cron is None:
        return dg.FreshnessPolicy.time_window(_LONGEST[calendar.cadence] + time_to_make)
    text, interval = cron
    within = max(_MINUTE, min(time_to_make, interval))
    return dg.FreshnessPolicy.cron(text, within, calendar.timezone)


def _cron(deadlines: list[datetime], cadence: Cadence) -> tuple[str, timedelta] | None:
    """The cron expression that strikes at all of these, and the shortest time between two of its strikes."""
    minutes, hours = {due.minute for due in deadlines}, {due.hour for due in deadlines}
    weekdays, days = {due.isoweekday() % 7 for due in deadlines}, {due.day for due in deadlines}
    if len(minutes) > 1:
        return None
    minute = minutes.pop()
    if cadence is Cadence.HOURLY and len(hours) > 1:
        return f"{minute} * * * *", _SHORTEST[cadence]
    if len(hours) > 1:
        return None
    hour = hours.pop()
    if cadence in (Cadence.HOURLY, Cadence.DAILY):
        return f"{minute} {hour} * * *", _SHORTEST[Cadence.DAILY]
    if cadence is Cadence.WEEKLY:
        return f"{minute} {hour} * * {weekdays.pop()}", _SHORTEST[cadence]
    return (f"{minute} {hour} {days.pop()} * *", _SHORTEST[cadence]) if len(days) == 1 else None
