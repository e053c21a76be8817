"""Whether the work at hand is still wanted: engines set it, the function that they map asks between batches.

Belongs here: the one question and how an engine answers it. Does not belong here: who cancels, or what is left behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from batch_platform.errors import Cancelled


class Flag(Protocol):
    """Whatever can say that work was cancelled, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether to stop."""


_FLAG: ContextVar[Flag | None] = ContextVar("cancelled", default=None)


def refuse_if_cancelled() -> None:
    """Go on only if the work is still wanted; cheap enough to be called before every batch.

    Call it in the thread in which the engine called the function. Where no engine is at work nothing is cancelled.

    Raises:
        Cancelled: nobody waits for the result any more.
    """
    flag = _FLAG.get()
    if flag is not None and flag.is_set():
        raise Cancelled("nobody waits for the result any more")


@contextmanager
def cancelled_by(flag: Flag) -> Iterator[None]:
    """Let a flag decide, in this thread."""
    token = _FLAG.set(flag)
    try:
        yield
    finally:
        _FLAG.reset(token)
