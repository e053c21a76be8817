"""A model's query as a person may look at it: the text at each stage of its compilation, and its first rows.

Belongs here: looking, which changes no table. Does not belong here: building one (`build.py`).
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import pyarrow as pa

from batch_platform.features.definition import FeatureTable
from batch_platform.features.plan import adds_to, as_computed, inputs_of, selection_of
from batch_platform.features.sandbox import Sandbox
from batch_platform.features.selection import RULE
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import Lake
from batch_platform.partitions import Window
from batch_platform.resources import Resources
from batch_platform.sql.binding import Binder
from batch_platform.sql.names import without_end
from batch_platform.sql.order_proof import order_proof


@dataclass(frozen=True)
class Stages:
    """A model's query on its way to DuckDB.

    Args:
        rendered: what the template says for the partition.
        order_proof: the same, with a result that follows no order of rows.
        final: the same, with the rules that look at several rows, in the order of the key: what runs.
        unproven: what in it may still follow the order of rows.
    """

    rendered: str
    order_proof: str
    final: str
    unproven: tuple[str, ...]


def stages(features: FeatureTable, key: str) -> Stages:
    """The query for one partition; `key` is empty for a table without partitions.

    Raises:
        PartitionKeyError: there is no such partition.
        ConfigurationError: the template fails.
    """
    rendered = features.model.compile(_window(features, key))
    proofed = order_proof(rendered, features.columns_read)
    with Binder() as binder:
        for table, columns in features.columns_read.items():
            binder.declare(table, columns)
        types = dict(binder.types(proofed.sql, str(features.model.path))) if features.columns_read else {}
    final = selection_of(as_computed(features)).text(
        without_end(proofed.sql)[0], types or {c.name: c.data_type for c in features.contract.columns}
    )
    return Stages(rendered, proofed.sql, final, proofed.unproven)


def first_rows(features: FeatureTable, lake: Lake, key: str, limit: int, resources: Resources) -> pa.Table:
    """The first rows of a partition as a build would compute them now, before its contract is applied.

    Those of an incremental table without partitions are the rows that it would hold then.

    Raises:
        ConfigurationError: the query fails.
        ContractError: an input is missing, or the rows that it adds to have other columns.
        LakeError: an input cannot be read.
    """
    features = as_computed(features)
    inputs = inputs_of(features, lake, [key])
    inputs.refuse_missing(key, features.model.table)
    kept, selection = adds_to(features, inputs), selection_of(features)
    with (
        resources.spilling() as spill,
        closing(
            Sandbox(features.model, inputs.readings, inputs.opened, features.views, selection, resources, spill)
        ) as sandbox,
    ):
        found: list[pa.Table] = []
        for pieces in sandbox.query(key, _window(features, key), adds_to=kept):
            found += [piece.rows for piece in pieces]
            if sum(rows.num_rows for rows in found) >= limit:
                break
        rows = pa.concat_tables(found).slice(0, limit)
    beside = (SOURCE_FILE, SOURCE_ROW) if features.calendar is None else ()
    return rows.select([name for name in rows.column_names if not name.startswith(RULE) and name not in beside])


def _window(features: FeatureTable, key: str) -> Window | None:
    return features.calendar.window(key) if features.calendar else None
