"""The one clock: what everything that asks for the time asks, so that a test can say what time it is.

Belongs here: the present moment. Does not belong here: what follows from it, which takes the moment as an argument.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_told: ContextVar[datetime | None] = ContextVar("_told", default=None)


def now() -> datetime:
    """The present moment, in UTC."""
    return _told.get() or datetime.now(UTC)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Within this block, the present is `moment`."""
    token = _told.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _told.reset(token)
