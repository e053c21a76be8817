"""Backfills as Dagster keeps them: requesting one for chosen partitions, finding, stopping and reading it.

Dagster offers this through its UI and GraphQL only, and there not for different partitions of each asset. The private
parts behind it are used here and nowhere else; a canary test holds them.

Belongs here: Dagster's records in terms of tables and partitions. Does not belong here: what is worth a backfill
(`batch_platform.backfills`), or what our own commands make of it (`backfilling.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.partitions.subset import (
    PartitionsSubset,
)
from dagster._core.definitions.temporal_context import TemporalContext
from dagster._core.execution.asset_backfill import get_asset_backfill_iteration_materialized_subset
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARENT_BACKFILL_ID_TAG, ROOT_BACKFILL_ID_TAG
from dagster._core.utils import make_new_backfill_id

from batch_platform.automation.backfill_places import Places, places_of
from batch_platform.automation.reporting import asset_key
from batch_platform.errors import ConfigurationError
from batch_platform.schedules.scheduled import Scheduled

PAUSED = "batch_platform/paused"
"""The tag of a backfill that was paused, with the moment."""

SETTLING_SECONDS = 4.0
"""How long a change is watched: longer than a look of the daemon takes between reading a backfill and writing it."""

_PAUSE = 0.25
_TITLE = 100
_NOT_IN_TITLES = str.maketrans('*%"', "   ")


@dataclass(frozen=True)
class Recorded:
    """One backfill.

    Args:
        backfill_id: its id.
        status: in words; `paused` for one that was stopped by `stop_launching`, `done` once all of that was made.
        title: as the UI shows it.
        tags: those of all its runs.
        launched: when it was requested.
        ended: when it was over; None: it is not.
        target: what it is to make.
        made: what of that was made, as far as Dagster's daemon has looked.
        failed: what failed, or waits in vain for what failed.
        working: how many of its runs are queued or running.
    """

    backfill_id: str
    status: str
    title: str
    tags: Mapping[str, str]
    launched: datetime
    ended: datetime | None
    target: Places
    made: Places
    failed: Places
    working: int = 0

    @property
    def is_made(self) -> bool:
        """Whether everything was made."""
        return all(keys <= self.made.get(table, set()) for table, keys in self.target.items())

    def with_made(self, made: Places) -> Recorded:
        """The same with what its runs made after Dagster's daemon last looked."""
        both = {table: self.made.get(table, set()) | made.get(table, set()) for table in {**self.made, **made}}
        failed = {table: keys - both.get(table, set()) for table, keys in self.failed.items()}
        found = replace(self, made=both, failed=failed)
        return replace(found, status="done") if found.status == "paused" and found.is_made else found

    @property
    def is_over(self) -> bool:
        """Whether nothing more of it will be launched."""
        return self.status not in ("requested", "canceling", "failing")


def add(
    instance: dg.DagsterInstance,
    graph: AssetGraph,
    making: Mapping[str, Sequence[str]],
    *,
    title: str,
    description: str,
    tags: Mapping[str, str],
    now: datetime,
    resumes: Recorded | None = None,
) -> str:
    """Request one backfill of exactly these partitions; Dagster's daemon launches its runs. Returns its id.

    Args:
        instance: Dagster.
        graph: the assets.
        making: table, also one that is written beside another, -> its partitions.
        title: for the UI; cut to what Dagster takes.
        description: for the UI.
        tags: of all its runs.
        now: the moment.
        resumes: the backfill that it goes on with; the UI links the two.
    """
    backfill_id = make_new_backfill_id()
    linked = dict(tags)
    if resumes is not None:
        first = resumes.tags.get(ROOT_BACKFILL_ID_TAG, resumes.backfill_id)
        linked |= {PARENT_BACKFILL_ID_TAG: resumes.backfill_id, ROOT_BACKFILL_ID_TAG: first}
    subsets: dict[dg.AssetKey, PartitionsSubset] = {}
    undated: set[dg.AssetKey] = set()
    for table, keys in making.items():
        key = asset_key(table)
        partitions = graph.get(key).partitions_def
        if partitions is None:
            undated.add(key)
        else:
            subsets[key] = partitions.subset_with_partition_keys(list(keys))
    backfill = PartitionBackfill.from_asset_graph_subset(
        backfill_id=backfill_id,
        backfill_timestamp=now.timestamp(),
        tags=linked,
        dynamic_partitions_store=instance,
        asset_graph_subset=AssetGraphSubset(subsets, undated),  # type: ignore[call-arg]
        title=title.translate(_NOT_IN_TITLES)[:_TITLE],
        description=description,
        run_config=None,
    )
    instance.add_backfill(backfill)
    return backfill_id


def outstanding(instance: dg.DagsterInstance, tables: Sequence[Scheduled]) -> Places:
    """What requested backfills, whoever requested them, are about to make; a single query if there are none."""
    found: Places = {}
    for backfill in instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])):
        data = backfill.asset_backfill_data
        if data is not None:
            left = data.target_subset - (data.materialized_subset | data.failed_and_downstream_subset)
            for table, keys in places_of(left, tables).items():
                found.setdefault(table, set()).update(keys)
    return found


def recent(instance: dg.DagsterInstance, tables: Sequence[Scheduled], limit: int) -> list[Recorded]:
    """The newest backfills, whoever requested them, the newest first."""
    found = instance.get_backfills(limit=limit)
    return [_recorded(instance, backfill, tables) for backfill in found if backfill.asset_backfill_data is not None]


def find(instance: dg.DagsterInstance, tables: Sequence[Scheduled], backfill_id: str) -> Recorded:
    """One backfill.

    Raises:
        ConfigurationError: there is none with this id.
    """
    return _recorded(instance, _found(instance, backfill_id), tables)


def stop_launching(instance: dg.DagsterInstance, backfill_id: str, now: datetime) -> None:
    """Launch nothing more of a backfill and take its runs out of the queue; those that are running end by themselves.

    For Dagster it is over then, as if it were cancelled.

    Raises:
        ConfigurationError: there is none with this id.
    """

    def stopped(backfill: PartitionBackfill) -> PartitionBackfill:
        return backfill._replace(
            tags={**backfill.tags, PAUSED: now.isoformat(timespec="seconds")},
            status=BulkActionStatus.CANCELED,
            backfill_end_timestamp=now.timestamp(),
            submitting_run_requests=[],
            reserved_run_ids=[],
        )

    _insist(instance, backfill_id, stopped)
    queued = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED], tags={BACKFILL_ID_TAG: backfill_id})
    for run in instance.get_runs(queued):
        instance.report_run_canceling(run, message="The backfill was paused.")
        instance.report_run_canceled(run)


def cancel(instance: dg.DagsterInstance, backfill_id: str) -> None:
    """End a backfill and its runs, as the UI does: Dagster's daemon terminates them.

    Raises:
        ConfigurationError: there is none with this id.
    """
    _insist(instance, backfill_id, lambda backfill: backfill._replace(status=BulkActionStatus.CANCELING))


def made_by(
    instance: dg.DagsterInstance, graph: AssetGraph, tables: Sequence[Scheduled], backfill_id: str, now: datetime
) -> Places:
    """What the runs of a backfill have made up to now, also after Dagster stopped to look at it.

    Raises:
        ConfigurationError: there is none with this id.
    """
    backfill = _found(instance, backfill_id)
    data = backfill.asset_backfill_data
    if data is None:
        return {}
    moment = TemporalContext(effective_dt=now, last_event_id=None)
    # A table may have left the project since; Dagster would fail at it.
    data = data._replace(target_subset=data.target_subset.filter_asset_keys(graph.get_all_asset_keys()))
    view = AssetGraphView(temporal_context=moment, instance=instance, asset_graph=graph)
    queryer = view.get_inner_queryer_for_back_compat()
    subset = get_asset_backfill_iteration_materialized_subset(backfill_id, data, graph, queryer)  # type: ignore[arg-type]
    return places_of(subset, tables)


def _insist(
    instance: dg.DagsterInstance, backfill_id: str, change: Callable[[PartitionBackfill], PartitionBackfill]
) -> None:
    """Change a requested backfill, again until it stays changed: the daemon writes back what it read moments ago."""
    settled = 0.0
    while True:
        backfill = _found(instance, backfill_id)
        if backfill.status is BulkActionStatus.REQUESTED:
            instance.update_backfill(change(backfill))
            settled = time.monotonic() + SETTLING_SECONDS
        if time.monotonic() >= settled:
            return
        time.sleep(_PAUSE)


def _found(instance: dg.DagsterInstance, backfill_id: str) -> PartitionBackfill:
    backfill = instance.get_backfill(backfill_id)
    if backfill is None or backfill.asset_backfill_data is None:
        raise ConfigurationError(
            f"there is no backfill {backfill_id[:40]!r}", fix="look at them: batch-platform backfill list"
        )
    return backfill


def _recorded(instance: dg.DagsterInstance, backfill: PartitionBackfill, tables: Sequence[Scheduled]) -> Recorded:
    data = backfill.asset_backfill_data
    assert data is not None
    paused = backfill.status is BulkActionStatus.CANCELED and PAUSED in backfill.tags
    own = dg.RunsFilter(statuses=NOT_FINISHED_STATUSES, tags={BACKFILL_ID_TAG: backfill.backfill_id})
    ended = backfill.backfill_end_timestamp
    return Recorded(
        backfill.backfill_id,
        "paused" if paused else backfill.status.value.lower().replace("_", " "),
        backfill.title or "",
        backfill.tags,
        datetime.fromtimestamp(backfill.backfill_timestamp, UTC),
        None if ended is None else datetime.fromtimestamp(ended, UTC),
        places_of(data.target_subset, tables),
        places_of(data.materialized_subset, tables),
        places_of(data.failed_and_downstream_subset, tables),
        instance.get_runs_count(own),
    )
