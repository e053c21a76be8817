"""Scoring partitions: plan the shards of all, score those that are not there yet, commit at once, hand on to sinks.

Belongs here: the steps from feature partitions to committed prediction partitions. Does not belong here: planning
(`planning.py`), what happens inside a shard (`scorer.py`), what its receipts add up to (`scored.py`) or what is checked
(`checks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from batch_platform.errors import ends_the_run, foreseen
from batch_platform.lake.store import Lake
from batch_platform.models.registry import Registry
from batch_platform.outcomes import CheckOutcome, PartitionOutcome, Run
from batch_platform.predictions.checks import judge
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.mapping import Results, score_shards
from batch_platform.predictions.planning import Planner, Task, serving_version
from batch_platform.predictions.receipts import Failure, Receipt
from batch_platform.predictions.scored import Scored, add_up, commit, quarantined
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform.telemetry.logs import bound
from batch_platform.telemetry.memory import peak_bytes

_SMALL_FILES = 4
"""Partitions whose small files are written at a time."""


def score(
    predictions: Predictions, settings: Settings, keys: Sequence[str], run: Run, meter: Meter
) -> list[PartitionOutcome]:
    """Score partitions and commit the good ones together, failed rows first.

    Shards that an earlier run scored are taken as they are; a killed run goes on where it was.

    Raises:
        LakeError: the lake cannot be read or written; no partition has changed then.
        BatchPlatformError: a transient one, such as a registry out of reach, which no other partition would find
            different; no partition has changed then.
        Cancelled: the run was cancelled; what was scored so far is found by the next one.
    """
    with bound(run=run.run_id, table=predictions.table):
        registry = Registry(settings)
        planner = Planner(predictions, settings, registry, keys, run.replay)
        tasks: dict[str, Task] = {}
        outcomes: dict[str, PartitionOutcome] = {}
        for key in keys:
            try:
                tasks[key] = planner.task(key)
            except Exception as error:
                outcomes[key] = _failed(predictions, key, error)
        results = score_shards(predictions, settings, tasks, run)
        # Asked anew: a champion may have changed while the shards were scored.
        versions = registry.versions(predictions.registered_model)
        done: dict[str, Scored] = {}
        added = _added_up(predictions, settings.lake, tasks, results)
        for key, task in tasks.items():
            try:
                scored = added[key].result()
                expected = serving_version(predictions, versions, key)
                outcomes[key] = judge(predictions, settings.lake, settings.resources, key, task, scored, expected)
                if outcomes[key].error is None:
                    done[key] = scored
            except Exception as error:
                outcomes[key] = _failed(predictions, key, error)
        noted = commit(predictions, settings.lake, done, run, meter) if done else {}
        noted = {**noted, "peak_memory_mib": peak_bytes(children=True) >> 20}
        checked = _delivered(predictions, settings, done, run)
        return [_with_check(outcomes[key].noting(noted), checked.get(key)) for key in keys]


def _failed(predictions: Predictions, key: str, error: Exception) -> PartitionOutcome:
    found = foreseen(error, f"{predictions.table}[{key}]")
    if ends_the_run(found):
        raise found
    return PartitionOutcome(key, error=found)


def _added_up(
    predictions: Predictions, lake: Lake, tasks: Mapping[str, Task], results: Results
) -> dict[str, Future[Scored]]:
    """What the receipts of each partition add up to; a disk takes longer to make small files safe than we to fill them.

    Raises:
        LakeError: the quarantine's log cannot be read.
    """
    earlier = quarantined(predictions, lake)

    def add(key: str, task: Task) -> Scored:
        return add_up(predictions, lake, key, task, _receipts(task, results), earlier)

    with ThreadPoolExecutor(_SMALL_FILES, thread_name_prefix="add-up") as pool:
        return {key: pool.submit(add, key, task) for key, task in tasks.items()}


def _delivered(
    predictions: Predictions, settings: Settings, done: Mapping[str, Scored], run: Run
) -> dict[str, CheckOutcome]:
    """What became of each partition on its way to the sinks; none of it takes predictions back."""
    if not predictions.sinks:
        return {}
    from batch_platform.sinks.delivery import deliver_all, delivered_checks

    keys = sorted(done)
    return delivered_checks(deliver_all(predictions.sinks, settings, predictions.table, keys, predictions.key, run))


def _with_check(outcome: PartitionOutcome, check: CheckOutcome | None) -> PartitionOutcome:
    return outcome if check is None else replace(outcome, checks=(*outcome.checks, check))


def _receipts(task: Task, results: Results) -> list[Receipt]:
    """The receipts of one partition, in the order of its rows, or the error of its first shard that failed."""
    found = []
    for shard in task.shards:
        result = results[shard]
        if isinstance(result, Failure):
            raise result.error
        found.append(result)
    return found
