"""A partition after all its shards: from receipts to its record, its files and its outcome, and into the lake.

Belongs here: what receipts add up to, and committing it. Does not belong here: planning and mapping shards
(`score.py`), or what happens inside one (`scorer.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_platform.errors import ContractError, LakeError
from batch_platform.lake.commit import Replacement, replace_with_quarantine
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import ContentDigest
from batch_platform.lake.log import Recorded
from batch_platform.lake.provenance import InputRead, Ledger, ModelUsed, PartitionRecord, Provenance, Stage
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.registry import Version
from batch_platform.outcomes import Metadata, PartitionOutcome, Run
from batch_platform.predictions.checks import prediction_checks
from batch_platform.predictions.definition import MODEL_VERSION, Predictions
from batch_platform.predictions.outputs import output_schema
from batch_platform.predictions.receipts import Receipt
from batch_platform.telemetry.cost import Meter


@dataclass(frozen=True)
class Scored:
    """What goes into the commit of one partition."""

    record: PartitionRecord
    failed_record: PartitionRecord
    files: list[DataFile]
    failed_files: list[DataFile]


def add_up(
    predictions: Predictions, key: str, features: Recorded, version: Version, receipts: Sequence[Receipt]
) -> Scored:
    """One partition's records and files.

    Args:
        predictions: the table.
        key: the partition.
        features: the feature partition that was scored.
        version: the version that scored it.
        receipts: one for each of its shards, in the order of the rows.

    Raises:
        LakeError: the feature files hold another number of rows than their ledger says.
    """
    read = {predictions.features: InputRead(features.version, features.record.digest, (key, key))}
    used = ModelUsed(version.name, version.number, version.digest)
    scored, failed = sum(r.scored.rows for r in receipts), sum(r.failed.rows for r in receipts)
    ledger = Ledger(sum(r.shard.rows for r in receipts), {"scored": scored, "reused": 0, "failed": failed})
    if ledger.rows != features.record.ledger.outcomes["valid"]:
        raise LakeError(
            f"the feature files hold {ledger.rows} rows, their ledger says {features.record.ledger.outcomes['valid']}",
            where=f"{predictions.features}[{key}]",
            fix="rebuild the partition",
        )
    digest, rejected = _total([r.digest for r in receipts]), _total([r.failed_digest for r in receipts])
    return Scored(
        PartitionRecord(digest, ledger, read, model=used, rejected=rejected),
        PartitionRecord(rejected, Ledger(failed, {"failed": failed}), read, model=used),
        _with_rows([r.scored for r in receipts]),
        _with_rows([r.failed for r in receipts]),
    )


def _total(digests: Sequence[ContentDigest]) -> str:
    total = digests[0]
    for digest in digests[1:]:
        total = total + digest
    return total.hex


def _with_rows(files: Sequence[DataFile]) -> list[DataFile]:
    """Empty files add nothing beside others; alone, one of them is the partition."""
    return [file for file in files if file.rows] or list(files[:1])


def judge(
    predictions: Predictions, lake: Lake, key: str, version: Version, scored: Scored, expected: Version
) -> PartitionOutcome:
    """Read the partition back from its files and evaluate the checks; a broken one is the outcome's error.

    Raises:
        LakeError: a file that was just written cannot be read.
    """
    columns = [*predictions.key, predictions.score_column, MODEL_VERSION]
    rows = Table(lake, predictions.table).read_files(scored.files, columns)
    checks = prediction_checks(predictions, rows, scored.record.ledger, expected)
    broken = [check for check in checks if not check.passed]
    place = f"{predictions.table}[{key}]"
    failed = scored.failed_record
    return PartitionOutcome(
        key,
        digest=scored.record.digest,
        rows=rows.num_rows,
        metadata={
            "ledger": str(scored.record.ledger),
            "model": f"{version.name} version {version.number}, digest {version.digest[:12]}",
            "features": f"digest {scored.record.inputs[predictions.features].digest[:12]}",
        },
        checks=checks,
        error=ContractError(f"{broken[0].name}: {broken[0].description}", where=place) if broken else None,
        extra={predictions.quarantine: PartitionOutcome(key, failed.digest, failed.ledger.rows)},
    )


def commit(predictions: Predictions, lake: Lake, done: Mapping[str, Scored], run: Run, meter: Meter) -> Metadata:
    """Commit all partitions at once, failed rows first; returns what the commit says of all of them.

    Raises:
        LakeError: the lake cannot be written; no prediction has changed then.
    """
    provenance = Provenance(
        Stage.PREDICTIONS,
        run.run_id,
        predictions.engine,
        meter.seconds,
        meter.dollars,
        {key: scored.record for key, scored in done.items()},
        sql_digest=predictions.sql_digest,
    )
    committed = replace_with_quarantine(
        Replacement(
            Table(lake, predictions.table),
            output_schema(predictions),
            {key: scored.files for key, scored in done.items()},
            {key: scored.record for key, scored in done.items()},
        ),
        Replacement(
            Table(lake, predictions.quarantine),
            predictions.quarantine_schema,
            {key: scored.failed_files for key, scored in done.items()},
            {key: scored.failed_record for key, scored in done.items()},
        ),
        provenance,
    )
    return provenance.described(committed.version)
