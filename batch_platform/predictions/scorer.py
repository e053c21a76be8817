"""Scoring one shard: read its rows, predict, derive the outputs, write one file of scores and one of failures.

Belongs here: the pure function that engines map over shards. Does not belong here: planning shards, or making
their files visible (`score.py`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from batch_platform.errors import BatchPlatformError, ModelError, ends_the_run, first_line, foreseen
from batch_platform.lake.digest import digest_table
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.artifact import Model
from batch_platform.predictions.definition import ERROR, MODEL_VERSION, Predictions
from batch_platform.predictions.outputs import derive_outputs
from batch_platform.predictions.receipts import Failure, Receipt
from batch_platform.predictions.shards import Shard


@dataclass(frozen=True)
class Serving:
    """What scores the shards of one partition.

    Args:
        model: loaded once for all partitions that its version serves.
        version: the version's number.
        digest: the version's digest.
        features_digest: digest of the feature partition.
    """

    model: Model
    version: str
    digest: str
    features_digest: str


@dataclass(frozen=True)
class ShardScorer:
    """Everything that the shards of one run have in common; call it with a shard.

    Args:
        predictions: the table.
        lake: where features are read and scores written.
        servings: partition -> what scores it.
    """

    predictions: Predictions
    lake: Lake
    servings: Mapping[str, Serving]

    def __call__(self, shard: Shard) -> Receipt:
        """Score one shard.

        Raises:
            ModelError: the model refuses the rows.
            LakeError: the feature file cannot be read, or the result cannot be written.
        """
        began = time.perf_counter()
        serving = self.servings[shard.partition]
        rows = self._read(shard)
        scores = self._scores(rows, shard, serving)
        usable = np.isfinite(scores)
        origin = (serving.version, serving.digest, serving.features_digest)
        scored = derive_outputs(self.predictions, rows.filter(pa.array(usable)), scores[usable], origin)
        failed = self._failures(rows.filter(pa.array(~usable)), scores[~usable], serving.version)
        table, quarantine = Table(self.lake, self.predictions.table), Table(self.lake, self.predictions.quarantine)
        good = scores[usable]
        return Receipt(
            shard=shard,
            scored=table.write(shard.partition, scored),
            failed=quarantine.write(shard.partition, failed),
            digest=digest_table(scored),
            failed_digest=digest_table(failed),
            lowest=float(good.min()) if good.size else None,
            highest=float(good.max()) if good.size else None,
            total=float(good.sum(dtype=np.float64)),
            seconds=time.perf_counter() - began,
        )

    def _read(self, shard: Shard) -> pa.Table:
        used = (*self.predictions.copied, *self.predictions.columns, SOURCE_FILE, SOURCE_ROW)
        columns = list(dict.fromkeys(used))
        source = Table(self.lake, self.predictions.features)
        return source.read_file(shard.path, columns, shard.first_row, shard.rows)

    def _scores(self, rows: pa.Table, shard: Shard, serving: Serving) -> np.ndarray:
        if rows.num_rows == 0:
            return np.empty(0, np.float32)
        place = f"{self.predictions.table}[{shard.partition}], version {serving.version}"
        try:
            scores = np.asarray(serving.model.predict(rows))
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
        with np.errstate(over="ignore"):  # what does not fit becomes infinite and goes to quarantine
            return scores.astype(np.float32, copy=False)

    def _failures(self, rows: pa.Table, scores: np.ndarray, version: str) -> pa.Table:
        failed = rows.select([*self.predictions.copied, SOURCE_FILE, SOURCE_ROW])
        reasons = pa.array([f"the model's score is {score}" for score in scores], pa.string())
        failed = failed.append_column(MODEL_VERSION, pa.array([version] * len(scores), pa.string()))
        failed = failed.append_column(ERROR, reasons)
        failed = failed.append_column("_resolved", pa.array([False] * len(scores), pa.bool_()))
        return failed.cast(self.predictions.quarantine_schema)


@dataclass(frozen=True)
class Attempt:
    """A scorer whose failure on one shard does not keep the engine from the shards of other partitions.

    Raises, when called:
        BatchPlatformError: one that ends the run, see `ends_the_run`.
    """

    scorer: ShardScorer

    def __call__(self, shard: Shard) -> Receipt | Failure:
        try:
            return self.scorer(shard)
        except Exception as error:
            found = foreseen(error, f"{self.scorer.predictions.table}[{shard.partition}]")
            if ends_the_run(found):
                raise
            return Failure(shard, found)
