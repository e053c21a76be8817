"""What Dagster recorded of partitions: why the last attempt failed, which run is at work, when one was there first.

Belongs here: reading it. Does not belong here: what follows from it (`schedules/root_causes.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from batch_platform.automation.reporting import ERROR_CHECK, asset_key
from batch_platform.automation.table_runs import partitions_of
from batch_platform.errors import first_line
from batch_platform.schedules.history import Failure, Underway
from batch_platform.schedules.scheduled import WHOLE_TABLE, Scheduled

FirstMade = dict[tuple[str, str], datetime]
"""Table and partition -> when a run materialized it for the first time."""

_LOOKED_AT = 5
"""Results and materializations that are looked at: some are only planned, or said to have arrived."""


def newest_failure(
    instance: dg.DagsterInstance, table: str, partition: str, check: str = ERROR_CHECK
) -> Failure | None:
    """The newest result of a check for a partition, if it is a failure; `produced` says why one could not be made.

    A run that failed before it had a result says so itself.
    """
    key = dg.AssetCheckKey(asset_key(table), check)
    chosen = PartitionKeyFilter(key=partition or None)
    results = instance.event_log_storage.get_asset_check_execution_history(key, _LOOKED_AT, partition_filter=chosen)
    for record in results:
        if record.status is AssetCheckExecutionRecordStatus.PLANNED:
            found = _of_run(instance, record.run_id)
            if found is not None:
                return found
        elif record.evaluation is not None:
            if record.evaluation.passed:
                return None
            return Failure(first_line(record.evaluation.description or "it does not say why"), record.run_id)
    return None


def step_failure(data: StepFailureData) -> str:
    """Why a step failed, in one line: what it said itself, or its innermost error; those around it are Dagster's."""
    error = data.error
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    while error and error.cause:
        error = error.cause
    return first_line(error.message) if error else "a step failed without an error"


def _of_run(instance: dg.DagsterInstance, run_id: str) -> Failure | None:
    """Why a run failed; None if it did not, or is not over."""
    run = instance.get_run_by_id(run_id)
    if run is None or run.status is not dg.DagsterRunStatus.FAILURE:
        return None
    for entry in instance.all_logs(run_id, of_type={dg.DagsterEventType.STEP_FAILURE}):
        if entry.dagster_event is not None:
            return Failure(step_failure(entry.dagster_event.step_failure_data), run_id)
    return Failure("the run failed before any step said why", run_id)


@dataclass
class RunHistory:
    """Answers of one instance at one look; see `schedules.history.History`.

    Args:
        instance: Dagster.
        tables: all tables, by name.
        first: when partitions were there first, as far as that is known: it never changes, so it may be kept.
    """

    instance: dg.DagsterInstance
    tables: Mapping[str, Scheduled]
    first: FirstMade = field(default_factory=dict)
    _failures: dict[tuple[str, str, str], Failure | None] = field(default_factory=dict)
    _underway: dict[tuple[str, str], Underway] | None = None

    def failure(self, table: str, partition: str, check: str) -> Failure | None:
        """The newest result of a check, by default of `produced`, if it is a failure."""
        place = (table, partition, check)
        if place not in self._failures:
            self._failures[place] = newest_failure(self.instance, table, partition, check or ERROR_CHECK)
        return self._failures[place]

    def underway(self, table: str, partition: str) -> Underway | None:
        """The run that makes a partition at the moment; of several, the one that was asked for first."""
        if self._underway is None:
            self._underway = self._runs()
        return self._underway.get((table, partition)) or self._underway.get((table, WHOLE_TABLE))

    def first_made(self, table: str, partition: str) -> datetime | None:
        """When a run materialized a partition for the first time."""
        place = (table, partition)
        if place not in self.first:
            chosen = dg.AssetRecordsFilter(asset_key=asset_key(table), asset_partitions=[partition])
            found = self.instance.fetch_materializations(chosen, limit=_LOOKED_AT, ascending=True).records
            # What nobody ran was only said to have arrived.
            moments = [record.timestamp for record in found if record.run_id != RUNLESS_RUN_ID]
            if not moments:
                return None
            self.first[place] = datetime.fromtimestamp(moments[0], UTC)
        return self.first[place]

    def _runs(self) -> dict[tuple[str, str], Underway]:
        found: dict[tuple[str, str], Underway] = {}
        for record in self.instance.get_run_records(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES), ascending=True):
            run = record.dagster_run
            underway = Underway(record.create_timestamp, run.run_id)
            named = (self.tables.get("/".join(key.path)) for key in run.asset_selection or ())
            for table in filter(None, named):
                for partition in partitions_of(run, table.calendar):
                    found.setdefault((table.table, partition), underway)
        return found
