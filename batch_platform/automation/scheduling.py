"""The sensor `scheduling`: starts the runs that make tables what they should be.

Belongs here: turning decisions into requests to Dagster. Does not belong here: the facts (`observing.py`), or the
decisions (`schedules/decision.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PRIORITY_TAG,
)

from batch_platform.automation import clock
from batch_platform.automation.observing import TEAM, Observer
from batch_platform.automation.reporting import asset_key
from batch_platform.errors import BatchPlatformError
from batch_platform.schedules.decision import Decision, decide
from batch_platform.schedules.holds import Held, Hold
from batch_platform.schedules.memory import Memory, from_text, to_text
from batch_platform.schedules.runs import PlannedRun
from batch_platform.schedules.scheduled import Scheduled

NAME = "scheduling"
INTERVAL_SECONDS = 5

REASON, SCHEDULED, PIPELINE = "batch_platform/reason", "batch_platform/scheduled", "batch_platform/pipeline"

_SHOWN = 20


def scheduling_sensor(observer: Callable[[dg.DagsterInstance], Observer]) -> dg.SensorDefinition:
    """The sensor.

    Args:
        observer: makes the observer of a deployment; called in each look, so it should keep the one it made.
    """

    @dg.sensor(
        name=NAME,
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Compares what tables hold with what they should hold, and starts what makes them equal.",
    )
    def scheduling(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        looking = observer(context.instance)
        try:
            decision = look(looking, from_text(context.cursor))
        except BatchPlatformError as error:
            # A table that cannot be read now is no reason to forget what was tried, or to fill the log with traces.
            return dg.SkipReason(f"{type(error).__name__}: {error}")
        tables = {table.table: table for table in looking.tables}
        for run in decision.runs:
            context.log.info(str(run))
        cursor = to_text(decision.memory)
        if not decision.runs:
            context.update_cursor(cursor)
            return dg.SkipReason(_waiting(decision))
        requests = [request(run, tables, looking.all_checks) for run in decision.runs]
        return dg.SensorResult(run_requests=requests, cursor=cursor)

    return scheduling


def request(
    run: PlannedRun, tables: Mapping[str, Scheduled], checks: Mapping[str, Sequence[dg.AssetCheckKey]]
) -> dg.RunRequest:
    """What Dagster is asked to start for a planned run.

    Args:
        run: the run.
        tables: all tables, by name.
        checks: table -> the checks that are made with it. Those that watch it from outside, such as `on_time`, would
            only show as in progress meanwhile.
    """
    first = tables[run.tables[0]]
    names = [name for table in run.tables for name in (table, *tables[table].beside)]
    tags = {
        REASON: ", ".join(run.reasons),
        SCHEDULED: "true",
        PIPELINE: first.pipeline,
        PRIORITY_TAG: str(int(run.priority)),
        **({TEAM: first.team} if first.team else {}),
    }
    if len(run.keys) > 1:
        tags |= {ASSET_PARTITION_RANGE_START_TAG: run.keys[0], ASSET_PARTITION_RANGE_END_TAG: run.keys[-1]}
    return dg.RunRequest(
        run_key=run.identity,
        asset_selection=[asset_key(name) for name in names],
        asset_check_keys=[check for name in names for check in checks.get(name, ())],
        tags=tags,
        partition_key=run.keys[0] or None if len(run.keys) == 1 else None,
    )


def look(observer: Observer, memory: Memory) -> Decision:
    """One look at everything, and what follows from it."""
    with observer.lock:
        return decide(observer.tables, observer.observe(clock.now()), memory)


def _waiting(decision: Decision) -> str:
    if not decision.held:
        return "every table is as it should be"
    counted = Counter(held.hold for held in decision.held.values())
    summary = ", ".join(f"{count} because {hold.value}" for hold, count in counted.most_common())
    shown = _explained(decision)
    return f"{len(decision.held)} partitions wait: {summary}. {shown}"


def _waits(decision: Decision, held: Held) -> bool:
    """Whether what a partition waits for waits itself, so that the reason is told there."""
    return (held.table, held.partition) in decision.held


def _explained(decision: Decision) -> str:
    rows: Sequence[str] = [
        f"{table}{f'[{key}]' if key else ''}: {held}"
        for (table, key), held in sorted(decision.held.items())
        if held.hold is not Hold.INPUT_OWED
        and ((held.table, held.partition) == (table, key) or not _waits(decision, held))
    ]
    more = f"; and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return "; ".join(rows[:_SHOWN]) + more
