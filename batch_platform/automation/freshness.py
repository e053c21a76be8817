"""How partitions stand by their deadlines at each look; the sensor `freshness` tells Dagster what has changed.

Belongs here: one look at a deployment, and the sensor. Does not belong here: judging partitions
(`schedules/freshness.py`), or what a result of the check looks like (`on_time.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg

from batch_platform.automation import clock
from batch_platform.automation.cursors import cursor_of
from batch_platform.automation.observing import Observer
from batch_platform.automation.on_time import evaluations
from batch_platform.automation.run_history import FirstMade, RunHistory
from batch_platform.automation.runless_checks import make_room
from batch_platform.automation.scheduling import NAME as SCHEDULING
from batch_platform.automation.table_runs import partitions_of
from batch_platform.errors import BatchPlatformError
from batch_platform.schedules.decision import Decision, decide
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.freshness import PartitionFreshness, freshness, judged
from batch_platform.schedules.memory import from_text
from batch_platform.schedules.reported import Place, Reported, news
from batch_platform.schedules.scheduled import Scheduled

NAME = "freshness"
INTERVAL_SECONDS = 30
MOST_REPORTS = 300
"""Results of one look, each of which is a write to Dagster's store; the rest follows in the next one."""

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True)
class Deadlines:
    """Looks once at what a deployment has promised; nothing is started by it.

    Args:
        observer: looks at the tables.
        history: what happened to them.
    """

    observer: Observer
    history: RunHistory

    @classmethod
    def of(cls, observer: Observer, first_made: FirstMade | None = None) -> Deadlines:
        """Those of the tables that an observer looks at; `first_made` is kept from one look to the next."""
        tables = {table.table: table for table in observer.tables}
        return cls(observer, RunHistory(observer.instance, tables, {} if first_made is None else first_made))

    def look(self, late: Collection[Place] = ()) -> list[PartitionFreshness]:
        """How every partition with a deadline stands now; see `schedules.freshness.freshness`.

        Raises:
            LakeError: a table's log cannot be read.
        """
        with self.observer.lock:
            facts, decision = self._view()
            return freshness(self.observer.tables, decision, facts, self.history, late)

    def judge(self, table: Scheduled, keys: Iterable[str]) -> list[PartitionFreshness]:
        """How some partitions of a table stand, with the reasons wherever they lie.

        Raises:
            LakeError: a table's log cannot be read.
        """
        tables = {each.table: each for each in self.observer.tables}
        with self.observer.lock:
            facts, decision = self._view()
            return [judged(table, key, tables, decision, facts, self.history) for key in keys]

    def _view(self) -> tuple[Facts, Decision]:
        """What is the case, and what the sensor `scheduling` would make of it."""
        facts = self.observer.observe(clock.now())
        memory = from_text(cursor_of(self.observer.instance, SCHEDULING))
        return facts, decide(self.observer.tables, facts, memory)


def freshness_sensor(deadlines: Callable[[dg.DagsterInstance], Deadlines]) -> dg.SensorDefinition:
    """The sensor that reports results of the check `on_time` whenever one has changed; it starts no runs.

    Args:
        deadlines: those of a deployment; called in each look.
    """

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Compares partitions with their deadlines, and reports what changed to their check on_time.",
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        looking, reported = deadlines(context.instance), Reported.from_text(context.cursor)
        tables = {table.table: table for table in looking.observer.tables}
        try:
            reported = _after_runs(context.instance, tables, reported)
            found = looking.look(reported.late)
        except BatchPlatformError as error:
            return dg.SkipReason(f"{type(error).__name__}: {error}")
        changed, reported = news(_existing(tables, found), reported, MOST_REPORTS)
        results = list(evaluations(context.instance, changed))
        make_room(context.instance, results)
        return dg.SensorResult(asset_events=results, cursor=reported.to_text(), skip_reason=summary(found))

    return report


def summary(found: Sequence[PartitionFreshness]) -> str:
    """How many partitions stand how."""
    if not found:
        return "no table has an objective: see slo in docs/how-to/deadlines.md"
    counted = Counter(str(told.state) for told in found)
    return ", ".join(f"{count} {state}" for state, count in counted.most_common())


def _existing(tables: Mapping[str, Scheduled], found: Iterable[PartitionFreshness]) -> list[PartitionFreshness]:
    """Those that exist for Dagster: the next one that is due may not have begun."""
    now = clock.now()
    calendars = {name: table.calendar for name, table in tables.items()}
    return [told for told in found if (own := calendars[told.table]) is not None and told.partition <= own.latest(now)]


def _after_runs(instance: dg.DagsterInstance, tables: Mapping[str, Scheduled], reported: Reported) -> Reported:
    """What is remembered after the runs that ended: those have results of their own, or such as are only planned."""
    since = datetime.fromtimestamp(reported.seen, UTC)
    newest = instance.get_run_records(limit=1, order_by="update_timestamp")
    seen = max([reported.seen, *(record.update_timestamp.timestamp() for record in newest)])
    if not reported.seen:
        return replace(reported, seen=seen or 1.0)
    places: list[Place] = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=_FINISHED, updated_after=since)):
        run = record.dagster_run
        checked = run.asset_check_selection or ()
        for key in {*(run.asset_selection or ()), *(check.asset_key for check in checked)}:
            table = tables.get("/".join(key.path))
            if table is not None and table.slo is not None:
                places += [(table.table, partition) for partition in partitions_of(run, table.calendar)]
    return replace(reported.doubting(places), seen=seen)
