"""Scoring only what changed: rows whose features and model are as they were take their earlier scores.

Belongs here: finding those rows, and joining their scores with new ones. Does not belong here: which earlier partition
is compared (`planning.py`), or reading it (`earlier.py`).
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from batch_platform.lake.row_digests import row_digests
from batch_platform.predictions.attempts import Scores, Scoring
from batch_platform.predictions.definition import ROW_DIGEST, Predictions
from batch_platform.predictions.earlier import EarlierRows

_ROW = "_row"


def with_row_digests(predictions: Predictions, rows: pa.Table) -> pa.Table:
    """The rows with a digest of each one's features, 16 bytes, where the table keeps it; else as they are."""
    if predictions.reuse is None:
        return rows
    return rows.append_column(ROW_DIGEST, row_digests(rows, predictions.columns))


def score_what_changed(
    predictions: Predictions, scoring: Scoring, rows: pa.Table, earlier: EarlierRows | None
) -> tuple[Scores, int]:
    """Scores for all rows, and how many of them are earlier ones.

    Raises:
        ModelError, Cancelled: see `Scoring.score`.
        UnreadableError: the earlier predictions cannot be read.
    """
    known = pl.DataFrame() if earlier is None else _known(rows, earlier)
    if known.is_empty():
        return scoring.score(_batch(rows)), 0
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


def _known(rows: pa.Table, earlier: EarlierRows) -> pl.DataFrame:
    """Number and earlier scores of each row that has them, in the order of the rows."""
    match = earlier.match
    now = pl.DataFrame(pl.from_arrow(rows.select(match))).with_row_index(_ROW)
    now = now.with_columns(pl.col(name).cast(pl.String) for name in match if now.schema[name] == pl.Categorical)
    met = [now.join(before, on=match, how="inner") for before in earlier.around(rows)]
    if not met:
        return pl.DataFrame(schema={_ROW: now.schema[_ROW]})
    # A key that stood twice does not say which of its scores is meant.
    return pl.concat(met).unique(_ROW, keep="none").sort(_ROW)


def _batch(rows: pa.Table) -> pa.RecordBatch:
    batches = rows.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=rows.schema)
