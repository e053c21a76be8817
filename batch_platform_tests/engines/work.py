"""What tests let engines map: functions in a module that worker processes can import, telling what they do by files."""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch_platform.engines.cancellation import refuse_if_cancelled
from batch_platform.engines.retries import Retries
from batch_platform.errors import Cancelled, LakeError, ModelError, SourceError

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for something that should come at once."""


@dataclass(frozen=True)
class Piece:
    """A shard with a size."""

    name: str
    rows: int = 1


@dataclass(frozen=True)
class Steps:
    """Batches of a hundredth of a second; leaves `begun-N`, and `done-N` or `cancelled-N`, in a folder.

    Args:
        folder: where.
        batches: shard -> how many; one by default.
    """

    folder: Path
    batches: tuple[tuple[int, int], ...] = ()

    def __call__(self, shard: int) -> int:
        mark(self.folder, f"begun-{shard}")
        try:
            for _ in range(dict(self.batches).get(shard, 1)):
                refuse_if_cancelled()
                time.sleep(0.01)
        except Cancelled:
            mark(self.folder, f"cancelled-{shard}")
            raise
        mark(self.folder, f"done-{shard}")
        return shard


@dataclass(frozen=True)
class Failing:
    """Steps of which one shard fails, once another one has begun."""

    steps: Steps
    shard: int
    after: str

    def __call__(self, shard: int) -> int:
        if shard != self.shard:
            return self.steps(shard)
        wait_for(lambda: (self.steps.folder / self.after).exists())
        try:
            raise OSError(errno.ENOSPC, "no space left on device")
        except OSError as error:
            raise ModelError("is out of tune", where="shard 1", fix="tune it") from error


@dataclass(frozen=True)
class Flaky:
    """Fails so often with a connection that was reset, shard by shard, or with an error that stays."""

    folder: Path
    failures: int
    passing: bool = True

    def __call__(self, shard: int) -> tuple[int, int]:
        tries = len(list(self.folder.glob(f"try-{shard}-*"))) + 1
        mark(self.folder, f"try-{shard}-{tries}")
        if tries > self.failures:
            return shard, tries
        if self.passing:
            raise LakeError("does not answer") from ConnectionResetError(errno.ECONNRESET, "reset by peer")
        raise SourceError("is torn")


@dataclass(frozen=True)
class Loaded:
    """Counts in each process how often it arrived there."""

    token: str

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        _arrivals.append(self.token)

    def __call__(self, _: int) -> tuple[int, int]:
        time.sleep(0.05)
        return os.getpid(), _arrivals.count(self.token)


_arrivals: list[str] = []


class Untransferable(Exception):
    """An error whose copy cannot be made: its arguments are not those of its class."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"{reason} {number}")


def mark(folder: Path, name: str) -> None:
    (folder / name).touch()


def wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def marks(folder: Path, beginning: str) -> set[int]:
    return {int(path.name.removeprefix(beginning)) for path in folder.glob(f"{beginning}*")}


def same(shard: Any) -> Any:
    return shard


def killed(shard: int) -> int:
    if shard == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.2)
    return shard


def exits(shard: int) -> int:
    os._exit(7)


def untransferable(shard: int) -> int:
    raise Untransferable(shard, "number")


def lock(shard: int) -> Any:
    return threading.Lock()


@dataclass(frozen=True)
class Sleeping:
    """Never asks whether it is still wanted; leaves its process id as `pid-N`."""

    folder: Path

    def __call__(self, shard: int) -> int:
        mark(self.folder, f"pid-{os.getpid()}")
        time.sleep(PATIENCE)
        return shard


def compute_threads(_: int) -> set[int]:
    """Threads that numpy, OpenMP and torch would use here."""
    import numpy  # noqa: F401 - its BLAS is what is looked at
    import sklearn.tree  # noqa: F401 - brings OpenMP
    import torch
    from threadpoolctl import threadpool_info

    return {library["num_threads"] for library in threadpool_info()} | {torch.get_num_threads()}


def no_wait(_: float) -> None:
    pass


AT_ONCE = Retries(sleep=no_wait)
