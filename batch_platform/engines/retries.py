"""Trying a shard again whose error may pass, a little later each time.

Belongs here: how often and when. Does not belong here: which errors may pass (`errors.is_transient`).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

from batch_platform.engines.base import ReceiptT, ShardT
from batch_platform.engines.cancellation import refuse_if_cancelled
from batch_platform.errors import is_transient
from batch_platform.telemetry.logs import log


def _jitter() -> float:
    # By name, not as `random.random`: pickling that would hand every worker process the same state.
    return random.random()


@dataclass(frozen=True)
class Retries:
    """Exponential backoff with full jitter: before try n + 1, between 0 and `seconds * 2 ** (n - 1)` are waited.

    The whole interval is drawn from, so that workers that a store turned away together do not come back together.

    Args:
        tries: how often a shard is tried in all.
        seconds: the longest wait before the second try.
        sleep: waits.
        jitter: draws from [0, 1).
    """

    tries: int = 3
    seconds: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = _jitter

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures, one at least."""
        return float(self.jitter() * self.seconds * 2 ** (failures - 1))


@dataclass(frozen=True)
class Retrying(Generic[ShardT, ReceiptT]):
    """A function that is tried again when its error is transient; any other error is raised at once."""

    function: Callable[[ShardT], ReceiptT]
    retries: Retries = field(default_factory=Retries)

    def __call__(self, shard: ShardT) -> ReceiptT:
        failures = 0
        while True:
            refuse_if_cancelled()
            try:
                return self.function(shard)
            except Exception as error:
                failures += 1
                if failures >= self.retries.tries or not is_transient(error):
                    raise
                pause = self.retries.pause(failures)
                name, kind = str(getattr(shard, "name", "")), type(error).__name__
                log("shard_retried", level=logging.WARNING, shard=name, error=kind, failures=failures, wait=pause)
                self.retries.sleep(pause)
