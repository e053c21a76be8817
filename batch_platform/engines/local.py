"""The engine of a laptop: threads of this process, each taking the next shard when it is idle.

Threads suffice because torch, pyarrow and polars release the interpreter lock. Each worker computes on one
thread of its own, so workers do not fight over cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from batch_platform.engines.base import ReceiptT, ShardT


class LocalEngine:
    """Worker threads, as many as this process may use processors unless `workers` says otherwise."""

    name = "local"

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else workers or 2

    def map(self, function: Callable[[ShardT], ReceiptT], shards: Sequence[ShardT]) -> Iterator[ReceiptT]:
        """See `Engine.map`."""
        with _one_torch_thread(), ThreadPoolExecutor(self.workers, thread_name_prefix="shard") as pool:
            futures: list[Future[ReceiptT]] = [pool.submit(function, shard) for shard in shards]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """Several single-threaded workers beat one many-threaded model, and give the same bits on any machine size."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
