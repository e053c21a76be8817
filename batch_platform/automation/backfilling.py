"""Planning, launching, pausing and resuming backfills of the project's tables.

A backfill is Dagster's own, so the UI shows it and its daemon launches its runs; ours carries a reason and an owner,
makes only what is not valid, and stands behind live work in the queue.

Belongs here: what the commands `batch-platform backfill` do. Does not belong here: Dagster's records
(`backfill_records.py`), or the plan itself (`batch_platform.backfills`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.storage.tags import BACKFILL_ID_TAG, PRIORITY_TAG

from batch_platform.automation import backfill_records as records
from batch_platform.automation import clock
from batch_platform.automation.backfill_records import Recorded
from batch_platform.automation.observing import Observer
from batch_platform.backfills.plan import BackfillPlan, plan
from batch_platform.backfills.states import states_of, to_make
from batch_platform.backfills.stretch import Stretch
from batch_platform.errors import ConfigurationError
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.runs import Priority
from batch_platform.schedules.scheduled import Scheduled, in_order
from batch_platform.settings import Settings

BACKFILL, REASON, OWNER = "batch_platform/backfill", "batch_platform/reason", "batch_platform/owner"
ASSETS, RANGE, ALL = "batch_platform/backfill_assets", "batch_platform/backfill_range", "batch_platform/backfill_all"

START_SECONDS = 10.0
"""What starting a run is taken to last as long as no run was measured."""

_LONGEST_REASON = 500
_TITLE_NAMES = 40  # so that the range, and that it was resumed, have room
_DAEMON = "BACKFILL"
_ALIVE = timedelta(minutes=3)
_MEASURED_RUNS = 50


@dataclass(frozen=True)
class Backfills:
    """The backfills of one deployment.

    Args:
        tables: all tables that the platform makes.
        definitions: the code location.
        settings: where things lie.
        instance: Dagster.
    """

    tables: Sequence[Scheduled]
    definitions: dg.Definitions
    settings: Settings
    instance: dg.DagsterInstance

    @cached_property
    def _graph(self) -> AssetGraph:
        return self.definitions.resolve_asset_graph()

    def plan(self, names: Sequence[str], text: str, now: datetime, *, everything: bool = False) -> BackfillPlan:
        """What a backfill of these tables in this stretch of time would do; see `batch_platform.backfills.plan.plan`.

        Raises:
            ConfigurationError: there is no such table, or the text is no stretch of time.
            LakeError: a table's log cannot be read.
        """
        stretch = Stretch.parse(text)
        return plan(
            self.tables,
            names,
            stretch,
            self._facts(now),
            everything=everything,
            parallel=self.parallel(),
            start_seconds=self.start_seconds(),
        )

    def launch(self, planned: BackfillPlan, reason: str, owner: str, now: datetime) -> str:
        """Request what a plan makes as one backfill of Dagster's; its id.

        Raises:
            ConfigurationError: there is nothing to make, or no reason.
        """
        told = {
            ASSETS: " ".join(planned.names),
            RANGE: planned.stretch.text,
            **({ALL: "true"} if planned.everything else {}),
            **_signed(reason, owner),
        }
        names = ", ".join(planned.names)
        short = names if len(names) <= _TITLE_NAMES else f"{names[: _TITLE_NAMES - 4]} ..."
        title = f"{short} in {planned.stretch}"
        return self._add(planned.making, title, told, now)

    def resume(self, backfill_id: str, now: datetime) -> str:
        """Go on with a backfill that was paused, cancelled or failed: what of it was not made, in another one; its id.

        Raises:
            ConfigurationError: there is none with this id, it still runs, or nothing is left to make.
        """
        before = records.find(self.instance, self.tables, backfill_id)
        if not before.is_over:
            raise ConfigurationError(f"backfill {backfill_id} is {before.status}", fix="pause it first, or wait")
        if before.working:
            raise ConfigurationError(
                f"{before.working} runs of backfill {backfill_id} have not ended", fix="wait for them, then resume"
            )
        left = self._left(before, now)
        if not left:
            raise ConfigurationError(f"nothing of backfill {backfill_id} is left to make", fix="plan another one")
        told = {name: text for name, text in before.tags.items() if name.startswith("batch_platform/")}
        told.pop(records.PAUSED, None)
        return self._add(left, before.title.removesuffix(", resumed") + ", resumed", told, now, before)

    def pause(self, backfill_id: str, now: datetime) -> Recorded:
        """Launch nothing more of a backfill: queued runs leave the queue, running ones end and keep what they make.

        Raises:
            ConfigurationError: there is none with this id, or it is over.
        """
        self._refuse_if_over(backfill_id)
        records.stop_launching(self.instance, backfill_id, now)
        return self.find(backfill_id)

    def cancel(self, backfill_id: str) -> Recorded:
        """End a backfill and terminate its runs; finished partitions and finished shards are kept.

        Raises:
            ConfigurationError: there is none with this id, or it is over.
        """
        self._refuse_if_over(backfill_id)
        records.cancel(self.instance, backfill_id)
        return self.find(backfill_id)

    def find(self, backfill_id: str) -> Recorded:
        """One backfill, whoever requested it.

        Raises:
            ConfigurationError: there is none with this id.
        """
        return self._up_to_date(records.find(self.instance, self.tables, backfill_id))

    def recent(self, limit: int = 20) -> list[Recorded]:
        """The newest backfills, whoever requested them, the newest first."""
        return [self._up_to_date(found) for found in records.recent(self.instance, self.tables, limit)]

    def is_carried_out(self, now: datetime) -> bool:
        """Whether Dagster's daemon has looked for backfills in the last minutes."""
        beat = self.instance.get_daemon_heartbeats().get(_DAEMON)
        return beat is not None and now - datetime.fromtimestamp(beat.timestamp, UTC) < _ALIVE

    def parallel(self) -> int:
        """How many runs of backfills the queue lets run at once."""
        queue = self.instance.get_concurrency_config().run_queue_config
        if queue is None:
            return 1
        limits = [int(queue.max_concurrent_runs)] if queue.max_concurrent_runs > 0 else []
        limits += [int(limit["limit"]) for limit in queue.tag_concurrency_limits if limit["key"] == BACKFILL_ID_TAG]
        return max(1, min(limits, default=1))

    def start_seconds(self) -> float:
        """What starting a run takes: the shortest of the newest runs that succeeded did little else."""
        chosen = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
        found = self.instance.get_run_records(chosen, limit=_MEASURED_RUNS)
        lasted = [r.end_time - r.create_timestamp.timestamp() for r in found if r.end_time is not None]
        return min([*lasted, START_SECONDS])

    def _facts(self, now: datetime) -> Facts:
        checks = [self._graph.get_check_spec(key) for key in sorted(self._graph.asset_check_keys)]
        return Observer.of(self.tables, checks, self.settings, self.instance).observe(now)

    def _left(self, before: Recorded, now: datetime) -> dict[str, list[str]]:
        """What of a backfill was not made; unless it was to make everything again, without what is valid by now."""
        made = records.made_by(self.instance, self._graph, self.tables, before.backfill_id, now)
        left = {table: sorted(keys - made.get(table, set())) for table, keys in before.target.items()}
        everything = ALL in before.tags
        states = states_of(in_order(self.tables), left, self._facts(now), everything=everything)
        found = {table: to_make(own, everything=everything) for table, own in states.items()}
        return {table: keys for table, keys in found.items() if keys}

    def _up_to_date(self, found: Recorded) -> Recorded:
        """Dagster's daemon looks at no backfill that is over, but runs that were at work then may end later."""
        if not found.is_over or found.is_made:
            return found
        made = records.made_by(self.instance, self._graph, self.tables, found.backfill_id, clock.now())
        return found.with_made(made)

    def _refuse_if_over(self, backfill_id: str) -> None:
        found = self.find(backfill_id)
        if found.is_over:
            raise ConfigurationError(f"backfill {backfill_id} is over: {found.status}", fix="there is nothing to stop")

    def _add(
        self,
        making: Mapping[str, Sequence[str]],
        title: str,
        tags: Mapping[str, str],
        now: datetime,
        resumes: Recorded | None = None,
    ) -> str:
        if not making:
            raise ConfigurationError("there is nothing to make", fix="see the plan, or use --all")
        beside = {table.table: table.beside for table in self.tables}
        whole = {name: keys for table, keys in making.items() for name in (table, *beside[table])}
        count = sum(len(keys) for keys in making.values())
        who = f" ({tags[OWNER]})" if tags.get(OWNER) else ""
        return records.add(
            self.instance,
            self._graph,
            whole,
            title=title,
            description=f"{tags.get(REASON, '')}{who}: {count} partitions of {len(making)} tables",
            tags={**tags, BACKFILL: "true", PRIORITY_TAG: str(int(Priority.BACKFILL))},
            now=now,
            resumes=resumes,
        )


def _signed(reason: str, owner: str) -> dict[str, str]:
    reason = " ".join(reason.split())
    if not reason:
        raise ConfigurationError("--reason is empty", fix="say why, for whoever finds the backfill later")
    return {REASON: reason[:_LONGEST_REASON], OWNER: " ".join(owner.split())[:_LONGEST_REASON]}
