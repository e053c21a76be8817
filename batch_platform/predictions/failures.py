"""Rows that a model could not score, as the quarantine keeps them: where they came from, why, and whether that is over.

Belongs here: the rows of `quarantine/<prediction table>`, and how many of them a partition may have. Does not belong
here: finding out which rows fail (`attempts.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from batch_platform.errors import ContractError
from batch_platform.features.quarantine import Tolerance
from batch_platform.lake.schema import RESOLVED, SOURCE_FILE, SOURCE_ROW
from batch_platform.predictions.definition import ERROR, MODEL_VERSION, Predictions

_DOUBT = 1e-12
_MOST_DRAWN = 256


def failed_rows(predictions: Predictions, rows: pa.Table, reasons: Sequence[str], version: str) -> pa.Table:
    """Feature rows without a score, in `Predictions.quarantine_schema`.

    Args:
        predictions: the table.
        rows: the rows.
        reasons: why each has no score.
        version: the number of the model version that could not score them.
    """
    failed = rows.select([*predictions.copied, SOURCE_FILE, SOURCE_ROW])
    failed = failed.append_column(MODEL_VERSION, pa.array([version] * len(reasons), pa.string()))
    failed = failed.append_column(ERROR, pa.array(reasons, pa.string()))
    failed = failed.append_column(RESOLVED, pa.array([False] * len(reasons), pa.bool_()))
    return failed.cast(predictions.quarantine_schema)


@dataclass(frozen=True)
class Allowance:
    """How many rows of one partition may fail, whatever shards they stand in.

    Args:
        tolerance: the table's.
        rows: rows of the whole partition.
        where: table and partition, for errors.
    """

    tolerance: Tolerance
    rows: int
    where: str

    def exceeded(self, failed: int) -> bool:
        """Whether so many are too many."""
        # Files may hold more rows than their ledger says; that is found, and said, when the partition is added up.
        return self.tolerance.exceeded(max(self.rows, failed), failed)

    def refuse(self, failed: int, example: str) -> None:
        """Stop a partition of which more rows failed than is tolerated.

        Raises:
            ContractError: with the counts and the reason of one row.
        """
        if self.exceeded(failed):
            raise ContractError(
                f"{failed} of {self.rows} rows could not be scored, more than {self.tolerance}: {example}",
                where=self.where,
                fix="correct the model or the features, or raise quarantine.stop_above",
            )

    @property
    def telling(self) -> int:
        """How many rows, drawn at random, must all fail to tell that more of the partition fail than is tolerated.

        If a share p may fail, n drawn rows all do with a probability of p^n at most; n is such that this is below one
        in 10^12: 6 rows for 1%, 40 for 50%. Zero: too many to be worth it, or nothing is too much.
        """
        share = self.tolerance.share
        allowed = float(share) if share is not None else (self.tolerance.rows or 0) / max(self.rows, 1)
        if not 0 < allowed < 1:
            return int(allowed <= 0)
        count = math.ceil(math.log(_DOUBT) / math.log(allowed))
        return min(count, self.rows) if count <= _MOST_DRAWN else 0


def refuse_too_many(predictions: Predictions, key: str, rows: int, failed: int, example: str) -> None:
    """Stop a partition of which more rows failed than is tolerated.

    Raises:
        ContractError: with the counts and the first reason.
    """
    Allowance(predictions.tolerance, rows, f"{predictions.table}[{key}]").refuse(failed, example)
