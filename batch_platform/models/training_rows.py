"""What a version may learn from: the rows of features with their labels.

Belongs here: the join of features and labels. Does not belong here: which partitions a version learns from
(`training_windows.py`), or the training itself (`training.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from batch_platform.errors import ConfigurationError, ContractError, first_line
from batch_platform.lake.store import Lake, quote_identifier
from batch_platform.lake.table import Table
from batch_platform.models.definition import ModelDefinition
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.sql.walls import walled

LABEL = "_label"


def labelled_rows(definition: ModelDefinition, lake: Lake, keys: Sequence[str]) -> pa.Table:
    """The features of these partitions with the label of the same partition as `LABEL` (0 or 1), in key order.

    Raises:
        ContractError: a partition of the features or of the label's table was never computed, or the label's table
            has several rows for one key.
        ConfigurationError: the label's SQL is wrong.
    """
    tables = {}
    for timeline in (definition.features, definition.label.timeline):
        table = Table(lake, timeline.table)
        missing = sorted(set(keys) - table.partitions())
        if missing:
            raise ContractError(
                f"the training window needs {len(missing)} partitions of {timeline.table} that do not exist, "
                f"from {missing[0]} to {missing[-1]}",
                where=definition.table,
                fix="materialize them first",
            )
        tables[timeline.table] = table.read(keys)
    # A key may be unique within its partition only, and the label of another day may not be known yet.
    join = dict.fromkeys((PARTITION_COLUMN, *definition.key))
    names = ", ".join(quote_identifier(name) for name in join)
    columns = ", ".join(quote_identifier(name) for name in definition.columns)
    query = f"""
        WITH labelled AS (
            SELECT {names}, CAST(({definition.label.sql}) AS INTEGER) AS {LABEL} FROM outcomes
            WHERE NOT coalesce(({definition.label.exclude}), false)
        )
        SELECT {columns}, {PARTITION_COLUMN}, labelled.{LABEL}
        FROM features JOIN labelled USING ({names}) ORDER BY {names}
    """
    # USING makes the key columns unambiguous; nothing else of the label's table is in sight.
    connection = walled()
    try:
        connection.register("features", tables[definition.features.table])
        connection.register("outcomes", tables[definition.label.timeline.table])
        rows = connection.sql(query).to_arrow_table()
        if rows.num_rows > tables[definition.features.table].num_rows:
            raise ContractError(
                f"{definition.label.timeline.table} has several rows for one key ({', '.join(definition.key)})",
                where=definition.table,
                fix="give that snapshot the same key",
            )
        return rows
    except duckdb.Error as error:
        raise ConfigurationError(
            f"label: {first_line(error)}", where=definition.table, fix="correct its SQL"
        ) from error
    finally:
        connection.close()
