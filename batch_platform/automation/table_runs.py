"""Dagster's runs in terms of tables and partitions: which are at work, and how long they take.

Belongs here: what runs say of themselves. Does not belong here: what follows from it (`observing.py`), or what they
did (`run_history.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
)

from batch_platform.partitions import Calendar
from batch_platform.schedules.scheduled import WHOLE_TABLE, Scheduled

_MEASURED_RUNS = 200


def unfinished(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """All runs that are queued or at work, whoever asked for them."""
    chosen = dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)
    return [record.dagster_run for record in instance.get_run_records(chosen)]


def partitions_running(runs: Iterable[dg.DagsterRun], tables: Sequence[Scheduled]) -> dict[str, set[str]]:
    """Table -> the partitions of these runs; `""` for all of it."""
    calendars = {table.table: table.calendar for table in tables}
    found: dict[str, set[str]] = {}
    for run in runs:
        for key in run.asset_selection or ():
            table = "/".join(key.path)
            if table in calendars:
                found.setdefault(table, set()).update(partitions_of(run, calendars[table]))
    return found


def longest_recent(instance: dg.DagsterInstance) -> dict[str, float]:
    """Table -> the longest time from request to end, in seconds, among its recent runs that succeeded.

    Only runs of one partition count, and none of a backfill: a year in one run, or a run that waited behind all
    others, says nothing about how long the day that is due next takes.
    """
    chosen = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
    found: dict[str, float] = {}
    for record in instance.get_run_records(chosen, limit=_MEASURED_RUNS):
        tags = record.dagster_run.tags
        several = tags.get(ASSET_PARTITION_RANGE_START_TAG) != tags.get(ASSET_PARTITION_RANGE_END_TAG)
        if record.end_time is None or several or BACKFILL_ID_TAG in tags:
            continue
        lasted = record.end_time - record.create_timestamp.timestamp()
        for key in record.dagster_run.asset_selection or ():
            table = "/".join(key.path)
            found[table] = max(found.get(table, 0.0), lasted)
    return found


def partitions_of(run: dg.DagsterRun, calendar: Calendar | None) -> list[str]:
    """The partitions that a run makes of a table with this calendar; `[""]` if it makes the table as a whole."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG)
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG) or first
    if calendar is None or first is None or last is None:
        return [WHOLE_TABLE]
    try:
        return calendar.keys_between(first, last)
    except (ValueError, OverflowError):  # Dagster keeps whatever tags somebody gives a run
        return [WHOLE_TABLE]
