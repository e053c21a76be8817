"""Running a model's query for many partitions: in one pass where that is safe, one by one where it is not.

Belongs here: cutting a range into passes and keeping one pass ahead. Does not belong here: the connection
(`sandbox.py`), or what becomes of the rows (`build.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

from batch_platform.errors import BatchPlatformError, ends_the_run
from batch_platform.features.definition import FeatureTable
from batch_platform.features.inputs import Inputs
from batch_platform.features.sandbox import Answer, Sandbox
from batch_platform.partitions import Window

PASS_ROWS = 1_000_000
"""The most input rows of one pass, each counted once for every partition that sees it."""

Result: TypeAlias = Answer | BatchPlatformError


def query(features: FeatureTable, inputs: Inputs, keys: Sequence[str]) -> Iterator[tuple[str, Result]]:
    """Each partition with its answer, or with the error that its query ended in.

    The next pass runs while the caller works on the rows of this one.

    Raises:
        LakeError: an input cannot be read.
    """
    sandbox = Sandbox(features.model, features.readings, inputs.opened)

    def run(part: Sequence[str]) -> dict[str, Result]:
        windows = {key: features.calendar.window(key) for key in part}
        together = _together(sandbox, windows) if len(part) > 1 else None
        if together is not None:
            return dict(together)
        return {key: _alone(sandbox, key, window) for key, window in windows.items()}

    try:
        with ThreadPoolExecutor(1) as pool:
            waiting: deque[Future[dict[str, Result]]] = deque()
            for part in _passes(inputs, keys):
                waiting.append(pool.submit(run, part))
                if len(waiting) > 1:
                    yield from waiting.popleft().result().items()
            while waiting:
                yield from waiting.popleft().result().items()
    finally:
        sandbox.close()


def _together(sandbox: Sandbox, windows: Mapping[str, Window]) -> dict[str, Answer] | None:
    try:
        return sandbox.query_range(windows)
    except BatchPlatformError as error:  # a template may fail for one window alone, a file be damaged for one
        if ends_the_run(error):
            raise
        return None


def _alone(sandbox: Sandbox, key: str, window: Window) -> Result:
    try:
        return sandbox.query(key, window)
    except BatchPlatformError as error:
        if ends_the_run(error):
            raise
        return error


def _passes(inputs: Inputs, keys: Sequence[str]) -> Iterator[list[str]]:
    """The keys in order, cut so that a pass stays within `PASS_ROWS`; every pass has one at least."""
    part: list[str] = []
    total = 0
    for key in sorted(keys):
        rows = inputs.rows(key)
        if part and total + rows > PASS_ROWS:
            yield part
            part, total = [], 0
        part.append(key)
        total += rows
    if part:
        yield part
