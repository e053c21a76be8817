"""Running a model's query for many partitions: in one pass where that is safe, one by one where it is not.

Belongs here: cutting a range into passes and keeping one batch ahead. Does not belong here: the connection
(`sandbox.py`), or what becomes of the rows (`builder.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from batch_platform.errors import BatchPlatformError, ends_the_run
from batch_platform.features.inputs import Inputs
from batch_platform.features.pieces import Piece
from batch_platform.features.sandbox import Sandbox
from batch_platform.partitions import Calendar, Window

ROW_BYTES = 128
"""Bytes of memory for each input row that a partition of a pass sees: more of them would make a query spill."""

_AHEAD = 2
"""Batches that wait while the caller works on one."""

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class Failed:
    """A partition whose query ended in an error; what came of it before is void."""

    key: str
    error: BatchPlatformError


def query(
    sandbox: Sandbox, inputs: Inputs, keys: Sequence[str], calendar: Calendar | None, adds_to: str | None = None
) -> Generator[Piece | Failed, None, None]:
    """The rows of each partition in pieces, or the error that its query ended in.

    The next batch, be it of the next pass, is computed while the caller works on this one: close the generator before
    the sandbox.

    Args:
        sandbox: runs the query.
        inputs: what the partitions read.
        keys: the partitions.
        calendar: theirs; None for a table without partitions.
        adds_to: the table whose rows a model without partitions adds to, where it does.

    Raises:
        LakeError: an input cannot be read.
    """

    def run() -> Generator[list[Piece | Failed], None, None]:
        if calendar is None:
            for key in keys:
                yield from _alone(sandbox, key, None, adds_to)
            return
        for part in _passes(inputs, keys, sandbox.memory_bytes // ROW_BYTES):
            yield from _pass(sandbox, {key: calendar.window(key) for key in part})

    for pieces in _ahead(run()):
        yield from pieces


def _pass(sandbox: Sandbox, windows: dict[str, Window]) -> Iterator[list[Piece | Failed]]:
    """The rows of some partitions, in one query if it can be; one that fails is halved until it is a single day's.

    A template may fail for one window alone, a value for one day, and what takes too much memory for all may do for
    half of them.
    """
    rest = sorted(windows)
    if len(rest) > 1:
        try:
            together = sandbox.query_range(windows)
            for pieces in together or ():
                finished = {piece.key for piece in pieces if piece.last}
                rest = [key for key in rest if key not in finished]
                yield list(pieces)
        except BatchPlatformError as error:
            if ends_the_run(error):
                raise
            half = (len(rest) + 1) // 2
            for part in (rest[:half], rest[half:]) if len(rest) > 1 else (rest,):
                yield from _pass(sandbox, {key: windows[key] for key in part})
            return
    for key in rest:
        yield from _alone(sandbox, key, windows[key])


def _alone(
    sandbox: Sandbox, key: str, window: Window | None, adds_to: str | None = None
) -> Iterator[list[Piece | Failed]]:
    try:
        for pieces in sandbox.query(key, window, adds_to=adds_to):
            yield list(pieces)
    except BatchPlatformError as error:
        if ends_the_run(error):
            raise
        yield [Failed(key, error)]


def _ahead(items: Generator[_Item, None, None]) -> Generator[_Item, None, None]:
    """The same items, some of which are computed by another thread before they are asked for."""
    end = object()
    waiting: deque[Future[_Item | object]] = deque()
    try:
        with ThreadPoolExecutor(1) as pool:
            try:
                waiting.extend(pool.submit(next, items, end) for _ in range(_AHEAD))
                while (item := waiting.popleft().result()) is not end:
                    waiting.append(pool.submit(next, items, end))
                    yield item  # type: ignore[misc]
            finally:
                for future in waiting:
                    future.cancel()
    finally:
        items.close()


def _passes(inputs: Inputs, keys: Sequence[str], most: int) -> Iterator[list[str]]:
    """The keys in order, cut so that the rows of a pass stay within `most`; every pass has one key at least."""
    part: list[str] = []
    total = 0
    for key in sorted(keys):
        rows = inputs.rows(key)
        if part and total + rows > most:
            yield part
            part, total = [], 0
        part.append(key)
        total += rows
    if part:
        yield part
