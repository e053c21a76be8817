"""Runs in processes of their own, which are started quickly, killed at random moments, and asked what they did.

Belongs here: starting, killing and burying them. Does not belong here: what runs inside (`mortal.py`).
"""

from __future__ import annotations

import multiprocessing
import pickle
import random
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess

from batch_platform_tests.harness.mortal import Job, Moment, work

PATIENCE = 120.0
"""Seconds after which a run that neither ended nor died is an error of its own."""

_PRELOADED = ["batch_platform_tests.harness.mortal", "batch_platform_tests.harness.invariants"]


@dataclass(frozen=True)
class Past:
    """A run that is over.

    Args:
        job: what it was to do.
        outcome: partition -> digest and error; a text if it raised; None if it was killed.
        began: shards that it began to score, by their names.
        ended: shards whose receipts it kept.
    """

    job: Job
    outcome: dict[str, tuple[str, str]] | str | None
    began: frozenset[str]
    ended: frozenset[str]

    @property
    def killed(self) -> bool:
        """Whether it never came to its end."""
        return self.outcome is None


@dataclass
class Nursery:
    """Starts runs.

    Args:
        random: chooses when a run is killed from outside.
        usual: seconds that a run takes, about; learnt from those that come to their ends.
    """

    random: random.Random
    usual: float = 0.5

    def run(self, jobs: Sequence[Job], meanwhile: Iterable[Callable[[], object]] = ()) -> list[Past]:
        """Let jobs run at the same time to their ends, one way or the other.

        Raises:
            TimeoutError: a run neither ended nor died.
            RuntimeError: a run ended in another way than by its end or by a kill.
        """
        started = [(job, _forkserver().Process(target=work, args=(job,))) for job in jobs]
        for _, process in started:
            process.start()
        begun = time.monotonic()
        for call in meanwhile:
            call()
        self._kill(started)
        past = [_buried(job, process) for job, process in started]
        if not any(run.killed for run in past):
            self.usual = (self.usual + time.monotonic() - begun) / 2
        return past

    def _kill(self, started: Sequence[tuple[Job, ForkServerProcess]]) -> None:
        """Those that may die anywhere, each at its own moment, sooner or later than a run takes."""
        doomed = [process for job, process in started if job.death and job.death.moment is Moment.ANYWHERE]
        begun = time.monotonic()
        for share, process in sorted(((self.random.uniform(0.0, 1.2), process) for process in doomed), key=_first):
            time.sleep(max(0.0, begun + share * self.usual - time.monotonic()))
            process.kill()


def _first(pair: tuple[float, object]) -> float:
    return pair[0]


def _buried(job: Job, process: ForkServerProcess) -> Past:
    process.join(PATIENCE)
    log = job.folder / f"{job.run_id}.log"
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"{job.run_id} neither ended nor died, see {log}")
    if process.exitcode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{job.run_id} ended with {process.exitcode}, see {log}")
    outcome = pickle.loads(job.result.read_bytes()) if job.result.exists() else None
    lines = job.journal.read_text().splitlines() if job.journal.exists() else []
    words = [line.split() for line in lines]
    began, ended = (frozenset(word[1] for word in words if word[0] == kind) for kind in ("begin", "end"))
    return Past(job, outcome, began, ended)


@cache
def _forkserver() -> ForkServerContext:
    """Processes forked off one that has imported everything and has no threads: a run starts in tens of ms."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context
