"""How long one look at a folder with 100,000 files takes: python -m batch_platform_tests.benchmarks.arrivals.

Three layouts: the day first in the name, the day last, and all files of one day. `cold` is the first look of a new
process, `reading` the one that digests what has settled, `warm` the best of five after which nothing changed.
"""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.arrival_book import ArrivalBook
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.watching import Watched, look
from batch_platform.snapshots.file_watch import FileWatch

FILES = 100_000
NOW = datetime(2026, 1, 2, 1, tzinfo=UTC)
LAYOUTS = (
    ("3 years, day first", "{day}_{number:06}.csv", "in/{{partition_key}}_*.csv", FILES // 1096),
    ("3 years, day last", "{number:06}_{day}.csv", "in/*_{{partition_key}}.csv", FILES // 1096),
    ("one day", "{day}_{number:06}.csv", "in/{{partition_key}}_*.csv", FILES),
)


def main() -> None:
    """Measure, and print a line for each layout: wall seconds and, in brackets, processor seconds."""
    table = Scheduled(
        "snapshots/flights",
        Calendar(Cadence.DAILY, "2022-01-01"),
        Offset.parse("+1d"),
        Rules.declared(Cadence.DAILY, "flights"),
        source=True,
    )
    for title, name, pattern, each in LAYOUTS:
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder)
            (base / "in").mkdir()
            for number in range(FILES):
                day = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=number // each)
                (base / "in" / name.format(day=f"{day:%Y-%m-%d}", number=number % each)).write_text(f"a\n{number}\n")
            watched = Watched(table, FileWatch(pattern.format(), base))
            book, told = ArrivalBook(), []
            for number in range(7):
                wall, processor = time.perf_counter(), time.process_time()
                book = look(watched, book, NOW + timedelta(seconds=10 * number)).book
                told.append((time.perf_counter() - wall, time.process_time() - processor))
            cold, reading, warm = told[0], told[1], min(told[2:])
            shown = (
                f"{kind} {one[0]:.2f} ({one[1]:.2f})"
                for kind, one in zip(("cold", "reading", "warm"), (cold, reading, warm), strict=True)
            )
            print(f"{title:20} {sum(seen.parts for seen in book.seen.values()):7} watched: {', '.join(shown)}")


if __name__ == "__main__":
    main()
