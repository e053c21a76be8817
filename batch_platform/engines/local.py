"""The engine of one machine: workers that each take the next shard when they are idle.

Belongs here: which workers there are and in which order they get shards. Does not belong here: how threads
(`threads.py`) and processes (`processes.py`) are run, or what is tried again (`retries.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from batch_platform.engines.base import ReceiptT, ShardT, WorkerKind
from batch_platform.engines.processes import map_in_processes
from batch_platform.engines.retries import Retries, Retrying
from batch_platform.engines.threads import map_in_threads
from batch_platform.errors import ConfigurationError


class LocalEngine:
    """Worker threads or worker processes, each of which computes on one thread.

    Threads suit where the function releases the interpreter lock, as torch, pyarrow and polars do: they begin at
    once and share a loaded model. Processes take a tenth of a second to begin; then each imports and loads the model.

    Args:
        workers: how many; as many as this process may use processors if None.
        kind: threads or processes.
        retries: how often and when a transient error of a shard is tried again.

    Raises:
        ConfigurationError: fewer than one worker.
    """

    name = "local"

    def __init__(
        self,
        workers: int | None = None,
        kind: WorkerKind | str = WorkerKind.THREADS,
        retries: Retries | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise ConfigurationError(f"{workers} workers", fix="use at least one, or leave it out")
        self.workers = workers or processors()
        self.kind = WorkerKind(kind)
        self.retries = retries or Retries()

    def map(self, function: Callable[[ShardT], ReceiptT], shards: Sequence[ShardT]) -> Iterator[ReceiptT]:
        """See `Engine.map`.

        Raises, beside what the function raises:
            EngineError: a worker process was killed, or what it needs cannot be sent to it.
        """
        # A large shard that began last would be waited for alone.
        ordered = sorted(shards, key=lambda shard: -getattr(shard, "rows", 0))
        map_in = map_in_threads if self.kind is WorkerKind.THREADS else map_in_processes
        return map_in(Retrying(function, self.retries), ordered, min(self.workers, len(ordered)))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
