"""Bringing a Delta table into being, and giving it the columns that new rows have.

Belongs here: what changes a table's metadata. Does not belong here: changing its rows (`commit.py`).
"""

from __future__ import annotations

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError

from batch_platform.errors import LakeError, first_line
from batch_platform.lake.log import reading
from batch_platform.lake.schema import added_columns
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN

LOG_RETENTION = "interval 36500 days"
"""The log is the provenance: forgetting it is an explicit act, never a side effect of a checkpoint."""

_CONFIGURATION = {"delta.logRetentionDuration": LOG_RETENTION, "delta.enableExpiredLogCleanup": "false"}


def create(table: Table, schema: pa.Schema, partitioned: bool) -> DeltaTable:
    """A table without rows; one that another writer makes at the same moment will do as well.

    Raises:
        LakeError: the store refuses.
    """
    full = schema.append(pa.field(PARTITION_COLUMN, pa.string())) if partitioned else schema
    try:
        DeltaTable.create(
            table.uri,
            Schema.from_arrow(full),
            mode="ignore",
            partition_by=[PARTITION_COLUMN] if partitioned else None,
            configuration=_CONFIGURATION,
            storage_options=dict(table.lake.options),
            # Of two that create it at once the second must lose, not describe the table again in the next version.
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except CommitFailedError:
        pass  # another writer created it at the same moment
    except (DeltaError, OSError) as error:
        raise LakeError(f"cannot be created: {first_line(error)}", where=table.name) from error
    table.settle(0)
    created = table.open()
    if created is None:
        raise LakeError("is gone as soon as it was created", where=table.name, fix="check who else changes the lake")
    return created


def adapt_schema(table: Table, delta: DeltaTable, schema: pa.Schema) -> None:
    """Add columns that the table lacks; refuse columns that changed their type or vanished."""
    try:
        new = added_columns(pa.schema(delta.schema()), schema)
    except LakeError as error:
        raise LakeError(error.what, where=table.name, fix=error.fix) from error
    if not new:
        return
    try:
        delta.alter.add_columns(list(Schema.from_arrow(pa.schema(new)).fields))
    except CommitFailedError:
        pass  # the next look at the table tells whether someone else added them
    except (DeltaError, OSError) as error:
        raise LakeError(f"columns cannot be added: {first_line(error)}", where=table.name) from error
    with reading(table.name):
        delta.update_incremental()
