"""One compute thread for each worker: several single-threaded workers beat one model with many threads.

They do not fight over processors, and floating-point sums are the same on a machine of any size. Libraries are held
to it only if they have been imported: importing torch takes two seconds. Arrow's and polars' pools stay as they are:
each is one pool of a process, whose threads idle until a worker asks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

ENVIRONMENT: Mapping[str, str] = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""What holds a process to one compute thread if it is set before the process begins."""


@contextmanager
def one_compute_thread() -> Iterator[None]:
    """Hold the process to it for a time; each thread that computes calls `compute_on_one_thread` beside.

    A library that is imported meanwhile stays held to it afterwards.
    """
    before = _torch_threads()
    with threadpool_limits(limits=1):
        _limit_torch()
        try:
            yield
        finally:
            if before is not None:
                sys.modules["torch"].set_num_threads(before)


def compute_on_one_thread() -> None:
    """Hold the calling thread to it, and what has been imported since it last was; call it after such an import.

    OpenMP counts threads for each thread that calls it; BLAS and torch for the process.
    """
    threadpool_limits(limits=1)
    _limit_torch()


def _torch_threads() -> int | None:
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())


def _limit_torch() -> None:
    if _torch_threads() not in (None, 1):
        sys.modules["torch"].set_num_threads(1)
