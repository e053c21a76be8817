"""Rows that a model could not score, as the quarantine keeps them: where they came from, why, and whether that is over.

Belongs here: the rows of `quarantine/<prediction table>`. Does not belong here: finding out which rows fail
(`attempts.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from batch_platform.errors import ContractError
from batch_platform.lake.schema import RESOLVED, SOURCE_FILE, SOURCE_ROW
from batch_platform.predictions.definition import ERROR, MODEL_VERSION, Predictions


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


def refuse_too_many(predictions: Predictions, key: str, rows: int, failed: int, example: str) -> None:
    """Stop a partition of which more rows failed than is tolerated.

    Raises:
        ContractError: with the counts and the first reason.
    """
    if predictions.tolerance.exceeded(rows, failed):
        raise ContractError(
            f"{failed} of {rows} rows could not be scored, more than {predictions.tolerance}: {example}",
            where=f"{predictions.table}[{key}]",
            fix="correct the model or the features, or raise quarantine.stop_above",
        )
