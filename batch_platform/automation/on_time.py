"""The check `on_time` of tables with an objective: whether each partition is there by its deadline, and if not, why.

The sensor `freshness` reports its results. It can also be executed, alone or in a run that makes the table: then it
looks for itself, without partitions at all that are judged. A run that makes the table has just made what it asks
about, so there a look at the table is enough.

Belongs here: the check and its results. Does not belong here: judging partitions (`schedules/freshness.py`), or when
results are reported (`freshness.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from batch_platform.automation import clock
from batch_platform.automation.local_events import written_together
from batch_platform.automation.reporting import (
    Evaluation,
    asset_key,
    evaluation,
    newest_materializations,
    silent_output,
)
from batch_platform.automation.run_history import RunHistory
from batch_platform.outcomes import CheckOutcome, MetadataItem
from batch_platform.partitions.places import place
from batch_platform.schedules.books import LakeBooks
from batch_platform.schedules.decision import Decision
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.freshness import PartitionFreshness, State, judged, judged_keys
from batch_platform.schedules.memory import Memory
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.settings import Settings

CHECK = "on_time"
_TEXT = "Whether each partition is there by its deadline, slo.due; if not, since when it is overdue, and why."

Judge = Callable[[dg.DagsterInstance, Scheduled, Sequence[str]], Sequence[PartitionFreshness]]
"""Judges partitions of a table, with a look at everything that they depend on."""


def on_time_check(table: Scheduled, judge: Judge) -> dg.AssetChecksDefinition:
    """The check of one table with an objective.

    Args:
        table: the table.
        judge: how partitions stand; called where the run itself cannot tell.

    Raises:
        ValueError: the table has no objective.
    """
    if table.slo is None or table.calendar is None:
        raise ValueError(f"{table.table} has no deadline")

    spec = dg.AssetCheckSpec(
        CHECK,
        asset=asset_key(table.table),
        description=_TEXT,
        blocking=False,
        partitions_def=table.calendar.definition,
    )

    @dg.multi_asset_check(name=f"{table.table.replace('/', '__')}__{CHECK}", specs=[spec])
    def on_time(context: dg.AssetCheckExecutionContext) -> Iterator[Any]:
        step = context.op_execution_context
        named = step.has_partition_key or step.has_partition_key_range
        keys = list(step.partition_keys) if named else existing_keys(table)
        makes = asset_key(table.table) in (context.run.asset_selection or ())
        found = judged_after_run(context.instance, table, keys) if makes else judge(context.instance, table, keys)
        for told in found:
            if told.state.is_worry:
                step.log.warning(f"{place(told.table, told.partition)}: {line(told)}")
        with written_together(context.instance):
            yield from evaluations(context.instance, found)
        # Each partition has its result; the one that Dagster expects of the step would stand for the whole range.
        yield silent_output(spec.get_python_identifier())

    return on_time


def existing_keys(table: Scheduled) -> list[str]:
    """The partitions that are judged at this moment, but for those that do not exist yet; see `judged_keys`."""
    now = clock.now()
    return [key for key in judged_keys(table, now) if table.calendar and key <= table.calendar.latest(now)]


def evaluations(instance: dg.DagsterInstance, found: Iterable[PartitionFreshness]) -> Iterator[Evaluation]:
    """The results of the check for judged partitions."""
    by_table: dict[str, list[PartitionFreshness]] = {}
    for told in found:
        by_table.setdefault(told.table, []).append(told)
    for table, members in by_table.items():
        there = [told.partition for told in members if told.state.is_there]
        targets = newest_materializations(instance, table, there) if there else {}
        for told in members:
            result = evaluation(table, told.partition, outcome(told), targets.get(told.partition))
            run = {"run": dg.MetadataValue.dagster_run(told.run_id)} if told.run_id else {}
            yield result.with_metadata({**result.metadata, **run})


def outcome(told: PartitionFreshness) -> CheckOutcome:
    """The result of the check for a partition: it fails if overdue, warns if warned, and passes otherwise."""
    details: dict[str, MetadataItem] = {"due": f"{told.due:%Y-%m-%d %H:%M %Z}", "state": str(told.state)}
    if told.late:
        details["past its deadline"] = length(told.by)
    if told.text:
        details |= {"reason": told.text, "where": place(*told.root)}
    return CheckOutcome(CHECK, told.state is not State.OVERDUE, line(told), details, told.state is State.WARNED)


def line(told: PartitionFreshness) -> str:
    """How a partition stands, in one line."""
    due = f"{told.due:%Y-%m-%d %H:%M %Z}"
    match told.state:
        case State.OVERDUE:
            text = f"overdue since {due}"
        case State.WARNED | State.DUE:
            text = f"due {due}"
        case _:
            text = f"there, {length(told.by)} after its deadline" if told.late else "there in time"
            text += "; to be made again" if told.state is State.OUTDATED else ""
    return f"{text}: {told.text}" if told.text else text


def length(by: timedelta) -> str:
    """A stretch of time in its two largest units: `3 d 4 h`, `2 h 10 min`, `40 s`."""
    seconds = int(by.total_seconds())
    for name, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"


def judged_after_run(instance: dg.DagsterInstance, table: Scheduled, keys: Sequence[str]) -> list[PartitionFreshness]:
    """How partitions stand that this run was to make: what is not there has failed, and the run says why."""
    settings, held = Settings.from_environment(), table.held
    books = LakeBooks(settings.lake, {table.table: lambda: held(settings)} if held else None)
    tables = {table.table: table}
    history = RunHistory(instance, tables)
    facts, nothing = Facts(clock.now(), books), Decision((), Memory(), {}, {})
    return [judged(table, key, tables, nothing, facts, history) for key in keys]
