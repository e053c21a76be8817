"""`InputSnapshot`: an immutable, checksummed capture of one source for each partition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal

import dagster as dg
import pyarrow as pa
from pydantic import Field

from batch_platform.automation.declared import Declaration, Owners, Partitioning, Pipeline
from batch_platform.automation.reporting import check_specs
from batch_platform.automation.step import table_step
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import Calendar, Offset
from batch_platform.settings import Settings
from batch_platform.snapshots.capture import KEY_CHECK, Snapshot, capture
from batch_platform.snapshots.sources import SourceSpec, source_from
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Timeline


class SourceField(SourceSpec, dg.Resolvable):
    """The `source:` field as YAML spells it."""

    @property
    def origin(self) -> str:
        """Where the rows come from, in a few words."""
        return self.demo or self.files or ""


class InputSnapshot(Declaration):
    """Captures one source, partition by partition, exactly as it was: `snapshots/<name>`.

    The same bytes captured again change nothing; changed bytes become a new table version with a new digest. Where
    `source.columns` are declared, every partition must have them all; where the files decide, a column that one
    partition lacks and another has is null there.
    """

    name: Annotated[str, Field(description="The table is snapshots/<name>.", pattern=r"^[a-z][a-z0-9_]*$")]
    source: Annotated[SourceField, Field(description="Where the rows come from: demo data or files.")]
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

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """One asset and its checks."""
        with self.declaring():
            self.refuse_namesake(context, self.name)
            calendar: Calendar | None = self.timeline.calendar
            source = source_from(self.source, base=Settings.from_environment().project)
        partitions = calendar.definition if calendar else None
        columns = self.source.known_columns
        snapshot = Snapshot(
            self.name, source, tuple(self.key), calendar, self.empty == "allowed", columns_known=columns is not None
        )

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


def snapshot_columns(context: dg.ComponentLoadContext) -> dict[str, dict[str, pa.DataType]]:
    """The columns of those snapshots whose source declares them, by table name."""
    components = context.component_tree.get_all_components(of_type=InputSnapshot)
    known = {component.table: component.source.known_columns for component in components}
    return {table: columns for table, columns in known.items() if columns is not None}


def snapshot_timelines(context: dg.ComponentLoadContext) -> dict[str, Timeline]:
    """The timelines of all snapshots of the project, by table name."""
    components = context.component_tree.get_all_components(of_type=InputSnapshot)
    found = {}
    for component in components:
        with component.declaring():
            found[component.table] = component.timeline
    return found
