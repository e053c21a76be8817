"""How a run tells Dagster what became of each partition, alone or in a range.

Dagster records a range run's metadata, data version and check results once for the whole range. The platform's
contract is per partition: each good day is materialized with its own data version and check results, and a bad
day is a failed check and a missing materialization that neither blocks nor poisons the others.

Two private parts of Dagster are used, here and nowhere else: an evaluation that names its partition, and the
output marker that suppresses the automatic materialization of the whole range. A canary test holds them.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Materialization,
)
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from batch_platform.automation.local_events import written_together
from batch_platform.errors import BatchPlatformError, UnexpectedError, is_transient
from batch_platform.outcomes import CheckOutcome, Markdown, MetadataItem, PartitionOutcome

DATA_VERSION_TAG = "dagster/data_version"
ERROR_CHECK = "produced"
"""The check that fails for a partition which could not be produced, and says why."""

Evaluation = AssetCheckEvaluation

TRANSIENT = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def asset_key(table: str) -> dg.AssetKey:
    """The Dagster key of a table: its path in the lake."""
    return dg.AssetKey(table.split("/"))


def check_specs(
    table: str, checks: Mapping[str, str], partitions: dg.PartitionsDefinition[str] | None, *, blocking: bool = True
) -> list[dg.AssetCheckSpec]:
    """Specs for a table's checks (name -> description), with `ERROR_CHECK` added in front."""
    described = {ERROR_CHECK: "The partition was produced; if not, the reason.", **checks}
    return [
        dg.AssetCheckSpec(name, asset=asset_key(table), description=text, blocking=blocking, partitions_def=partitions)
        for name, text in described.items()
    ]


def keys_of(context: dg.AssetExecutionContext) -> list[str]:
    """The partition keys a step must produce; `[""]` for a table without partitions."""
    return list(context.partition_keys) if context.has_partition_key_range or context.has_partition_key else [""]


def report(
    context: dg.AssetExecutionContext, table: str, outcomes: Sequence[PartitionOutcome]
) -> Iterator[dg.Output[None] | Evaluation]:
    """Yield everything Dagster must hear about a step's partitions.

    Raises:
        dagster.Failure: every partition failed; carries the first error, and is retried only if that error is
            transient.
    """
    good = [outcome for outcome in outcomes if outcome.error is None]
    bad = [outcome for outcome in outcomes if outcome.error is not None]
    tables: dict[str, list[PartitionOutcome]] = {table: good}
    for outcome in good:
        for name, extra in outcome.extra.items():
            tables.setdefault(name, []).append(extra)
    with written_together(context.instance):
        for name, members in tables.items():
            for outcome in members:
                context.log_event(_materialization(name, outcome))
        yield from _evaluations(context, table, outcomes)
    for outcome in good:
        for check in outcome.checks:
            if check.warns:
                context.log.warning(f"{table}{f'[{outcome.key}]' if outcome.key else ''}: {check.description}")
    for outcome in bad:
        context.log.error(_one_line(outcome.error))
        if isinstance(outcome.error, UnexpectedError) and outcome.error.__cause__ is not None:
            context.log.error("".join(traceback.format_exception(outcome.error.__cause__)))
    if bad and not good:
        raise failure(bad[0].error, others=len(bad) - 1)
    # Outputs come last: Dagster starts the steps downstream when a step has ended, whatever it yielded.
    for output in context.op_execution_context.op_def.output_defs:
        if output.name in context.op_execution_context.selected_output_names:
            yield silent_output(output.name)


def silent_output(name: str) -> dg.Output[None]:
    """An output of which Dagster makes no event: what there is to tell of each partition was told."""
    return dg.Output(None, output_name=name, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True})


def failure(error: BatchPlatformError | None, others: int = 0) -> dg.Failure:
    """The Dagster failure for a platform error: its one line, retried only if the error is transient."""
    assert error is not None
    text = _one_line(error) + (f" [and {others} more partitions failed]" if others else "")
    return dg.Failure(description=text, allow_retries=is_transient(error))


def _one_line(error: BatchPlatformError | None) -> str:
    return f"{type(error).__name__}: {error}"


def _materialization(table: str, outcome: PartitionOutcome) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        asset_key=asset_key(table),
        partition=outcome.key or None,
        metadata={
            "dagster/partition_row_count" if outcome.key else "dagster/row_count": outcome.rows,
            "digest": outcome.digest,
            **{name: _value(item) for name, item in outcome.metadata.items()},
        },
        tags={DATA_VERSION_TAG: outcome.digest},
    )


def _evaluations(
    context: dg.AssetExecutionContext, table: str, outcomes: Sequence[PartitionOutcome]
) -> Iterator[Evaluation]:
    key = asset_key(table)
    selected = {spec.name: spec for spec in context.assets_def.check_specs if spec.asset_key == key}
    targets = newest_materializations(context.instance, table, [outcome.key for outcome in outcomes])
    alone = len(outcomes) == 1
    for outcome in outcomes:
        for check in (_produced(outcome), *outcome.checks):
            if check.name in selected:
                # In a range a failed day must not stop the good ones; conditions look at the spec instead.
                blocking = selected[check.name].blocking and alone and outcome.error is None
                yield evaluation(table, outcome.key, check, targets.get(outcome.key), blocking=blocking)


def evaluation(
    table: str, key: str, check: CheckOutcome, target: Materialization | None, *, blocking: bool = False
) -> Evaluation:
    """The result of a check for one partition, which a step may yield and a sensor may report.

    Args:
        table: the table.
        key: its partition; empty for a table without partitions.
        check: the result; one that passes and warns is a failure of severity WARN.
        target: the partition's newest materialization; see `newest_materializations`.
        blocking: whether a failure stops what is downstream in the same run.
    """
    return Evaluation(
        asset_key=asset_key(table),
        check_name=check.name,
        passed=check.passed and not check.warns,
        severity=dg.AssetCheckSeverity.WARN if check.passed and check.warns else dg.AssetCheckSeverity.ERROR,
        description=check.description or None,
        metadata={name: _value(item) for name, item in check.details.items()},
        target_materialization_data=target,
        blocking=blocking,
        partition=key or None,
    )


def _produced(outcome: PartitionOutcome) -> CheckOutcome:
    if outcome.error is None:
        return CheckOutcome(ERROR_CHECK, True)
    kind = type(outcome.error).__name__
    return CheckOutcome(ERROR_CHECK, False, str(outcome.error), {"error": kind, "fix": outcome.error.fix})


def newest_materializations(
    instance: dg.DagsterInstance, table: str, keys: Sequence[str]
) -> dict[str, Materialization]:
    """The newest materialization of each partition, which a check result must name to count for it.

    A partition that failed now may have an older one; without it the UI would show no result at all.
    """
    found: dict[str, Materialization] = {}

    def look_up(partitions: Sequence[str]) -> None:
        names = [name for name in partitions if name]
        chosen = dg.AssetRecordsFilter(asset_key=asset_key(table), asset_partitions=names or None)
        for record in instance.fetch_materializations(chosen, limit=len(partitions)).records:
            target = Materialization(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)
            found.setdefault(record.partition_key or "", target)

    # Those of this run are the newest; only the rest has to be looked for one by one.
    look_up(keys)
    for partition in keys:
        if partition not in found:
            look_up([partition])
    return found


def _value(item: MetadataItem) -> Any:
    if isinstance(item, Markdown):
        return dg.MetadataValue.md(item.text)
    if isinstance(item, dict | list):
        return dg.MetadataValue.json(item)
    return dg.MetadataValue.null() if item is None else item
