"""Scoring one shard: stream its rows, predict, write one file of scores and one of failures, keep the receipt.

Belongs here: the function that engines map over shards, wherever they run it. Does not belong here: planning shards, or
making their files visible (`score.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa

from batch_platform.errors import BatchPlatformError, ends_the_run, foreseen
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import Lake
from batch_platform.models.runtimes.loading import ModelSource, load_runtime
from batch_platform.predictions.attempts import Scoring
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.earlier import Earlier, EarlierRows
from batch_platform.predictions.failures import Allowance
from batch_platform.predictions.reader import ahead, chunks
from batch_platform.predictions.receipt_book import ReceiptBook
from batch_platform.predictions.receipts import Failure, Receipt
from batch_platform.predictions.reuse import score_what_changed, with_row_digests
from batch_platform.predictions.sample import drawn_rows
from batch_platform.predictions.shard_writer import ShardWriter
from batch_platform.predictions.shards import Shard


@dataclass(frozen=True)
class Serving:
    """What scores the shards of one partition.

    Args:
        source: the model version, loaded once in each worker.
        features_digest: digest of the feature partition.
        rows: rows of the feature partition.
        earlier: the predictions whose scores rows may take over that did not change.
    """

    source: ModelSource
    features_digest: str
    rows: int
    earlier: Earlier | None = None


@dataclass(frozen=True)
class ShardScorer:
    """Everything that the shards of one run have in common; call it with a shard.

    It can be sent to other processes and machines: it names models and files, and holds none of them.

    Args:
        predictions: the table.
        lake: where features are read and scores written.
        servings: partition -> what scores it.
        spill: a folder for files that grow, where they cannot grow in the lake.
    """

    predictions: Predictions
    lake: Lake
    servings: Mapping[str, Serving]
    spill: Path

    def __call__(self, shard: Shard) -> Receipt:
        """Score one shard.

        Raises:
            ModelError: the model cannot be loaded, or refuses the rows.
            ContractError: more rows failed than is tolerated.
            LakeError: the feature file cannot be read, or the result cannot be written.
            Cancelled: the run was cancelled.
        """
        began = time.perf_counter()
        predictions, serving, options = self.predictions, self.servings[shard.partition], self.predictions.scoring
        source = serving.source
        runtime = load_runtime(source, options.batch_rows, options.device, predictions.columns)
        place = f"{predictions.table}[{shard.partition}]"
        scoring = Scoring(
            runtime,
            predictions.scores,
            options.batch_rows,
            f"{place}, version {source.number}",
            Allowance(predictions.tolerance, serving.rows, place),
            partial(drawn_rows, self.lake, predictions.features, shard, self._columns),
        )
        origin = (source.number, source.digest, serving.features_digest)
        earlier = None if serving.earlier is None else EarlierRows(predictions, serving.earlier)
        writer = ShardWriter(predictions, self.lake, shard, serving.rows, origin, self.spill)
        try:
            for rows in self._rows(shard):
                rows = with_row_digests(predictions, rows)
                scores, reused = score_what_changed(predictions, scoring, rows, earlier)
                writer.add(rows, scores, reused)
            receipt = writer.finish(time.perf_counter() - began)
        except BaseException:
            writer.discard()
            raise
        ReceiptBook(self.lake, predictions.table, predictions.quarantine).keep(receipt)
        return receipt

    def _rows(self, shard: Shard) -> Iterator[pa.Table]:
        found = chunks(self.lake, self.predictions.features, shard, self._columns, self.predictions.scoring.batch_rows)
        # On a disk, workers overlap well enough: one reads while another predicts.
        return found if self.lake.is_local else ahead(found)

    @property
    def _columns(self) -> list[str]:
        used = (*self.predictions.copied, *self.predictions.columns, SOURCE_FILE, SOURCE_ROW)
        return list(dict.fromkeys(used))


@dataclass(frozen=True)
class Attempt:
    """A scorer whose failure on one shard does not keep the engine from the shards of other partitions.

    Further shards of a partition that failed get the same answer at once, in this process: it will not be committed.

    Raises, when called:
        BatchPlatformError: one that ends the run, see `ends_the_run`.
    """

    scorer: ShardScorer
    _refused: dict[str, BatchPlatformError] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, shard: Shard) -> Receipt | Failure:
        known = self._refused.get(shard.partition)
        if known is not None:
            return Failure(shard, known)
        try:
            return self.scorer(shard)
        except Exception as error:
            found = foreseen(error, f"{self.scorer.predictions.table}[{shard.partition}]")
            if ends_the_run(found):
                raise
            return Failure(shard, self._refused.setdefault(shard.partition, found))

    def __reduce__(self) -> tuple[type[Attempt], tuple[ShardScorer]]:
        """Sent elsewhere without what it met here."""
        return Attempt, (self.scorer,)
