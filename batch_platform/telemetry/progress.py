"""How far a run has come, told in lines of text now and then.

Belongs here: counting rows and wording a line. Does not belong here: where the lines go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Progress:
    """Counts rows and tells of them: `predictions/x: 2,621,440 of 10,000,000 rows, 812,000 rows/s, 9 s left`.

    Work that ends within the first interval is told of not at all; once a line was told, the last row is told of, too.

    Args:
        total_rows: how many rows there are.
        tell: takes a line; it is called by whichever thread advances, never by two at once.
        clock: seconds that only grow.
        every: seconds between two lines, and before the first.
        table: what the rows go to, told at the beginning of each line.
        done_rows: rows of an earlier attempt that need no work; they count as done, but not as fast.
    """

    def __init__(
        self,
        total_rows: int,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        every: float = 10.0,
        *,
        table: str = "",
        done_rows: int = 0,
    ) -> None:
        self.total_rows, self._tell, self._clock, self._every = total_rows, tell, clock, every
        self._prefix = f"{table}: " if table else ""
        self._earlier = self._done = done_rows
        self._began = self._told = clock()
        self._lines = 0
        self._lock = threading.Lock()

    def advance(self, rows: int) -> None:
        """Note that more rows are done."""
        with self._lock:
            self._done += rows
            now = self._clock()
            last = self._done >= self.total_rows and rows > 0
            if now - self._told >= self._every or (last and self._lines):
                self._told = now
                self._lines += 1
                self._tell(self._line(now - self._began))

    def _line(self, seconds: float) -> str:
        rate = (self._done - self._earlier) / seconds if seconds > 0 else 0.0
        text = f"{self._prefix}{self._done:,} of {self.total_rows:,} rows, {rounded(rate):,} rows/s"
        left = self.total_rows - self._done
        if left <= 0:
            return f"{text}, done in {duration(seconds)}"
        return f"{text}, {duration(left / rate)} left" if rate > 0 else text


def rounded(rate: float) -> int:
    """A rate to three digits: more of them would only flicker."""
    return round(float(f"{rate:.3g}"))


def duration(seconds: float) -> str:
    """A time as people say it: `9 s`, `4 min 10 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
