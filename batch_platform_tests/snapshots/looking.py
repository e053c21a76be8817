"""Looking at a source again and again, as the sensor does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.arrival_book import ArrivalBook, content_of
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.watching import Look, Watched, look
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import source_from
from batch_platform.snapshots.watches import watch_of

NOW = datetime(2026, 1, 10, 6, tzinfo=UTC)
DAYS = Calendar(Cadence.DAILY, "2025-12-01")
DAY, OTHER, EARLY = "2026-01-09", "2026-01-08", "2026-01-11"


class Looker:
    """Looks every ten seconds at the source of a table of days."""

    def __init__(self, spec: SourceSpec, base: Path, *, empty_allowed: bool = False) -> None:
        self.spec, self.base = spec, base
        rules = Rules.declared(Cadence.DAILY, "orders", horizon=3, lookback=3)
        table = Scheduled("snapshots/orders", DAYS, Offset.parse("+1d"), rules, source=True)
        watch = watch_of(spec, base=base, empty_allowed=empty_allowed)
        assert watch is not None
        self.watched, self.book, self.looks = Watched(table, watch), ArrivalBook(), 0

    def look(self) -> Look:
        """Look once more."""
        self.looks += 1
        result = look(self.watched, self.book, NOW + timedelta(seconds=10 * self.looks))
        self.book = result.book
        assert self.book.problem == "", self.book.problem
        return result

    def arrived(self, times: int = 3) -> list[str]:
        """What arrives in some looks."""
        return [key for _ in range(times) for key in self.look().arrived]

    def is_as_captured(self, key: str) -> bool:
        """Whether what is noted of a partition is what a capture would record now."""
        extract = source_from(self.spec, base=self.base).read(key, DAYS.window(key))
        return self.book.seen[key].content == content_of({file.path: file.sha256 for file in extract.files})
