"""What a backfill would do: partitions, states, versions, runs, effort and risks.

Belongs here: putting the parts together. Does not belong here: the parts, gathering facts (`automation/`), or
printing (`cli/`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from batch_platform.backfills.choice import Choice, targets
from batch_platform.backfills.cost import Effort, efforts
from batch_platform.backfills.risks import Risk, risks_of
from batch_platform.backfills.runs import BackfillRun, runs_of
from batch_platform.backfills.states import State, states_of, to_make
from batch_platform.backfills.stretch import Stretch
from batch_platform.backfills.versions import VersionUse, versions_used
from batch_platform.errors import ConfigurationError
from batch_platform.schedules.facts import Facts
from batch_platform.schedules.scheduled import Scheduled, in_order

WAVE_SECONDS = 30.0
"""How often Dagster's daemon looks for what a backfill may launch next."""


@dataclass(frozen=True)
class TablePlan:
    """What a backfill would do with one table.

    Args:
        table: its name.
        states: partition -> its state, oldest first; `""` for a table without partitions.
        making: those that it makes.
        rows: how many rows these will have; None if nothing tells.
        seconds: of work on them; None if nothing was measured.
        dollars: what that costs.
    """

    table: str
    states: Mapping[str, State]
    making: tuple[str, ...]
    rows: float | None
    seconds: float | None
    dollars: float | None

    @property
    def counts(self) -> Counter[State]:
        """How many partitions are in each state."""
        return Counter(self.states.values())


@dataclass(frozen=True)
class BackfillPlan:
    """What a backfill would do.

    Args:
        names: the tables as they were named.
        stretch: the stretch of time.
        everything: whether valid partitions are made again, too.
        tables: table by table, each after those that it reads.
        versions: which model versions score what.
        runs: the runs to be expected, wave by wave.
        parallel: how many of them run at once.
        seconds: work in all runs, starting them included; of tables of which nothing was measured, nothing.
        elapsed: seconds from launch to end, if nothing else runs.
        dollars: the cost of the work.
        risks: what may go wrong, or surprise.
    """

    names: tuple[str, ...]
    stretch: Stretch
    everything: bool
    tables: tuple[TablePlan, ...]
    versions: tuple[VersionUse, ...]
    runs: tuple[BackfillRun, ...]
    parallel: int
    seconds: float
    elapsed: float
    dollars: float
    risks: tuple[Risk, ...]

    @property
    def making(self) -> dict[str, tuple[str, ...]]:
        """Table -> the partitions that it makes; tables of which it makes none are left out."""
        return {table.table: table.making for table in self.tables if table.making}

    @property
    def partitions(self) -> int:
        """How many partitions it makes."""
        return sum(len(table.making) for table in self.tables)

    def with_risks(self, more: Sequence[Risk]) -> BackfillPlan:
        """The same plan with risks that somebody else found, in front."""
        return replace(self, risks=(*more, *self.risks))


def plan(
    tables: Sequence[Scheduled],
    names: Sequence[str],
    stretch: Stretch,
    facts: Facts,
    *,
    everything: bool = False,
    parallel: int = 1,
    start_seconds: float = 0.0,
) -> BackfillPlan:
    """Work out what a backfill would do.

    Args:
        tables: all tables of the project.
        names: those that the backfill is about; see `Choice.of`.
        stretch: the stretch of time that it is about.
        facts: what is the case.
        everything: make valid partitions again, too.
        parallel: how many runs of a backfill may run at once.
        start_seconds: what starting a run takes.

    Raises:
        ConfigurationError: there is no such table, or none of them has a partition in that stretch.
        LakeError: a table's log cannot be read.
    """
    ordered = in_order(tables)
    choice = Choice.of(names, {table.table: table for table in ordered})
    wanted = targets(ordered, choice, stretch, facts.now)
    if not wanted:
        raise ConfigurationError(
            f"no partition of {', '.join(names)} begins in {stretch}, or none can be made yet",
            fix="look at the start of the tables' partitions",
        )
    states = states_of(ordered, wanted, facts, everything=everything)
    making = {name: tuple(to_make(own, everything=everything)) for name, own in states.items()}
    return _put_together(ordered, tuple(names), stretch, facts, states, making, everything, parallel, start_seconds)


def _put_together(
    ordered: Sequence[Scheduled],
    names: tuple[str, ...],
    stretch: Stretch,
    facts: Facts,
    states: Mapping[str, Mapping[str, State]],
    making: Mapping[str, tuple[str, ...]],
    everything: bool,
    parallel: int,
    start_seconds: float,
) -> BackfillPlan:
    effort = efforts(ordered, making, facts)
    runs = [_timed(run, effort, start_seconds) for run in runs_of(ordered, making)]
    waves: dict[int, list[float]] = {}
    for run in runs:
        waves.setdefault(run.wave, []).append(run.seconds)
    elapsed = sum(max(max(own), sum(own) / parallel) + WAVE_SECONDS for own in waves.values())
    versions = versions_used(ordered, making, facts)
    told = tuple(_told(name, states[name], making[name], effort.get(name, {})) for name in states)
    return BackfillPlan(
        names,
        stretch,
        everything,
        told,
        tuple(versions),
        tuple(runs),
        parallel,
        sum(run.seconds for run in runs),
        elapsed,
        sum(table.dollars or 0.0 for table in told),
        tuple(risks_of(ordered, states, making, versions, facts, elapsed)),
    )


def _timed(run: BackfillRun, effort: Mapping[str, Mapping[str, Effort]], start: float) -> BackfillRun:
    work = sum(
        own.seconds or 0.0
        for name in run.tables
        for key, own in effort[name].items()
        if run.first <= key <= run.last and own.seconds is not None
    )
    return replace(run, seconds=start + work)


def _told(name: str, states: Mapping[str, State], making: tuple[str, ...], effort: Mapping[str, Effort]) -> TablePlan:
    def total(what: str) -> float | None:
        figures = [getattr(own, what) for own in effort.values()]
        return None if not figures or None in figures else sum(figures)

    return TablePlan(name, states, making, total("rows"), total("seconds"), total("dollars"))
