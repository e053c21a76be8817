"""Dagster's sets of assets and partitions, in terms of tables and partitions.

Belongs here: reading such a set. Does not belong here: the backfills that have them (`backfill_records.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.partitions.subset import (
    AllPartitionsSubset,
    PartitionsSubset,
    TimeWindowPartitionsSubset,
)

from batch_platform.automation.reporting import asset_key
from batch_platform.partitions import Calendar
from batch_platform.schedules.scheduled import WHOLE_TABLE, Scheduled

Places = dict[str, set[str]]
"""Table -> partitions; `""` for a table without partitions."""


def places_of(subset: AssetGraphSubset, tables: Sequence[Scheduled]) -> Places:
    """The partitions of the tables that the schedule knows; those written beside them go without saying."""
    found: Places = {}
    for table in tables:
        key = asset_key(table.table)
        if key in subset.non_partitioned_asset_keys:
            found[table.table] = {WHOLE_TABLE}
        elif key in subset.partitions_subsets_by_asset_key and table.calendar is not None:
            keys = set(_keys(subset.partitions_subsets_by_asset_key[key], table.calendar))
            if keys:
                found[table.table] = keys
    return found


def _keys(subset: PartitionsSubset, calendar: Calendar) -> Iterator[str]:
    """The keys of a subset, by our own calendar: Dagster goes from one partition to the next by its cron schedule."""
    if isinstance(subset, AllPartitionsSubset):
        subset = TimeWindowPartitionsSubset.from_all_partitions_subset(subset)
    if not isinstance(subset, TimeWindowPartitionsSubset):
        yield from subset.get_partition_keys()
        return
    for window in subset.included_time_windows:
        last = calendar.shift(calendar.key_from(window.end), -1)
        yield from calendar.keys_between(calendar.key_at(window.start), last)
