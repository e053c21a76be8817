"""What becomes of a shard's rows once they have scores: output file, quarantine file, digests, evidence, profile.

Belongs here: everything that is written or counted while a shard's rows pass by. Does not belong here: scores
(`attempts.py`), and what the parts of all shards add up to (`scored.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import digest_table
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.runtimes.scores import ScoreField
from batch_platform.predictions.attempts import Scores
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.failures import failed_rows
from batch_platform.predictions.key_order import KeyOrder
from batch_platform.predictions.outputs import derive_outputs, output_schema
from batch_platform.predictions.profile import Profile
from batch_platform.predictions.receipts import Receipt
from batch_platform.predictions.shards import Shard

_PROFILED = 262_144
"""Rows of a partition that its profile looks at, about: every n-th of a larger one."""


class ShardWriter:
    """Takes the rows of one shard in their order. `finish` or `discard` it.

    Args:
        predictions: the table.
        lake: where it lies.
        shard: the shard.
        partition_rows: rows of its whole partition.
        origin: model version, model digest, features digest.
        spill: a folder for a growing file, if it cannot grow where it belongs.
    """

    def __init__(
        self,
        predictions: Predictions,
        lake: Lake,
        shard: Shard,
        partition_rows: int,
        origin: tuple[str, str, str],
        spill: Path,
    ) -> None:
        self._predictions, self._lake, self._shard, self._origin = predictions, lake, shard, origin
        self._file = Table(lake, predictions.table).writer(shard.partition, spill)
        self._digest = digest_table(output_schema(predictions).empty_table())
        self._keys = KeyOrder(predictions.key)
        self._profile = Profile()
        self._stride = -(-partition_rows // _PROFILED) or 1
        self._failed: list[pa.Table] = []
        self._rows = self._scored = self._outside = self._reused = 0

    def add(self, rows: pa.Table, scores: Scores, reused: int) -> None:
        """Take rows with their scores, of which a number was reused.

        Raises:
            LakeError: the rows cannot be written.
        """
        columns: Mapping[str, pa.Array] = scores.columns
        self._take_profile(rows, columns)
        if scores.failures:
            mask = np.ones(rows.num_rows, np.bool_)
            mask[list(scores.failures)] = False
            self._fail(rows.filter(pa.array(~mask)), list(scores.failures.values()))
            rows, columns = rows.filter(pa.array(mask)), {n: c.filter(pa.array(mask)) for n, c in columns.items()}
        outputs = derive_outputs(self._predictions, rows, columns, self._origin)
        self._digest += digest_table(outputs)
        self._keys.add(outputs)
        self._outside += sum(_outside(columns[field.name], field) for field in self._predictions.scores)
        self._scored += rows.num_rows
        self._reused += reused
        self._file.add(outputs)

    def finish(self, seconds: float) -> Receipt:
        """Put the files in their places; they are invisible until a commit names them.

        Raises:
            LakeError: the store refuses; nothing is left behind.
        """
        quarantine = Table(self._lake, self._predictions.quarantine)
        failed = pa.concat_tables([self._predictions.quarantine_schema.empty_table(), *self._failed])
        kept: DataFile | None = quarantine.write(self._shard.partition, failed) if failed.num_rows else None
        if not self._scored:
            self._file.discard()
        return Receipt(
            shard=self._shard,
            scored=self._file.finish() if self._scored else None,
            failed=kept,
            digest=self._digest,
            failed_digest=digest_table(failed),
            keys=self._keys.run(),
            outside=self._outside,
            reused=self._reused,
            profile=json.dumps(self._profile.to_json(), separators=(",", ":")),
            seconds=seconds,
        )

    def discard(self) -> None:
        """Forget the shard."""
        self._file.discard()

    def _fail(self, rows: pa.Table, reasons: list[str]) -> None:
        self._failed.append(failed_rows(self._predictions, rows, reasons, self._origin[0]))

    def _take_profile(self, rows: pa.Table, scores: Mapping[str, pa.Array]) -> None:
        shown = {name: rows.column(name) for name in self._predictions.columns}
        shown |= {field.name: scores[field.name] for field in self._predictions.scores if field.width is None}
        # By the row's place in its file, so that the same rows are looked at however the file is cut.
        place = self._shard.first_row + self._rows
        self._profile = self._profile.merge(
            Profile.of(pa.table(shown), list(shown), self._stride, -place % self._stride)
        )
        self._rows += rows.num_rows


def _outside(scores: pa.Array, declared: ScoreField) -> int:
    """How many scores lie outside the range that they were declared to have."""
    if declared.between is None or not len(scores):
        return 0
    low, high = declared.between
    values = (scores.flatten() if declared.width else scores).to_numpy(zero_copy_only=False)
    # Almost always none is: two passes over the numbers are cheaper than a mask.
    if not len(values) or (low <= values.min() and values.max() <= high):
        return 0
    return int(((values < low) | (values > high)).sum())
