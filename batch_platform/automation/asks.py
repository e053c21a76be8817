"""What people and other systems say has arrived: events about a snapshot that no run reported.

They come from `batch-platform arrived`, or from whoever reports an observation or a materialization of the snapshot
to Dagster's API. Each is an ask: look at this partition, whatever its age. It is met once a run that was requested
later has ended, or when the very content was captured already; the same ask twice is one.

Belongs here: reading such events, and telling which asks are met. Does not belong here: what a source holds
(`arrivals.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.event_api import EventLogCursor
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from batch_platform.automation.reporting import asset_key
from batch_platform.errors import ConfigurationError, PartitionKeyError
from batch_platform.partitions import Calendar
from batch_platform.schedules.arrival_book import Asked
from batch_platform.schedules.scheduled import Scheduled

SEEN = "batch_platform/seen"
"""The tag of events that the sensor `arrivals` reports itself."""

REASON = "reason"
"""The name under which an event's metadata may say why somebody asks."""

_READ_AT_ONCE = 1000
_MOST_RUNS = 200
"""Runs that ended last: an ask for what never comes stays open, and must not cost more with every day that passes."""

_EVENTS = {dg.DagsterEventType.ASSET_OBSERVATION, dg.DagsterEventType.ASSET_MATERIALIZATION}
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True)
class Heard:
    """What was read of the events.

    Args:
        asked: table -> partition -> the newest ask.
        newest: the number of the last event that was read.
        refused: one line for each event that names a partition which the table does not have.
    """

    asked: Mapping[str, Mapping[str, Asked]]
    newest: int
    refused: tuple[str, ...] = ()


def heard(instance: dg.DagsterInstance, tables: Iterable[Scheduled], after: int, now: datetime) -> Heard:
    """The asks among the events that came after the one of a number; at most 1,000 events are read.

    Args:
        instance: Dagster.
        tables: those that can be asked for.
        after: the number of the last event that was read before; 0: none was.
        now: the moment; partitions that do not exist yet are refused.
    """
    known = {asset_key(table.table): table for table in tables}
    asked: dict[str, dict[str, Asked]] = {}
    refused = []
    cursor = EventLogCursor.from_storage_id(after).to_string()
    found = instance.get_records_for_run(RUNLESS_RUN_ID, cursor, of_type=_EVENTS, limit=_READ_AT_ONCE).records
    for record in found:
        event = record.event_log_entry.dagster_event
        told = None if event is None else record.asset_observation or record.asset_materialization
        if told is None or told.asset_key not in known or SEEN in (told.tags or {}):
            continue
        table = known[told.asset_key]
        try:
            key = asked_partition(table.table, table.calendar, told.partition, now)
        except PartitionKeyError as error:
            refused.append(str(error))
            continue
        said = told.metadata.get(REASON)
        reason = str(said.value)[:200] if said is not None else (told.description or "")[:200]
        asked.setdefault(table.table, {})[key] = Asked(record.storage_id, record.timestamp, reason)
    return Heard(asked, found[-1].storage_id if found else after, tuple(refused))


def asked_partition(table: str, calendar: Calendar | None, key: str | None, now: datetime) -> str:
    """The partition that somebody names; `""` for a table without partitions.

    Raises:
        PartitionKeyError: there is no such partition, or not yet, or one must be named and is not, or the other way
            round.
    """
    if calendar is None:
        if key:
            raise PartitionKeyError("has no partitions", where=table, fix="name none")
        return ""
    if not key:
        raise PartitionKeyError("which partition?", where=table, fix=f"name one, such as {calendar.first}")
    try:
        calendar.window(key)
    except PartitionKeyError as error:
        raise PartitionKeyError(error.what, where=table, fix=error.fix) from None
    latest = calendar.latest(now)
    if key > latest:
        raise PartitionKeyError(f"{key!r} does not exist yet", where=table, fix=f"the newest partition is {latest}")
    return key


def tell(
    instance: dg.DagsterInstance,
    tables: Sequence[Scheduled],
    name: str,
    keys: Sequence[str],
    reason: str,
    now: datetime,
) -> str:
    """Say that partitions of a snapshot have arrived, as anybody may over Dagster's API.

    Args:
        instance: Dagster.
        tables: those that can be asked for.
        name: of a table, with or without `snapshots/`.
        keys: its partitions; none for a table without.
        reason: why; shown in the UI.
        now: the moment.

    Returns:
        The table's name.

    Raises:
        ConfigurationError: there is no such table.
        PartitionKeyError: it has no such partition, or not yet; then none is told of.
    """
    chosen = next((table for table in tables if name in (table.table, table.table.partition("/")[2])), None)
    if chosen is None:
        known = ", ".join(table.table for table in tables) or "none"
        raise ConfigurationError(f"there is no snapshot {name[:80]!r}", fix=f"there are {known}")
    found = [asked_partition(chosen.table, chosen.calendar, key, now) for key in keys or ("",)]
    for key in dict.fromkeys(found):
        instance.report_runless_asset_event(
            dg.AssetObservation(
                asset_key(chosen.table),
                partition=key or None,
                description="said to have arrived",
                metadata={REASON: reason} if reason else {},
            )
        )
    return chosen.table


def met(instance: dg.DagsterInstance, table: str, asked: Mapping[str, Asked]) -> set[str]:
    """Those partitions for which a run that was requested after the ask has ended, however it ended.

    Only the 200 runs that ended last are looked at.
    """
    if not asked:
        return set()
    oldest = datetime.fromtimestamp(min(ask.at for ask in asked.values()), UTC)
    chosen = dg.RunsFilter(statuses=_ENDED, created_after=oldest)
    found = set()
    for record in instance.get_run_records(chosen, limit=_MOST_RUNS, order_by="update_timestamp"):
        run = record.dagster_run
        if asset_key(table) not in (run.asset_selection or ()):
            continue
        first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG)
        last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG) or first
        requested = record.create_timestamp.timestamp()
        found |= {
            key
            for key, ask in asked.items()
            if requested >= ask.at and (first is None or last is None or first <= key <= last)
        }
    return found
