"""Materializing what is missing, through Dagster, in as few runs as its partitions allow.

Belongs here: finding out what is missing and running it in this process. Does not belong here: deciding what is
wanted (`demo.py`), or computing anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from batch_platform.automation.reporting import asset_key
from batch_platform.errors import BatchPlatformError
from batch_platform.lake.table import Table
from batch_platform.settings import Settings

CHUNK = 62
"""The longest range of one run: long enough to make runs cheap, short enough to show progress."""

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Wanted:
    """Partitions of one step that must exist.

    Args:
        table: the step's main table.
        keys: partition keys in order; `("",)` for a table without partitions.
        with_tables: further tables that the same step writes.
        in_lake: whether the table lies in the lake; model versions lie in the registry.
        sql_digest: of the SQL that makes it now; partitions that another SQL made count as missing. None: any will do.
    """

    table: str
    keys: tuple[str, ...]
    with_tables: tuple[str, ...] = ()
    in_lake: bool = True
    sql_digest: str | None = None


class RunFailedError(BatchPlatformError):
    """A run of Dagster failed; the text is that of the step's failure."""

    exit_code = 8


def missing(wanted: Wanted, settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """The keys that Dagster does not know as materialized, or that the lake does not hold as they should be now."""
    if wanted.keys == ("",):
        known = {""} if instance.get_latest_materialization_event(asset_key(wanted.table)) else set()
    else:
        known = set(instance.get_materialized_partitions(asset_key(wanted.table)))
    if wanted.in_lake:
        made = Table(settings.lake, wanted.table).records(wanted.keys)
        known &= {key for key, recorded in made.items() if wanted.sql_digest in (None, recorded.sql_digest)}
    return [key for key in wanted.keys if key not in known]


def materialize(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    wanted: Wanted,
    keys: Sequence[str],
    advance: Callable[[int], None],
) -> None:
    """Run a step for the given keys: one run for each unbroken stretch of at most `CHUNK` partitions.

    Args:
        definitions: the code location.
        instance: where runs and events are recorded.
        wanted: the step.
        keys: a subset of its keys, in order.
        advance: called with the number of partitions that a run has finished.

    Raises:
        RunFailedError: a run failed.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    selection = [asset_key(table) for table in (wanted.table, *wanted.with_tables)]
    for stretch in _stretches(wanted.keys, keys, CHUNK):
        tags = {ASSET_PARTITION_RANGE_START_TAG: stretch[0], ASSET_PARTITION_RANGE_END_TAG: stretch[-1]}
        result = job.execute_in_process(
            instance=instance,
            asset_selection=selection,
            tags=tags if stretch[0] else None,
            run_config=_QUIET,
            raise_on_error=False,
        )
        if not result.success:
            raise RunFailedError(_reason(result), where=wanted.table, fix="look at the run in the UI: make ui")
        advance(len(stretch))


def load_definitions() -> tuple[dg.Definitions, dg.ComponentTree]:
    """The project's definitions and the components they come from."""
    from batch_platform.definitions import PACKAGE
    from batch_platform.definitions import defs as location

    tree = dg.ComponentTree.for_project(PACKAGE)
    return location(), tree


def _stretches(order: Sequence[str], keys: Sequence[str], chunk: int) -> list[list[str]]:
    """`keys` cut where a key of `order` is not among them, and into pieces of at most `chunk`."""
    wanted, found = set(keys), list[list[str]]()
    for key, before in zip(order, (None, *order), strict=False):
        if key not in wanted:
            continue
        if before in wanted and found and len(found[-1]) < chunk:
            found[-1].append(key)
        else:
            found.append([key])
    return found


def _reason(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            failure, error = event.step_failure_data, event.step_failure_data.error
            if failure.user_failure_data and failure.user_failure_data.description:
                return failure.user_failure_data.description
            # What a person can act on is the innermost error; those around it are Dagster's.
            while error and error.cause:
                error = error.cause
            return error.message.strip() if error else "a step failed without an error"
    return "the run failed before any step began"
