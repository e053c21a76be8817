"""Putting quarantined and failed rows through again, as runs of Dagster that say they are replays.

Belongs here: which partitions of which step that takes, and running it. Does not belong here: what a replay does with
rows, which the stages know (`outcomes.Run.replay`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
import pyarrow.compute as pc

from batch_platform.automation.catch_up import Wanted, materialize
from batch_platform.automation.reporting import asset_key
from batch_platform.automation.step import REPLAY
from batch_platform.errors import ConfigurationError, PartitionKeyError
from batch_platform.lake.provenance import WHOLE_TABLE
from batch_platform.lake.schema import RESOLVED
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.settings import Settings

STAGES = ("features", "predictions")


@dataclass(frozen=True)
class Replayed:
    """What became of one partition: rows that were in quarantine unresolved before, and those that are now."""

    partition: str
    before: int
    after: int


def unresolved(settings: Settings, table: str) -> dict[str, int]:
    """Partition -> how many rows stand in a table's quarantine and are not resolved; those without any are left out.

    Raises:
        LakeError: the quarantine cannot be read.
    """
    quarantine = Table(settings.lake, f"quarantine/{table.partition('/')[2]}")
    delta = quarantine.open()
    if delta is None:
        return {}
    partitioned = bool(delta.metadata().partition_columns)
    columns = [RESOLVED, *([PARTITION_COLUMN] if partitioned else [])]
    rows = quarantine.read(columns=columns)
    waiting = rows.filter(pc.invert(rows.column(RESOLVED)))
    if not partitioned:
        return {WHOLE_TABLE: waiting.num_rows} if waiting.num_rows else {}
    counted = pc.value_counts(waiting.column(PARTITION_COLUMN)).to_pylist()
    return dict(sorted((entry["values"], entry["counts"]) for entry in counted))


def replay(
    definitions: dg.Definitions, instance: dg.DagsterInstance, settings: Settings, table: str, partitions: Sequence[str]
) -> list[Replayed]:
    """Put the rows of a table that wait in quarantine through again.

    Args:
        definitions: the code location.
        instance: where runs and events are recorded.
        settings: where things lie.
        table: `features/<name>` or `predictions/<name>`.
        partitions: the partitions; all that have rows in quarantine, if there are none.

    Raises:
        ConfigurationError: there is no such table, or it has no quarantine.
        PartitionKeyError: a partition has no rows in quarantine.
        RunFailedError: a run failed.
    """
    known = {"/".join(key.path) for key in definitions.resolve_all_asset_keys()}
    candidates = sorted(name for name in known if name.partition("/")[0] in STAGES)
    if table not in candidates:
        raise ConfigurationError(
            f"there is no table {table[:80]!r} that could be replayed",
            fix=f"there are {', '.join(candidates) or 'none'}",
        )
    waiting = unresolved(settings, table)
    strange = next((key for key in partitions if key not in waiting), None)
    if strange is not None:
        raise PartitionKeyError(
            f"partition {strange[:40]!r} has no rows in quarantine",
            where=table,
            fix=f"there are {', '.join(waiting) or 'none'}",
        )
    keys = sorted(partitions or waiting)
    if keys:
        beside = (f"quarantine/{table.partition('/')[2]}",)
        # All keys of the table: what lies between two of those that wait must not be run along with them.
        days = definitions.resolve_assets_def(asset_key(table)).partitions_def
        order = (WHOLE_TABLE,) if days is None else tuple(days.get_partition_keys())
        materialize(definitions, instance, Wanted(table, order, beside), keys, lambda _: None, tags={REPLAY: "true"})
    after = unresolved(settings, table)
    return [Replayed(key, waiting[key], after.get(key, 0)) for key in keys]
