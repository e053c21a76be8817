"""What an input snapshot is: its table, its source, its row key and its calendar.

Belongs here: the declaration. Does not belong here: anything that happens with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from batch_platform.errors import ContractError
from batch_platform.lake.provenance import Stage
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN, Calendar, place
from batch_platform.snapshots.sources import Source


@dataclass(frozen=True)
class Snapshot:
    """What an input snapshot is.

    Args:
        name: the table is `snapshots/<name>`, or that of another stage.
        source: reads one partition.
        key: the columns that identify a row; empty when rows have no identity.
        calendar: its partitions; None for a table without.
        empty_allowed: whether a partition without rows is legal.
        columns_known: whether the declaration fixes the columns, so that each partition has all of them. Where the
            files decide, a column that a partition lacks is null there.
        stage: the folder of the lake that the table is in.
    """

    name: str
    source: Source
    key: tuple[str, ...] = ()
    calendar: Calendar | None = None
    empty_allowed: bool = False
    columns_known: bool = False
    stage: str = Stage.SNAPSHOT

    @property
    def table(self) -> str:
        """The table's name in the lake."""
        return f"{self.stage}/{self.name}"

    def place(self, key: str) -> str:
        """A partition as messages show it."""
        return place(self.table, key)


def stored_columns(table: Table) -> pa.Schema:
    """The columns that the table's partitions have had until now; none if there is no table yet."""
    delta = table.open()
    stored = pa.schema(delta.schema()) if delta else pa.schema([])
    return pa.schema([field for field in stored if field.name != PARTITION_COLUMN])


def no_rows(snapshot: Snapshot, key: str) -> ContractError:
    """The error of a partition without rows where that is not legal."""
    return ContractError(
        "the source has no rows", where=snapshot.place(key), fix="declare empty: allowed if that is legal"
    )
