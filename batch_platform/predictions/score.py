"""Scoring partitions: choose the version, plan shards, let an engine map them, commit all partitions at once.

Belongs here: the steps from a feature partition to a committed prediction partition. Does not belong here: what
happens inside a shard (`scorer.py`) or what is checked (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_platform.engines import engine_named
from batch_platform.errors import BatchPlatformError, ContractError, LakeError, ModelError
from batch_platform.lake.commit import Replacement, replace_with_quarantine
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import ContentDigest
from batch_platform.lake.log import Recorded, live_rows, newest_records
from batch_platform.lake.provenance import (
    InputRead,
    Ledger,
    ModelUsed,
    PartitionRecord,
    Provenance,
    Stage,
    installed_version,
)
from batch_platform.lake.table import Table
from batch_platform.models.artifact import Model
from batch_platform.models.registry import Registry, Version
from batch_platform.outcomes import CheckOutcome, Metadata, PartitionOutcome, Run
from batch_platform.predictions.checks import prediction_checks
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.outputs import output_schema
from batch_platform.predictions.receipts import Receipt
from batch_platform.predictions.scorer import ShardScorer
from batch_platform.predictions.shards import plan
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter


@dataclass(frozen=True)
class Scored:
    """One partition after all its shards: what goes into the commit."""

    record: PartitionRecord
    failed_record: PartitionRecord
    files: list[DataFile]
    failed_files: list[DataFile]


@dataclass(frozen=True)
class _Inputs:
    """The feature partitions at one version of their table: their records, and path and rows of their files."""

    records: Mapping[str, Recorded]
    files: Mapping[str, list[tuple[str, int]]]


def score(
    predictions: Predictions, settings: Settings, keys: Sequence[str], run: Run, meter: Meter
) -> list[PartitionOutcome]:
    """Score partitions and commit the good ones together, failed rows first.

    Raises:
        LakeError: the lake cannot be read or written; no partition has changed then.
        RegistryError: the registry is out of reach, which no other partition would find different.
    """
    registry = Registry(settings)
    inputs = _opened(predictions, settings, keys)
    models: dict[str, Model] = {}
    done: dict[str, Scored] = {}
    outcomes: dict[str, PartitionOutcome] = {}
    for key in keys:
        try:
            predictions.calendar.window(key)
            version = serving_version(predictions, registry, key)
            if version.number not in models:
                models[version.number] = _load(predictions, registry, version)
            done[key] = _score_partition(predictions, settings, key, version, models[version.number], inputs)
            outcomes[key] = _outcome(predictions, settings, key, version, done[key], registry)
            if outcomes[key].error is not None:
                del done[key]
        except LakeError:
            raise
        except BatchPlatformError as error:
            if error.transient:
                raise
            outcomes[key] = PartitionOutcome(key, error=error)
    noted = _commit(predictions, settings, done, run, meter) if done else {}
    return [outcomes[key].noting(noted) for key in keys]


def _opened(predictions: Predictions, settings: Settings, keys: Sequence[str]) -> _Inputs:
    table = Table(settings.lake, predictions.features).open()
    return _Inputs({}, {}) if table is None else _Inputs(newest_records(table, keys), live_rows(table))


def cpu_capability() -> str:
    """The vector kernels that torch uses here: scores are bit-equal only where it is the same."""
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


def serving_version(predictions: Predictions, registry: Registry, key: str) -> Version:
    """The version that the table's `version` field means for a partition."""
    name = predictions.registered_model
    if predictions.version == "as_of":
        return registry.as_of(name, predictions.decision(key))
    if predictions.version == "champion":
        return registry.champion(name)
    return registry.numbered(name, predictions.version)


def _load(predictions: Predictions, registry: Registry, version: Version) -> Model:
    model = registry.load(version)
    declared = set(predictions.columns)
    lacking = [name for name in model.features if name not in declared]
    if lacking:
        raise ModelError(
            f"the model reads {lacking[0]!r}, which is no feature of {predictions.features}",
            where=f"{version.name} version {version.number}",
            fix="train a version on the present features",
        )
    return model


def _score_partition(
    predictions: Predictions,
    settings: Settings,
    key: str,
    version: Version,
    model: Model,
    inputs: _Inputs,
) -> Scored:
    found = inputs.records.get(key)
    if found is None:
        raise ContractError(
            f"the input {predictions.features} lacks partition {key}",
            where=f"{predictions.table}[{key}]",
            fix="materialize it first",
        )
    scorer = ShardScorer(predictions, settings.lake, model, version.number, version.digest, found.record.digest)
    fingerprint = (found.record.digest, version.digest, version.number, installed_version(), predictions.sql_digest)
    shards = plan(key, inputs.files[key], (*fingerprint, cpu_capability()))
    receipts = sorted(
        engine_named(predictions.engine).map(scorer, shards), key=lambda r: (r.shard.path, r.shard.first_row)
    )
    read = {predictions.features: InputRead(found.version, found.record.digest, (key, key))}
    used = ModelUsed(version.name, version.number, version.digest)
    scored, failed = (sum(getattr(r, kind).rows for r in receipts) for kind in ("scored", "failed"))
    ledger = Ledger(sum(r.shard.rows for r in receipts), {"scored": scored, "reused": 0, "failed": failed})
    if ledger.rows != found.record.ledger.outcomes["valid"]:
        raise LakeError(
            f"the feature files hold {ledger.rows} rows, their ledger says {found.record.ledger.outcomes['valid']}",
            where=f"{predictions.features}[{key}]",
            fix="rebuild the partition",
        )
    return Scored(
        PartitionRecord(_total(receipts, "digest"), ledger, read, model=used),
        PartitionRecord(_total(receipts, "failed_digest"), Ledger(failed, {"failed": failed}), read, model=used),
        [r.scored for r in receipts],
        [r.failed for r in receipts],
    )


def _total(receipts: Sequence[Receipt], field: str) -> str:
    digests: list[ContentDigest] = [getattr(receipt, field) for receipt in receipts]
    total = digests[0]
    for digest in digests[1:]:
        total = total + digest
    return total.hex


def _outcome(
    predictions: Predictions, settings: Settings, key: str, version: Version, scored: Scored, registry: Registry
) -> PartitionOutcome:
    expected = serving_version(predictions, registry, key)
    rows = Table(settings.lake, predictions.table).read_files(
        scored.files, [*predictions.key, predictions.score_column, "_model_version"]
    )
    checks = prediction_checks(predictions, rows, scored.record.ledger, expected)
    broken: list[CheckOutcome] = [check for check in checks if not check.passed]
    place = f"{predictions.table}[{key}]"
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
        extra={
            predictions.quarantine: PartitionOutcome(key, scored.failed_record.digest, scored.failed_record.ledger.rows)
        },
    )


def _commit(
    predictions: Predictions, settings: Settings, done: Mapping[str, Scored], run: Run, meter: Meter
) -> Metadata:
    """Commit all partitions at once; returns what the commit says of all of them."""
    provenance = Provenance(
        Stage.PREDICTIONS,
        run.run_id,
        predictions.engine,
        meter.seconds,
        meter.dollars,
        {key: scored.record for key, scored in done.items()},
        sql_digest=predictions.sql_digest,
    )
    commit = replace_with_quarantine(
        Replacement(
            Table(settings.lake, predictions.table),
            output_schema(predictions),
            {key: scored.files for key, scored in done.items()},
            {key: scored.record for key, scored in done.items()},
        ),
        Replacement(
            Table(settings.lake, predictions.quarantine),
            predictions.quarantine_schema,
            {key: scored.failed_files for key, scored in done.items()},
            {key: scored.failed_record for key, scored in done.items()},
        ),
        provenance,
    )
    return provenance.described(commit.version)
