"""Materializing what is missing, through Dagster, in as few runs as its partitions allow.

Belongs here: finding out what is missing, running it in this process, and saying why it is missing still. Does not
belong here: deciding what is wanted (`demo.py`), or computing anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from batch_platform.automation.reporting import asset_key
from batch_platform.automation.run_history import newest_failure, step_failure
from batch_platform.errors import BatchPlatformError
from batch_platform.schedules.books import LakeBooks
from batch_platform.schedules.owed import is_outdated
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
        held: for what does not lie in the lake, the keys that its own store holds; None: what Dagster knows will do.
    """

    table: str
    keys: tuple[str, ...]
    with_tables: tuple[str, ...] = ()
    in_lake: bool = True
    sql_digest: str | None = None
    held: Callable[[Settings], Collection[str]] | None = None


class RunFailedError(BatchPlatformError):
    """A run of Dagster failed; the text is that of the step's failure."""

    exit_code = 8


def missing(wanted: Wanted, settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """The keys that Dagster does not know as materialized, or that are not held as they should be now.

    In the lake, a partition is as it should be if the present SQL made it from what its inputs hold now.
    """
    if wanted.keys == ("",):
        known = {""} if instance.get_latest_materialization_event(asset_key(wanted.table)) else set()
    else:
        known = set(instance.get_materialized_partitions(asset_key(wanted.table)))
    if wanted.in_lake:
        books = LakeBooks(settings.lake)
        made = books.made(wanted.table, wanted.keys)
        current = {key: found for key, found in made.items() if wanted.sql_digest in (None, found.code)}
        outdated = (
            key for key, found in current.items() if any(is_outdated(name, found, books) for name in found.reads)
        )
        known &= current.keys() - set(outdated)
    elif wanted.held is not None:
        known &= set(wanted.held(settings))
    return [key for key in wanted.keys if key not in known]


def refuse_missing(wanted: Wanted, settings: Settings, instance: dg.DagsterInstance) -> None:
    """After its runs, a step's partitions must be there; one that failed among good ones fails no run.

    Raises:
        RunFailedError: naming the first partition that is missing still, and the reason that its run gave.
    """
    lacking = missing(wanted, settings, instance)
    if not lacking:
        return
    place = f"{wanted.table}[{lacking[0]}]" if lacking[0] else wanted.table
    more = f" [and {len(lacking) - 1} more partitions are missing]" if len(lacking) > 1 else ""
    told = newest_failure(instance, wanted.table, lacking[0])
    reason = told.text if told else "is not there as it should be, although its run succeeded"
    raise RunFailedError(f"{reason}{more}", where=place, fix="look at the run in the UI: make ui")


def materialize(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    wanted: Wanted,
    keys: Sequence[str],
    advance: Callable[[int], None],
    tags: Mapping[str, str] | None = None,
) -> None:
    """Run a step for the given keys: one run for each unbroken stretch of at most `CHUNK` partitions.

    Args:
        definitions: the code location.
        instance: where runs and events are recorded.
        wanted: the step.
        keys: a subset of its keys, in order.
        advance: called with the number of partitions that a run has finished.
        tags: of every run.

    Raises:
        RunFailedError: a run failed.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    selection = [asset_key(table) for table in (wanted.table, *wanted.with_tables)]
    for stretch in _stretches(wanted.keys, keys, CHUNK):
        ends = {ASSET_PARTITION_RANGE_START_TAG: stretch[0], ASSET_PARTITION_RANGE_END_TAG: stretch[-1]}
        result = job.execute_in_process(
            instance=instance,
            asset_selection=selection,
            tags={**(tags or {}), **(ends if stretch[0] else {})},
            run_config=_QUIET,
            raise_on_error=False,
        )
        if not result.success:
            raise RunFailedError(_reason(result), where=wanted.table, fix="look at the run in the UI: make ui")
        advance(len(stretch))


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
    failures = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    return next(map(step_failure, failures), "the run failed before any step began")
