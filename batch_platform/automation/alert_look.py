"""What is the case, as far as alerts care: one look at the lake and at Dagster for the sensor `alerts`.

Belongs here: gathering it. Does not belong here: what of it is wrong (`alerts/finding.py`), or telling anybody
(`alerting.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.tags import BACKFILL_ID_TAG

from batch_platform.alerts.finding import Incident, Kind
from batch_platform.alerts.reading import states_of, watched_tables
from batch_platform.alerts.watch import Look
from batch_platform.automation import backfill_records
from batch_platform.automation.backfill_records import Recorded
from batch_platform.automation.backfilling import OWNER
from batch_platform.automation.cursors import cursor_of
from batch_platform.automation.freshness import NAME as FRESHNESS
from batch_platform.automation.observing import Observer
from batch_platform.automation.run_history import FirstMade, RunHistory
from batch_platform.automation.scheduling import NAME as SCHEDULING
from batch_platform.automation.table_runs import partitions_of
from batch_platform.partitions.places import place
from batch_platform.schedules.arrival_book import read_book
from batch_platform.schedules.decision import decide
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.memory import from_text
from batch_platform.schedules.reported import Reported
from batch_platform.schedules.scheduled import Scheduled

BACKFILLS_SINCE = timedelta(days=7)
"""How long a backfill that failed is looked at, unless what it was to make is there before."""

RUNS_SINCE = timedelta(days=1)
"""How long a failed run of a table that nothing makes by itself is looked at."""

_NAMED, _MOST_RUNS = 3, 100
_FAILED = [BulkActionStatus.FAILED, BulkActionStatus.COMPLETED_FAILED]


@dataclass(frozen=True)
class AlertLook:
    """Looks at one deployment, again and again.

    Args:
        observer: looks at the tables.
        delivered: table -> the check that warns when a sink does not have a partition.
        first_made: when partitions were there first, as far as that is known; kept from one look to the next.
    """

    observer: Observer
    delivered: Mapping[str, dg.AssetCheckKey] = field(default_factory=dict)
    first_made: FirstMade = field(default_factory=dict, compare=False)

    def look(self, now: datetime) -> Look:
        """What is the case.

        Raises:
            LakeError: a table's log cannot be read.
        """
        tables, instance = self.observer.tables, self.observer.instance
        with self.observer.lock:
            history = RunHistory(instance, {table.table: table for table in tables}, self.first_made)
            facts = self.observer.observe(now)
            decision = decide(tables, facts, from_text(cursor_of(instance, SCHEDULING)))
            newest = {table.table: table.newest(now) for table in tables}
            late = Reported.from_text(cursor_of(instance, FRESHNESS)).late

            def planned(table: str, key: str) -> bool:
                # What is due today is missed whether a backfill has it on its list or not.
                return key in facts.requested.get(table, ()) and (not key or key < newest[table])

            states = states_of(tables, decision, facts, history, planned, late)
            incidents = [
                *self._unreachable(),
                *self._undelivered(now),
                *self._failed_runs(facts),
                *failed_backfills(self._backfills(now), facts),
            ]
        return Look(states, watched_tables(tables), incidents, self.observer.windows.silent(now))

    def _unreachable(self) -> Iterator[Incident]:
        """The sources that could not be looked at last time."""
        for table in self.observer.tables:
            book = read_book(self.observer.settings.lake, table.table) if table.source else None
            if book is not None and book.problem:
                yield Incident(Kind.SOURCE_UNREACHABLE, f"{table.table}: {book.problem}", table=table.table)

    def _undelivered(self, now: datetime) -> Iterator[Incident]:
        """The partitions within a table's horizon that a sink does not have, one incident for each table."""
        observer = self.observer
        observer.checks.look(observer.instance, self.delivered.values())
        for table in observer.tables:
            check = self.delivered.get(table.table)
            failed = {} if check is None else observer.checks.of(observer.instance, [check])
            keys = [key for key in table.within(table.rules.horizon, now) if key in failed]
            name = table.table
            if keys:
                text = f"{_some([(name, key) for key in keys])}: a sink does not have what is committed"
                yield Incident(Kind.DELIVERY, text, table=name, key=f"delivery of {name}")

    def _failed_runs(self, facts: Facts) -> Iterator[Incident]:
        """The failed runs of tables that nothing makes by itself; of others, automation knows more."""
        by_hand = {table.table: table for table in self.observer.tables if not table.rules.enabled}
        if not by_hand:
            return
        chosen = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=facts.now - RUNS_SINCE)
        for record in self.observer.instance.get_run_records(chosen, limit=_MOST_RUNS):
            run = record.dagster_run
            names = sorted("/".join(key.path) for key in run.asset_selection or ())
            for table in [by_hand[name] for name in names if name in by_hand and BACKFILL_ID_TAG not in run.tags]:
                keys = set(partitions_of(run, table.calendar))
                lacking = [(table.table, key) for key in sorted(keys - _good(table.table, keys, facts))]
                if lacking and not facts.is_running(*lacking[0]):
                    text = f"{_some(lacking)}: the run {run.run_id[:8]} failed, and nothing makes it by itself"
                    since = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None
                    yield Incident(Kind.RUN_FAILED, text, since, *lacking[0])

    def _backfills(self, now: datetime) -> list[Recorded]:
        chosen = BulkActionsFilter(statuses=_FAILED, created_after=now - BACKFILLS_SINCE)
        return [
            backfill_records.find(self.observer.instance, self.observer.tables, one.backfill_id)
            for one in self.observer.instance.get_backfills(filters=chosen, limit=20)
            if one.asset_backfill_data is not None
        ]


def failed_backfills(backfills: Sequence[Recorded], facts: Facts) -> Iterator[Incident]:
    """The backfills of which something is still not there, or is wrong."""
    for backfill in backfills:
        lacking = [
            (table, key)
            for table, keys in sorted(backfill.target.items())
            for key in sorted(keys - _good(table, keys, facts))
        ]
        if lacking:
            count = sum(len(keys) for keys in backfill.target.values())
            title = f" ({backfill.title})" if backfill.title else ""
            text = f"{len(lacking)} of {count} partitions failed{title}: {_some(lacking)}"
            owner = backfill.tags.get(OWNER, "")
            yield Incident(
                Kind.BACKFILL_FAILED,
                text,
                backfill.ended or backfill.launched,
                key=f"backfill {backfill.backfill_id}",
                owners=(owner,) if owner else (),
            )


def _good(table: str, keys: set[str], facts: Facts) -> set[str]:
    return {key for key in keys if key in facts.books.live(table) and facts.blocked(table, key) is None}


def _some(places: Sequence[tuple[str, str]]) -> str:
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return ", ".join(place(*one) for one in places[:_NAMED]) + more


def delivery_checks(checks: Iterable[dg.AssetCheckKey], tables: Sequence[Scheduled]) -> dict[str, dg.AssetCheckKey]:
    """Table -> its check `delivered`, for those that have sinks."""
    names = {table.table for table in tables}
    found = {"/".join(check.asset_key.path): check for check in checks if check.name == "delivered"}
    return {name: check for name, check in found.items() if name in names}
