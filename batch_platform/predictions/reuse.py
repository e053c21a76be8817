"""Scoring only what changed: rows whose features and model are as they were take their earlier scores.

Belongs here: finding those rows, and joining their scores with new ones. Does not belong here: which earlier partition
is compared (`planning.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from batch_platform.errors import UnreadableError, first_line
from batch_platform.lake.row_digests import row_digests
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.predictions.attempts import Scores, Scoring
from batch_platform.predictions.definition import ROW_DIGEST, Predictions

_ROW = "_row"


@dataclass(frozen=True)
class Earlier:
    """A committed partition of predictions that this model version and this code made.

    Args:
        lake: where it lies.
        partition: its key.
        version: the version of the table in which it stands.
        same_features: whether its features are those of now, so that a row's key says all; else the digest of each
            row's features is compared.
    """

    lake: Lake
    partition: str
    version: int
    same_features: bool


def with_row_digests(predictions: Predictions, rows: pa.Table) -> pa.Table:
    """The rows with a digest of each one's features, 16 bytes, where the table keeps it; else as they are."""
    if predictions.reuse is None:
        return rows
    return rows.append_column(ROW_DIGEST, row_digests(rows, predictions.columns))


def score_what_changed(
    predictions: Predictions, scoring: Scoring, rows: pa.Table, earlier: Earlier | None
) -> tuple[Scores, int]:
    """Scores for all rows, and how many of them are earlier ones.

    Raises:
        ModelError, Cancelled: see `Scoring.score`.
        UnreadableError: the earlier predictions cannot be read.
    """
    if earlier is None or not rows.num_rows:
        return scoring.score(_batch(rows)), 0
    known = _known(predictions, rows, earlier)
    found = known.get_column(_ROW).to_numpy()
    changed = np.ones(rows.num_rows, np.bool_)
    changed[found] = False
    fresh = scoring.score(_batch(rows.filter(pa.array(changed))))
    numbers = np.flatnonzero(changed)
    # Row by row: earlier scores stand before new ones in the joined column.
    places = np.empty(rows.num_rows, np.int64)
    places[found] = np.arange(len(found))
    places[numbers] = len(found) + np.arange(len(numbers))
    columns = {}
    for field in predictions.scores:
        taken = known.get_column(field.name).to_arrow().cast(field.kind)
        columns[field.name] = pa.concat_arrays([taken, fresh.columns[field.name]]).take(pa.array(places))
    failures = {int(numbers[row]): reason for row, reason in fresh.failures.items()}
    return Scores(columns, failures), len(found)


def _known(predictions: Predictions, rows: pa.Table, earlier: Earlier) -> pl.DataFrame:
    """Number and earlier scores of each row that has them, in the order of the rows."""
    match = [*predictions.key, *(() if earlier.same_features else (ROW_DIGEST,))]
    now = pl.DataFrame(pl.from_arrow(rows.select(match))).with_row_index(_ROW)
    before = pl.DataFrame(pl.from_arrow(_read(predictions, rows, earlier, match)))
    textual = [name for name in match if now.schema[name] == pl.Categorical]
    return now.with_columns(pl.col(textual).cast(pl.String)).join(before, on=match, how="inner").sort(_ROW)


def _read(predictions: Predictions, rows: pa.Table, earlier: Earlier, match: list[str]) -> pa.Table:
    """The earlier rows that may match: those between the first and the last key of the rows."""
    first = predictions.key[0]
    ends = pc.min_max(_plain(rows.column(first)))
    within = (pc.field(first) >= ends["min"]) & (pc.field(first) <= ends["max"])
    stored = {field.name: predictions.column_of(field) for field in predictions.scores}
    table = Table(earlier.lake, predictions.table)
    try:
        opened = table.open(earlier.version)
        assert opened is not None
        dataset = opened.to_pyarrow_dataset(partitions=[(PARTITION_COLUMN, "=", earlier.partition)])
        columns = {name: pc.field(name) for name in match} | {name: pc.field(out) for name, out in stored.items()}
        return dataset.to_table(columns=columns, filter=within, use_threads=False)
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise UnreadableError(
            f"cannot be read: {first_line(error)}",
            where=f"{predictions.table}[{earlier.partition}]",
            fix="materialize it again",
        ) from error


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _batch(rows: pa.Table) -> pa.RecordBatch:
    batches = rows.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=rows.schema)
