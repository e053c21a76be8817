"""Progress is told now and then, with the rate and the time that is left."""

from __future__ import annotations

import threading

from batch_platform.telemetry.progress import Progress, duration, rounded


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_line_says_rows_rate_and_time_left_after_each_interval_and_at_the_end() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress(10_000_000, lines.append, clock, 10.0, table="predictions/x")
    for seconds, rows in ((4.0, 1_000_000), (6.0, 1_500_000), (5.0, 1_000_000), (5.0, 2_500_000), (2.0, 4_000_000)):
        clock.now += seconds
        progress.advance(rows)
    assert lines == [
        "predictions/x: 2,500,000 of 10,000,000 rows, 250,000 rows/s, 30 s left",
        "predictions/x: 6,000,000 of 10,000,000 rows, 300,000 rows/s, 13 s left",
        "predictions/x: 10,000,000 of 10,000,000 rows, 455,000 rows/s, done in 22 s",
    ]


def test_quick_work_is_not_told_of() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress(10, lines.append, clock)
    for _ in range(10):
        clock.now += 0.5
        progress.advance(1)
    assert lines == []


def test_rows_of_an_earlier_attempt_are_done_but_not_fast() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress(1000, lines.append, clock, done_rows=800)
    clock.now += 10
    progress.advance(100)
    assert lines == ["900 of 1,000 rows, 10 rows/s, 10 s left"]


def test_nothing_that_is_done_says_nothing_of_the_time_left() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress(1000, lines.append, clock)
    clock.now += 10
    progress.advance(0)
    assert lines == ["0 of 1,000 rows, 0 rows/s"]


def test_threads_that_advance_at_once_lose_no_row() -> None:
    clock, lines = Clock(), list[str]()
    progress = Progress(80_000, lines.append, clock, 0.0)

    def advance() -> None:
        for _ in range(10_000):
            progress.advance(1)

    threads = [threading.Thread(target=advance) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines) == 80_000 and lines[-1].startswith("80,000 of 80,000 rows")


def test_numbers_are_told_as_people_say_them() -> None:
    assert [duration(seconds) for seconds in (0.4, 59.6, 250, 7500)] == ["0 s", "1 min 0 s", "4 min 10 s", "2 h 5 min"]
    assert [rounded(rate) for rate in (0.0, 3.14159, 811_734.0)] == [0, 3, 812_000]
