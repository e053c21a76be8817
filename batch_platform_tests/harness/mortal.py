"""A scoring run in a process of its own that dies when it is told to.

Belongs here: running one job, and the moments at which it can be made to die. Does not belong here: who starts and
kills it (`nursery.py`), or what must hold afterwards (`invariants.py`).

Production code knows nothing of this: the child wraps functions of it, and a wrapper kills its own process by SIGKILL
at its n-th call, so nothing is flushed, closed, unlocked or tidied up.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from batch_platform.lake import commit as commits
from batch_platform.lake.lease import lease
from batch_platform.outcomes import Run
from batch_platform.predictions import score as scoring
from batch_platform.predictions.code import scoring_code
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.planning import Planner
from batch_platform.predictions.receipt_book import ReceiptBook
from batch_platform.predictions.scorer import ShardScorer
from batch_platform.predictions.shard_writer import ShardWriter
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter

for module in (
    "duckdb",
    "mlflow.tracking",
    "torch",
    "sqlalchemy.dialects.sqlite",
    "batch_platform.engines.local",
    "batch_platform.engines.processes",
    "batch_platform.engines.threads",
    "batch_platform.models.registry_database",
    "batch_platform.models.runtimes.plain",
):
    import_module(module)  # once, before processes are forked off
scoring_code()


class Moment(StrEnum):
    """Where a run dies."""

    PLANNING = "while planning"
    MID_SHARD = "in the middle of a shard"
    WRITING = "while a file is written and made safe"
    BEFORE_RECEIPT = "between a shard's file and its receipt"
    BEFORE_COMMIT = "between the last receipt and the commit"
    MID_COMMIT = "between the quarantine's commit and the table's"
    AFTER_COMMIT = "after the commit, before anybody hears"
    ANYWHERE = "anywhere"
    """Killed from outside after some milliseconds."""


@dataclass(frozen=True)
class Death:
    """When to die: at the n-th call that reaches the moment."""

    moment: Moment
    call: int = 1


@dataclass(frozen=True)
class Job:
    """One run.

    Args:
        run_id: its id.
        predictions: the table as this run knows it.
        settings: the deployment.
        keys: the partitions.
        folder: where its journal and its result go.
        death: when it dies by itself, if it does.
    """

    run_id: str
    predictions: Predictions
    settings: Settings
    keys: tuple[str, ...]
    folder: Path
    death: Death | None = None

    @property
    def journal(self) -> Path:
        """A line when the run began to score a shard, and one when the shard's receipt was kept."""
        return self.folder / f"{self.run_id}.journal"

    @property
    def result(self) -> Path:
        """Partition -> digest and error; there only if the run came to its end."""
        return self.folder / f"{self.run_id}.result"


def work(job: Job) -> None:
    """Score; leaves a result, or nothing."""
    log = os.open(job.folder / f"{job.run_id}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    _keep_journal(job)
    _arm(job.death)
    try:
        lake, predictions = job.settings.lake, job.predictions
        with lease(lake, predictions.quarantine, job.run_id), lease(lake, predictions.table, job.run_id):
            outcomes = scoring.score(predictions, job.settings, job.keys, Run(job.run_id), Meter(0.04))
        found: Any = {outcome.key: (outcome.digest, str(outcome.error or "")) for outcome in outcomes}
    except Exception as error:
        import traceback

        traceback.print_exc()
        found = f"{type(error).__name__}: {error}"
    partial = job.result.with_suffix(".unfinished")
    partial.write_bytes(pickle.dumps(found))
    partial.replace(job.result)
    sys.stdout.flush()
    os._exit(0)


def _keep_journal(job: Job) -> None:
    journal = os.open(job.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    score = ShardScorer.__call__

    def journaled(self: ShardScorer, shard: Any) -> Any:
        os.write(journal, f"begin {shard.name}\n".encode())
        receipt = score(self, shard)
        os.write(journal, f"end {shard.name}\n".encode())
        return receipt

    ShardScorer.__call__ = journaled  # type: ignore[method-assign]


def _arm(death: Death | None) -> None:
    if death is None or death.moment is Moment.ANYWHERE:
        return
    owner, name = _PLACES[death.moment]
    original, calls = getattr(owner, name), [0]

    def mortal(*arguments: Any, **named: Any) -> Any:
        afterwards = death.moment is Moment.AFTER_COMMIT
        result = original(*arguments, **named) if afterwards else None
        calls[0] += 1
        if calls[0] == death.call:
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()
        return result if afterwards else original(*arguments, **named)

    setattr(owner, name, mortal)


_PLACES: dict[Moment, tuple[Any, str]] = {
    Moment.PLANNING: (Planner, "task"),
    Moment.MID_SHARD: (ShardWriter, "add"),
    Moment.WRITING: (os, "fsync"),
    Moment.BEFORE_RECEIPT: (ReceiptBook, "keep"),
    Moment.BEFORE_COMMIT: (scoring, "commit"),
    Moment.MID_COMMIT: (commits, "replace_partitions"),
    Moment.AFTER_COMMIT: (scoring, "commit"),
}
