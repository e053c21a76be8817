"""Scoring the shards of a run: those that are there already are found, the rest is given to an engine.

Belongs here: which shards are scored by whom, and what comes back. Does not belong here: planning them
(`planning.py`), or what their receipts add up to (`scored.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa

from batch_platform.engines import WorkerKind, engine_named
from batch_platform.errors import BatchPlatformError, ends_the_run, foreseen
from batch_platform.models.runtimes.base import Runtime
from batch_platform.models.runtimes.fit import refuse_unfit
from batch_platform.models.runtimes.loading import ModelSource, load_runtime
from batch_platform.outcomes import Run
from batch_platform.predictions.budget import workers_for
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.planning import Task
from batch_platform.predictions.receipt_book import ReceiptBook
from batch_platform.predictions.receipts import Failure, Receipt
from batch_platform.predictions.scorer import Attempt, ShardScorer
from batch_platform.predictions.shards import Shard
from batch_platform.settings import Settings
from batch_platform.telemetry.logs import log
from batch_platform.telemetry.progress import Progress

_WORTH_PROCESSES = 500_000
"""Rows from which on worker processes make up for the seconds that they take to start."""

Results = Mapping[Shard, Receipt | Failure]


def score_shards(predictions: Predictions, settings: Settings, tasks: Mapping[str, Task], run: Run) -> Results:
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
        sources = {serving.source for serving in servings.values()}
        kind = worker_kind(predictions, wanted, sources)
        workers = workers_for(predictions, settings.lake, wanted, kind, sources)
        engine = engine_named(predictions.engine, workers=workers, kind=kind)
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


def worker_kind(predictions: Predictions, shards: Sequence[Shard], sources: Collection[ModelSource]) -> WorkerKind:
    """Threads, unless a model keeps the interpreter's lock to itself and there is enough to do."""
    options = predictions.scoring
    if options.worker_kind is not None:
        return options.worker_kind
    if sum(shard.rows for shard in shards) < _WORTH_PROCESSES or len(shards) < 2:
        return WorkerKind.THREADS
    locking = any(_loaded(predictions, source).holds_lock for source in sources)
    return WorkerKind.PROCESSES if locking else WorkerKind.THREADS


def _loaded(predictions: Predictions, source: ModelSource) -> Runtime:
    options = predictions.scoring
    return load_runtime(source, options.batch_rows, options.device, predictions.columns)
