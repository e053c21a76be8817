"""Work in threads that nobody has to wait for: what takes long goes on, and is asked for again later.

Belongs here: the threads. Does not belong here: what they do.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import Generic, TypeVar

ResultT = TypeVar("ResultT")


class SideBySide(Generic[ResultT]):
    """Tasks with names, each in a thread of its own, so that one that hangs keeps none of the others from going on.

    The threads do not keep the process from ending.
    """

    def __init__(self) -> None:
        self._running: dict[str, tuple[float, Future[ResultT]]] = {}

    def is_running(self, name: str) -> bool:
        """Whether the task of that name was started and not taken yet."""
        return name in self._running

    def start(self, name: str, task: Callable[[], ResultT]) -> None:
        """Start a task; none of that name may be running."""
        future: Future[ResultT] = Future()
        self._running[name] = (time.monotonic(), future)
        Thread(target=_work, args=(future, task), name=name, daemon=True).start()

    def take(self, seconds: float) -> dict[str, Future[ResultT]]:
        """The tasks that are done, after waiting for all of them for so long at most; each is given out once."""
        wait([future for _, future in self._running.values()], timeout=seconds)
        done = {name: future for name, (_, future) in self._running.items() if future.done()}
        self._running = {name: running for name, running in self._running.items() if name not in done}
        return done

    def late(self) -> dict[str, float]:
        """The tasks that are not done -> for how many seconds they have been running."""
        now = time.monotonic()
        return {name: now - since for name, (since, _) in self._running.items()}


def _work(future: Future[ResultT], task: Callable[[], ResultT]) -> None:
    try:
        future.set_result(task())
    except BaseException as error:
        future.set_exception(error)
