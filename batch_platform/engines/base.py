"""What an engine is: it applies a function to shards and hands back the results as they finish. Nothing else.

An engine brings its own parallelism, retries and cancellation. It never sees rows: shards name files, and the
function reads and writes them where it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

ShardT = TypeVar("ShardT")
ReceiptT = TypeVar("ReceiptT")


class Engine(Protocol):
    """Runs a pure function over shards."""

    name: str

    def map(self, function: Callable[[ShardT], ReceiptT], shards: Sequence[ShardT]) -> Iterator[ReceiptT]:
        """Results in the order in which they finish.

        The first exception of the function ends the iteration: shards that have not begun are not begun, those
        under way are waited for, and the exception is raised.
        """
