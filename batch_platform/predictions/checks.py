"""The checks of a prediction partition, evaluated before it is committed on what its shards have seen.

Belongs here: judging. Does not belong here: gathering the evidence (`shard_writer.py`).
"""

from __future__ import annotations

from batch_platform.errors import ContractError
from batch_platform.lake.store import Lake
from batch_platform.models.versions import Version
from batch_platform.outcomes import CheckOutcome, PartitionOutcome
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.key_order import unique
from batch_platform.predictions.planning import Task
from batch_platform.predictions.scored import Scored
from batch_platform.predictions.uniqueness import repeated_keys
from batch_platform.resources import Resources


def judge(
    predictions: Predictions, lake: Lake, resources: Resources, key: str, task: Task, scored: Scored, expected: Version
) -> PartitionOutcome:
    """Evaluate the checks of a partition; a broken one is the outcome's error.

    Args:
        predictions: the table.
        lake: where its files are.
        resources: what looking for repeated keys may take.
        key: the partition.
        task: what was planned.
        scored: what came of it.
        expected: the version that serves the partition now that the shards are scored.

    Raises:
        LakeError: a file that was just written cannot be read.
    """
    checks = prediction_checks(predictions, lake, resources, scored, task.version, expected)
    broken = [check for check in checks if not check.passed]
    place = f"{predictions.table}[{key}]"
    failed, record = scored.failed_record, scored.record
    return PartitionOutcome(
        key,
        digest=record.digest,
        rows=record.ledger.rows - record.ledger.outcomes["failed"],
        metadata={
            "ledger": str(record.ledger),
            "model": f"{task.version.name} version {task.version.number}, digest {task.version.digest[:12]}",
            "features": f"digest {task.serving.features_digest[:12]}",
            **scored.spread,
        },
        checks=checks,
        error=ContractError(f"{broken[0].name}: {broken[0].description}", where=place) if broken else None,
        extra={predictions.quarantine: PartitionOutcome(key, failed.digest, failed.ledger.rows)},
    )


def prediction_checks(
    predictions: Predictions, lake: Lake, resources: Resources, scored: Scored, used: Version, expected: Version
) -> tuple[CheckOutcome, ...]:
    """Evaluate every check in `definition.CHECKS`."""
    ledger, receipts = scored.record.ledger, scored.receipts
    written = sum(file.rows for file in scored.files)
    balanced = ledger.balanced and written == ledger.outcomes["scored"] + ledger.outcomes["reused"]
    proven = unique([receipt.keys for receipt in receipts if receipt.scored])
    twins = 0 if proven else repeated_keys(predictions, lake, resources, scored.files)
    outside = sum(receipt.outside for receipt in receipts)
    declared = ", ".join(f"{score.name} {score.text}" for score in predictions.scores)
    return (
        CheckOutcome("ledger", balanced, str(ledger), {"rows": ledger.rows, **ledger.outcomes}),
        CheckOutcome("key_is_unique", twins == 0, f"{twins} of {written} rows repeat a key"),
        CheckOutcome("scores_in_range", outside == 0, f"{outside} of {written} scores lie outside {declared}"),
        CheckOutcome(
            "model_as_expected",
            used.number == expected.number,
            f"scored by version {used.number}, expected {expected.number}",
        ),
    )
