"""Workers that are threads of this process."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from batch_platform.engines.base import ReceiptT, ShardT
from batch_platform.engines.cancellation import cancelled_by
from batch_platform.engines.compute_threads import compute_on_one_thread, one_compute_thread
from batch_platform.telemetry.logs import bound, bound_fields

_WAITING = 2
"""Shards given out for each worker: one under way, one to go on with while the consumer is at work."""


def map_in_threads(
    function: Callable[[ShardT], ReceiptT], shards: Sequence[ShardT], workers: int
) -> Iterator[ReceiptT]:
    """Results of a function as they finish; see `Engine.map`."""
    if not shards:
        return
    cancelled, fields, limited = threading.Event(), bound_fields(), threading.local()

    def work(shard: ShardT) -> ReceiptT:
        # A library may have been imported by the shard before, in whichever thread.
        if getattr(limited, "modules", 0) != len(sys.modules):
            compute_on_one_thread()
            limited.modules = len(sys.modules)
        with cancelled_by(cancelled), bound(**fields):
            return function(shard)

    todo = iter(shards)
    with one_compute_thread(), ThreadPoolExecutor(workers, thread_name_prefix="shard") as pool:
        given: set[Future[ReceiptT]] = set()
        try:
            given = {pool.submit(work, shard) for shard in islice(todo, _WAITING * workers)}
            while given:
                done, given = wait(given, return_when=FIRST_COMPLETED)
                results = [future.result() for future in done]
                given |= {pool.submit(work, shard) for shard in islice(todo, len(done))}
                yield from results
        except Exception:
            raise
        except BaseException:
            # Closed or interrupted: nobody waits for what is under way.
            cancelled.set()
            raise
        finally:
            for future in given:
                future.cancel()
