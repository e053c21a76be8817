"""Scoring one shard: read its rows, predict, derive the outputs, write one file of scores and one of failures.

Belongs here: the pure function that engines map over shards. Does not belong here: planning shards, or making
their files visible (`score.py`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import exp

from batch_platform.errors import BatchPlatformError, ConfigurationError, ModelError, first_line
from batch_platform.lake.digest import digest_table
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.artifact import Model
from batch_platform.predictions.definition import (
    ERROR,
    FEATURES_DIGEST,
    MODEL_DIGEST,
    MODEL_VERSION,
    SCORE,
    Predictions,
)
from batch_platform.predictions.receipts import Receipt
from batch_platform.predictions.shards import Shard


@dataclass(frozen=True)
class ShardScorer:
    """Everything that the shards of one partition have in common; call it with a shard.

    Args:
        predictions: the table.
        lake: where features are read and scores written.
        model: loaded once for all shards of a worker.
        model_version: the version's number.
        model_digest: the version's digest.
        features_digest: digest of the feature partition.
    """

    predictions: Predictions
    lake: Lake
    model: Model
    model_version: str
    model_digest: str
    features_digest: str

    def __call__(self, shard: Shard) -> Receipt:
        """Score one shard.

        Raises:
            ModelError: the model refuses the rows.
            LakeError: the feature file cannot be read, or the result cannot be written.
        """
        began = time.perf_counter()
        rows = self._read(shard)
        scores = self._scores(rows, shard)
        usable = np.isfinite(scores)
        origin = (self.model_version, self.model_digest, self.features_digest)
        scored = derive_outputs(self.predictions, rows.filter(pa.array(usable)), scores[usable], origin)
        failed = self._failures(rows.filter(pa.array(~usable)), scores[~usable])
        table, quarantine = Table(self.lake, self.predictions.table), Table(self.lake, self.predictions.quarantine)
        good = scores[usable]
        return Receipt(
            shard=shard,
            scored=table.write(shard.partition, scored, shard.name),
            failed=quarantine.write(shard.partition, failed, shard.name),
            digest=digest_table(scored),
            failed_digest=digest_table(failed),
            lowest=float(good.min()) if good.size else None,
            highest=float(good.max()) if good.size else None,
            total=float(good.sum(dtype=np.float64)),
            seconds=time.perf_counter() - began,
        )

    def _read(self, shard: Shard) -> pa.Table:
        columns = list(dict.fromkeys((*self.predictions.copied, *self.predictions.columns)))
        source = Table(self.lake, self.predictions.features)
        return source.read_file(shard.path, columns, shard.first_row, shard.rows)

    def _scores(self, rows: pa.Table, shard: Shard) -> np.ndarray:
        if rows.num_rows == 0:
            return np.empty(0, np.float32)
        place = f"{self.predictions.table}[{shard.partition}], version {self.model_version}"
        try:
            scores = np.asarray(self.model.predict(rows))
        except BatchPlatformError:
            raise
        except Exception as error:  # whatever a trainer's own class may raise
            raise ModelError(f"the model fails: {first_line(error)}", where=place) from error
        if scores.shape != (rows.num_rows,):
            raise ModelError(
                f"the model gave scores of shape {scores.shape} for {rows.num_rows} rows",
                where=place,
                fix="a prediction table needs one score per row",
            )
        return scores.astype(np.float32, copy=False)

    def _failures(self, rows: pa.Table, scores: np.ndarray) -> pa.Table:
        failed = rows.select(self.predictions.copied)
        reasons = pa.array([f"the model's score is {score}" for score in scores], pa.string())
        failed = failed.append_column(MODEL_VERSION, pa.array([self.model_version] * len(scores), pa.string()))
        failed = failed.append_column(ERROR, reasons)
        failed = failed.append_column("_resolved", pa.array([False] * len(scores), pa.bool_()))
        return failed.cast(self.predictions.quarantine_schema)


def derive_outputs(
    predictions: Predictions,
    rows: pa.Table,
    scores: np.ndarray,
    origin: tuple[str, str, str],
) -> pa.Table:
    """Copied columns, outputs in their declared order, and where they come from.

    Args:
        predictions: the table.
        rows: the feature rows.
        scores: their scores.
        origin: model version, model digest, features digest.

    Raises:
        ConfigurationError: the SQL of an output is wrong.
    """
    frame = pl.DataFrame(pl.from_arrow(rows.select(predictions.copied)))
    for name, expression in predictions.outputs.items():
        if expression == SCORE:
            frame = frame.with_columns(pl.Series(name, scores))
        else:
            try:
                frame = frame.with_columns(output_expression(name, expression))
            except pl.exceptions.PolarsError as error:
                raise _wrong_output(name, first_line(error)) from error
    constants = zip((MODEL_VERSION, MODEL_DIGEST, FEATURES_DIGEST), origin, strict=True)
    return _plain(frame.with_columns(pl.lit(value).alias(name) for name, value in constants).to_arrow())


def output_schema(predictions: Predictions) -> pa.Schema:
    """The schema of the prediction files, found by deriving the outputs of no rows."""
    names = predictions.copied
    empty = pa.schema([pa.field(name, predictions.contract.column(name).arrow_type) for name in names]).empty_table()
    return derive_outputs(predictions, empty, np.empty(0, np.float32), ("", "", "")).schema


def output_expression(name: str, expression: str) -> pl.Expr:
    """A derived output column, from SQL over the columns before it.

    Raises:
        ConfigurationError: the SQL cannot be parsed, or looks at other rows: its value would depend on the shard.
    """
    try:
        found = pl.sql_expr(expression)
        tree = sqlglot.parse_one(expression)
    except (pl.exceptions.PolarsError, sqlglot.errors.SqlglotError) as error:
        raise _wrong_output(name, first_line(error)) from error
    if tree.find(exp.AggFunc, exp.Window, exp.Star, exp.Query, exp.Rand) is not None:
        raise _wrong_output(name, f"{expression!r} is not a value of each row by itself")
    return found.alias(name)


def _wrong_output(name: str, reason: str) -> ConfigurationError:
    return ConfigurationError(f"output {name!r}: {reason}", fix="write one SQL expression over the columns before it")


def _plain(table: pa.Table) -> pa.Table:
    """Polars' views and large strings as the plain strings that the lake stores."""
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        textual = pa.types.is_large_string(field.type) or pa.types.is_string_view(field.type)
        columns.append(pc.cast(column, pa.string()) if textual else column)
    return pa.table(dict(zip(table.column_names, columns, strict=True)))
