"""The checks of a prediction partition, evaluated on the files that are about to be committed."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from batch_platform.lake.provenance import Ledger
from batch_platform.models.registry import Version
from batch_platform.outcomes import CheckOutcome
from batch_platform.predictions.definition import MODEL_VERSION, Predictions


def prediction_checks(
    predictions: Predictions, rows: pa.Table, ledger: Ledger, expected: Version
) -> tuple[CheckOutcome, ...]:
    """Evaluate every check in `definition.CHECKS`.

    Args:
        predictions: the table.
        rows: key, score and model version of the partition, read back from its files.
        ledger: the partition's row ledger.
        expected: the version that serves the partition.
    """
    frame = pl.DataFrame(pl.from_arrow(rows))
    keys = frame.select(predictions.key)
    twins = keys.height - keys.n_unique() if keys.height else 0
    score = frame.get_column(predictions.score_column)
    outside = int((~score.is_between(0, 1) | score.is_nan()).sum())
    versions = frame.get_column(MODEL_VERSION).unique().sort().to_list()
    balanced = ledger.balanced and frame.height == ledger.outcomes["scored"] + ledger.outcomes["reused"]
    return (
        CheckOutcome("ledger", balanced, str(ledger), {"rows": ledger.rows, **ledger.outcomes}),
        CheckOutcome("key_is_unique", twins == 0, f"{twins} of {keys.height} rows repeat a key"),
        CheckOutcome("scores_in_range", outside == 0, f"{outside} of {frame.height} scores lie outside 0 to 1"),
        CheckOutcome(
            "model_as_expected",
            versions in ([], [expected.number]),
            f"scored by version {', '.join(versions) or 'none (no rows)'}, expected {expected.number}",
        ),
    )
