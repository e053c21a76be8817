"""Scoring partitions: plan the shards of all, score those that are not there yet, commit at once, hand on to sinks.

Belongs here: the steps from feature partitions to committed prediction partitions. Does not belong here: planning
(`planning.py`), what happens inside a shard (`scorer.py`), what its receipts add up to (`scored.py`) or what is checked
(`checks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from batch_platform.engines import engine_named
from batch_platform.engines.base import WorkerKind
from batch_platform.errors import BatchPlatformError, ends_the_run, foreseen
from batch_platform.models.registry import Registry
from batch_platform.models.runtimes.base import Runtime
from batch_platform.models.runtimes.fit import refuse_unfit
from batch_platform.models.runtimes.loading import ModelSource, load_runtime
from batch_platform.outcomes import CheckOutcome, PartitionOutcome, Run
from batch_platform.predictions.budget import workers_for
from batch_platform.predictions.checks import judge
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.planning import Planner, Task, serving_version
from batch_platform.predictions.receipt_book import ReceiptBook
from batch_platform.predictions.receipts import Failure, Receipt
from batch_platform.predictions.scored import Scored, add_up, commit
from batch_platform.predictions.scorer import Attempt, ShardScorer
from batch_platform.predictions.shards import Shard
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform.telemetry.logs import bound, log
from batch_platform.telemetry.memory import peak_bytes
from batch_platform.telemetry.progress import Progress

_WORTH_PROCESSES = 500_000
"""Rows from which on worker processes make up for the seconds that they take to start."""

Results = Mapping[Shard, Receipt | Failure]


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
        results = _results(predictions, settings, tasks, run)
        # Asked anew: a champion may have changed while the shards were scored.
        versions = registry.versions(predictions.registered_model)
        done: dict[str, Scored] = {}
        for key, task in tasks.items():
            try:
                scored = add_up(predictions, settings.lake, key, task, _receipts(task, results))
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


def _results(predictions: Predictions, settings: Settings, tasks: Mapping[str, Task], run: Run) -> Results:
    """The result of every shard; one call of the engine scores those that nobody scored before."""
    book = ReceiptBook(settings.lake, predictions.table, predictions.quarantine)
    shards = [shard for task in tasks.values() for shard in task.shards]
    found: dict[Shard, Receipt | Failure] = dict(book.find(shards))
    if run.replay:
        found = {
            shard: receipt for shard, receipt in found.items() if isinstance(receipt, Receipt) and not receipt.failed
        }
    missing = [shard for shard in shards if shard not in found]
    open_partitions = {shard.partition for shard in missing}
    refused = _refused(predictions, {key: task for key, task in tasks.items() if key in open_partitions})
    wanted = [shard for shard in missing if shard.partition not in refused]
    found |= {shard: Failure(shard, refused[shard.partition]) for shard in missing if shard.partition in refused}
    log("shards_planned", shards=len(shards), found=len(shards) - len(missing), rows=sum(s.rows for s in wanted))
    if not wanted:
        return found
    if len(missing) < len(shards):
        run.tell(f"{predictions.table}: {len(shards) - len(missing)} of {len(shards)} shards are there already")
    earlier = sum(shard.rows for shard in found)
    progress = Progress(sum(s.rows for s in shards), run.tell, table=predictions.table, done_rows=earlier)
    with settings.resources.spilling() as spill:
        servings = {key: task.serving for key, task in tasks.items() if key not in refused}
        scorer = ShardScorer(predictions, settings.lake, servings, spill)
        engine = engine_named(
            predictions.engine,
            workers=workers_for(predictions, settings.lake, wanted),
            kind=_worker_kind(predictions, wanted, [serving.source for serving in servings.values()]),
        )
        for result in engine.map(Attempt(scorer), wanted):
            found[result.shard] = result
            progress.advance(result.shard.rows)
            if isinstance(result, Receipt):
                shard = result.shard
                log(
                    "shard_scored", partition=shard.partition, shard=shard.name, rows=shard.rows, seconds=result.seconds
                )
    return found


def _refused(predictions: Predictions, tasks: Mapping[str, Task]) -> dict[str, BatchPlatformError]:
    """Partition -> why its model cannot score these features at all; each version is looked at once."""
    verdicts: dict[ModelSource, BatchPlatformError | None] = {}
    found = {}
    for key, task in tasks.items():
        source = task.serving.source
        if source not in verdicts:
            verdicts[source] = _verdict(predictions, source)
        error = verdicts[source]
        if error is not None:
            found[key] = error
    return found


def _verdict(predictions: Predictions, source: ModelSource) -> BatchPlatformError | None:
    where = f"{source.name} version {source.number}"
    try:
        runtime = _loaded(predictions, source)
        kinds = [(name, predictions.contract.column(name).arrow_type) for name in predictions.columns]
        refuse_unfit(runtime, pa.schema(kinds))
    except Exception as error:  # whatever a model's own class may raise
        found = foreseen(error, where)
        if ends_the_run(found):
            raise found from None
        return found
    return None


def _worker_kind(predictions: Predictions, shards: Sequence[Shard], sources: Sequence[ModelSource]) -> WorkerKind:
    """Threads, unless a model keeps the interpreter's lock to itself and there is enough to do."""
    options = predictions.scoring
    if options.worker_kind is not None:
        return options.worker_kind
    if sum(shard.rows for shard in shards) < _WORTH_PROCESSES or len(shards) < 2:
        return WorkerKind.THREADS
    locking = any(_loaded(predictions, source).holds_lock for source in set(sources))
    return WorkerKind.PROCESSES if locking else WorkerKind.THREADS


def _loaded(predictions: Predictions, source: ModelSource) -> Runtime:
    options = predictions.scoring
    return load_runtime(source, options.batch_rows, options.device, predictions.columns)


def _receipts(task: Task, results: Results) -> list[Receipt]:
    """The receipts of one partition, in the order of its rows, or the error of its first shard that failed."""
    found = []
    for shard in task.shards:
        result = results[shard]
        if isinstance(result, Failure):
            raise result.error
        found.append(result)
    return found
