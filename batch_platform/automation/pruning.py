"""Forgetting old runs that Dagster needs no more.

Dagster reads from the events of runs which partitions are there, so deleting the run that made a partition last makes
the UI show it as missing. It cleans up ticks by itself (`retention` in `dagster.yaml`), runs and events never.

A run may go if it ended long ago and nothing of it is the newest of its kind: no materialization or observation of a
partition, and no failed attempt at one. Results of checks stay in any case.

Belongs here: which runs may go, and deleting them. Does not belong here: leftovers in the lake (`lake/vacuum.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

import dagster as dg

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_AT_ONCE = 500


@dataclass(frozen=True)
class Pruned:
    """What was found, and with a dry run only found.

    Args:
        gone: the runs that were deleted, or would be.
        needed: how many runs of that age stay, since something of them is the newest of its kind.
    """

    gone: tuple[str, ...]
    needed: int


def prune(instance: dg.DagsterInstance, before: datetime, *, dry_run: bool = False) -> Pruned:
    """Delete the runs that ended before a moment and that Dagster needs no more, with their events and output.

    Safe beside running daemons: what a younger run adds meanwhile only makes more of the older ones unneeded.
    """
    old = _old(instance, before)
    needed = _needed(instance) if old else set()
    gone = tuple(run for run in old if run not in needed)
    for run in () if dry_run else gone:
        instance.compute_log_manager.delete_logs(prefix=[run])
        instance.delete_run(run)
    return Pruned(gone, len(old) - len(gone))


def _old(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    """The runs that ended before a moment, the oldest first."""
    found: list[tuple[float, str]] = []
    cursor: str | None = None
    chosen = dg.RunsFilter(statuses=_FINISHED, created_before=before)
    while page := instance.get_run_records(chosen, limit=_AT_ONCE, cursor=cursor):
        cursor = page[-1].dagster_run.run_id
        ended = ((record.end_time or record.update_timestamp.timestamp(), record) for record in page)
        found += [(end, record.dagster_run.run_id) for end, record in ended if end < before.timestamp()]
    return [run for _, run in sorted(found)]


def _needed(instance: dg.DagsterInstance) -> set[str]:
    """The runs of which something is the newest of its kind."""
    return set(chain.from_iterable(_needed_by(instance, key) for key in instance.get_asset_keys()))


def _needed_by(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[str]:
    storage = instance.event_log_storage
    newest = [instance.fetch_materializations(key, limit=1), instance.fetch_observations(key, limit=1)]
    yield from (record.run_id for found in newest for record in found.records)
    for kind in (dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION):
        ids = list(storage.get_latest_storage_id_by_partition(key, kind).values())
        for first in range(0, len(ids), _AT_ONCE):
            yield from _runs_of(instance, key, kind, ids[first : first + _AT_ONCE])
    attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
    yield from (run for run, _ in attempts.values())


def _runs_of(
    instance: dg.DagsterInstance, key: dg.AssetKey, kind: dg.DagsterEventType, ids: Sequence[int]
) -> Iterator[str]:
    chosen = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids)
    materialized = kind is dg.DagsterEventType.ASSET_MATERIALIZATION
    fetch = instance.fetch_materializations if materialized else instance.fetch_observations
    yield from (record.run_id for record in fetch(chosen, limit=_AT_ONCE).records)
