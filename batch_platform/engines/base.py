"""What an engine is: it applies a function to shards and hands back the results as they finish. Nothing else.

An engine brings its own parallelism, retries and cancellation. It never sees rows: shards name files, and the
function reads and writes them where it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol, TypeVar

ShardT = TypeVar("ShardT")
ReceiptT = TypeVar("ReceiptT")


class WorkerKind(StrEnum):
    """What a worker of this machine is."""

    THREADS = "threads"
    """Threads of this process: at once at work, and they share a model."""
    PROCESSES = "processes"
    """Processes of their own, for a function that holds the interpreter lock while it computes."""


class Engine(Protocol):
    """Runs a pure function over shards."""

    name: str

    def map(self, function: Callable[[ShardT], ReceiptT], shards: Sequence[ShardT]) -> Iterator[ReceiptT]:
        """Results in the order in which they finish; an idle worker takes the next shard, the largest first.

        Transient errors of the function are tried again, see `errors.is_transient`. The first exception that stays
        ends the iteration: shards that have not begun are not begun, those under way are waited for, and the exception
        is raised. An iteration that is closed before its end, or interrupted, is cancelled: shards under way end at
        their next `refuse_if_cancelled()` and are waited for.

        Args:
            function: called once for each shard, in a worker. Where workers are other processes it, the shards and
                the results must be picklable, and found in a module other than the script that was started.
            shards: those that have an attribute `rows` are taken in its descending order.
        """
