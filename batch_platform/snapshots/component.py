"""`InputSnapshot`: an immutable, checksummed capture of one source for each partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Literal

import dagster as dg
import pyarrow as pa
from pydantic import Field

from batch_platform.automation.asked_once import asked_once, everyone
from batch_platform.automation.declared import Declaration, Owners, Partitioning, Pipeline
from batch_platform.automation.declared_schedule import AutomationField, SloField, objective
from batch_platform.automation.reporting import check_specs
from batch_platform.automation.scaffold import scaffolder
from batch_platform.automation.step import table_step
from batch_platform.errors import ConfigurationError, PartitionKeyError
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import Offset
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.watching import Watched
from batch_platform.settings import Settings
from batch_platform.snapshots.capture import KEY_CHECK, capture
from batch_platform.snapshots.declared_sources import DatabaseSource, DeltaSource, FunctionSource
from batch_platform.snapshots.definition import Snapshot
from batch_platform.snapshots.findings import Findings
from batch_platform.snapshots.preflight import preflight
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import source_from
from batch_platform.snapshots.watches import can_watch, watch_of
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Timeline


class DatabaseField(DatabaseSource, dg.Resolvable):
    """The `source.sql:` field as YAML spells it."""


class DeltaField(DeltaSource, dg.Resolvable):
    """The `source.delta:` field as YAML spells it."""


class FunctionField(FunctionSource, dg.Resolvable):
    """The `source.function:` field as YAML spells it."""


class SourceField(SourceSpec, dg.Resolvable):
    """The `source:` field as YAML spells it."""

    sql: DatabaseField | None = Field(None, description="A table or query of a SQL database.")
    delta: DeltaField | None = Field(None, description="A Delta table that others write.")
    function: FunctionField | None = Field(None, description="A Python function that gives the rows.")


@dg.scaffold_with(scaffolder("batch_platform.scaffold.input_snapshot"))
class InputSnapshot(Declaration):
    """Captures one source, partition by partition, exactly as it was: `snapshots/<name>`.

    The same bytes captured again change nothing; changed bytes become a new table version with a new digest. Where
    `source.columns` are declared, every partition must have them all; where the files decide, a column that one
    partition lacks and another has is null there.
    """

    name: Annotated[str, Field(description="The table is snapshots/<name>.", pattern=r"^[a-z][a-z0-9_]*$")]
    source: Annotated[
        SourceField, Field(description="Where the rows come from: files, a database, a Delta table, a function.")
    ]
    partitions: Annotated[
        Partitioning | None, Field(description="Cadence, start and time zone; none for a single, undated table.")
    ] = None
    ahead: Annotated[
        str, Field(description="How far partitions exist before they begin: 0d stops at yesterday, 2d at tomorrow.")
    ] = "0d"
    available: Annotated[
        str, Field(description="When a partition is known, relative to its start: '-1d 12:00', '+1d 06:00'.")
    ] = "+1d"
    key: Annotated[Sequence[str], Field(description="Columns that identify a row; each key may occur once.")] = ()
    empty: Annotated[Literal["allowed", "refused"], Field(description="Whether a partition without rows is legal.")] = (
        "refused"
    )
    description: Annotated[str, Field(description="Shown in the UI.")] = ""
    slo: Annotated[SloField | None, Field(description="The deadline of each partition.")] = None
    automation: Annotated[
        AutomationField, Field(description="When it is captured by itself.", default_factory=AutomationField)
    ]
    owners: Owners = ()

    @property
    def table(self) -> str:
        """The table's name in the lake."""
        return f"snapshots/{self.name}"

    @cached_property
    def timeline(self) -> Timeline:
        """When its partitions exist and are known, for the tables that read it."""
        if self.partitions is None:
            return Timeline(self.table, None, None)
        return Timeline(self.table, self.partitions.calendar(self.ahead), Offset.parse(self.available))

    def snapshot(self) -> Snapshot:
        """The snapshot as a capture needs it.

        Raises:
            ConfigurationError: the partitions make no sense.
        """
        return Snapshot(
            self.name,
            source_from(self.source, base=Settings.from_environment().project),
            tuple(self.key),
            self.timeline.calendar,
            self.empty == "allowed",
            columns_known=self.source.known_columns is not None,
        )

    def scheduled(self, context: dg.ComponentLoadContext) -> list[Scheduled]:
        """The snapshot as the schedule sees it: it can be captured as soon as it is available.

        Raises:
            ConfigurationError: its deadline cannot be met, or its rules make no sense.
        """
        calendar, ready = self.timeline.calendar, self.timeline.available or Offset.parse("0d")
        return [
            Scheduled(
                self.table,
                calendar,
                ready,
                self.automation.rules(calendar, self.table),
                slo=objective(self.slo, ready, calendar, "available"),
                pipeline=self.pipeline,
                owners=tuple(self.owners),
                source=True,
                watched=can_watch(self.source),
            )
        ]

    def watched(self, context: dg.ComponentLoadContext) -> list[Watched]:
        """The snapshot with what looks at its source."""
        base = Settings.from_environment().project
        watch = watch_of(self.source, base=base, empty_allowed=self.empty == "allowed")
        return [Watched(table, watch, self.source.settle_seconds) for table in self.scheduled(context)]

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """One asset and its checks."""
        with self.declaring():
            self.refuse_namesake(context, self.name)
            snapshot = self.snapshot()
            self.scheduled(context)
        calendar = snapshot.calendar
        partitions = calendar.definition if calendar else None
        columns = self.source.known_columns

        def compute(settings: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
            return capture(snapshot, settings.lake, keys, run, meter)

        metadata: dict[str, object] = {
            "source": self.source.origin,
            "available": self.available if calendar else "always",
        }
        if columns is not None:
            metadata["dagster/column_schema"] = dg.TableSchema(
                columns=[dg.TableColumn(name, str(kind)) for name, kind in columns.items()]
            )
        spec = Pipeline.of(context, self.owners).spec(
            self.table,
            self.description or f"Immutable capture of {self.source.origin}.",
            {"delta", "python"},
            partitions,
            metadata=metadata,
        )
        promised = {KEY_CHECK: f"({', '.join(self.key)}) is never null and never repeats."} if self.key else {}
        checks = check_specs(self.table, promised, partitions)
        return dg.Definitions(assets=[table_step(self.table, specs=[spec], checks=checks, compute=compute)])


@asked_once
def snapshot_columns(context: dg.ComponentLoadContext) -> dict[str, dict[str, pa.DataType]]:
    """The columns of those snapshots whose source declares them, by table name."""
    components = everyone(context.component_tree, InputSnapshot)
    known = {component.table: component.source.known_columns for component in components}
    return {table: columns for table, columns in known.items() if columns is not None}


def preflights(tree: dg.ComponentTree, name: str, first: str | None = None, last: str | None = None) -> list[Findings]:
    """Look at the files of a snapshot, or of all snapshots of a pipeline, before they are captured.

    Args:
        tree: the project's components.
        name: a pipeline, or a snapshot by its name or its table's.
        first: the first partition's key; by default the newest partition alone.
        last: the last partition's key; by default `first`.

    Raises:
        ConfigurationError: there is no such pipeline or snapshot.
        PartitionKeyError: a snapshot has no such partition.
        LakeError: the lake cannot be read.
    """
    everyone = list(tree.get_all_components(of_type=InputSnapshot))
    chosen = [component for component in everyone if name in (component.pipeline, component.name, component.table)]
    if not chosen:
        known = sorted({c.pipeline for c in everyone} | {c.table for c in everyone})
        raise ConfigurationError(
            f"there is no pipeline and no snapshot {name[:80]!r}", fix=f"there are {', '.join(known) or 'none'}"
        )
    lake = Settings.from_environment().lake
    found = []
    for component in sorted(chosen, key=lambda component: component.name):
        with component.declaring():
            snapshot = component.snapshot()
        found.append(preflight(snapshot, lake, _keys(snapshot, first, last)))
    return found


def _keys(snapshot: Snapshot, first: str | None, last: str | None) -> list[str]:
    calendar = snapshot.calendar
    if calendar is None:
        return [""]
    if first is None:
        first = max(calendar.latest(datetime.now(UTC)), calendar.first)
    last = first if last is None else last
    for key in (first, last):
        calendar.window(key)
    if first > last:
        raise PartitionKeyError(f"{first!r} comes after {last!r}", fix="give the earlier partition first")
    return calendar.keys_between(first, last)


@asked_once
def snapshot_timelines(context: dg.ComponentLoadContext) -> dict[str, Timeline]:
    """The timelines of all snapshots of the project, by table name."""
    components = everyone(context.component_tree, InputSnapshot)
    found = {}
    for component in components:
        with component.declaring():
            found[component.table] = component.timeline
    return found
