"""Reading across cadences: stretches of an input whose length or distance varies from partition to partition.

Belongs here: which partitions such a reader sees, and the constant offsets that cover them for Dagster. Does not
belong here: readers of the input's own cadence, which see a constant stretch (`reading.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.timelines.lags import beginnings, newest_known, ordinary_and_odd
from batch_platform.timelines.lookbacks import Lookback


@dataclass(frozen=True)
class Varying:
    """What a reader of one calendar sees of an input with another, decided anew for each of its partitions.

    Without a lookback: the input partitions that begin within the reader's window or, of a coarser input, the one in
    which that window begins. With one: the newest that is known at the decision time and begins before the reader's
    window ends, and as many before it as the lookback says.
    """

    input: Calendar
    available: Offset
    reader: Calendar
    known_at: Offset
    lookback: Lookback | None

    def ends(self, own: str) -> tuple[str, str]:
        """The first and last input partition that `own` sees, also such as lie before the input's start."""
        start, end = self.reader.start_of(own), self.reader.start_of(self.reader.shift(own, 1))
        if self.lookback is not None:
            newest = min(self.newest(own), self.input.key_at(_before(end)))
            return self.lookback.oldest(self.input, newest), newest
        if self.reader.cadence.finer_than(self.input.cadence):
            return (containing := self.input.key_at(start)), containing
        return self.input.key_from(start), self.input.shift(self.input.key_from(end), -1)

    def newest(self, own: str) -> str:
        """The newest input partition that is known when `own` is decided."""
        return newest_known(self.input, self.available, self.known_at.after(self.reader.start_of(own)))

    def keys(self, own: str) -> list[str]:
        """The input partitions that `own` sees; those before the input's start do not exist."""
        first, last = self.ends(own)
        return self.input.keys_between(max(first, self.input.first), last)


@lru_cache(maxsize=4096)
def unknown(rule: Varying) -> int:
    """How many of the partitions that it would see are not known at the decision time, at worst; 0 or less: all are."""
    return max(rule.input.steps(rule.newest(own), rule.ends(own)[1]) for own in _telling(rule))


@lru_cache(maxsize=4096)
def offsets(rule: Varying) -> tuple[int, int]:
    """The narrowest `(start_offset, end_offset)` of Dagster's TimeWindowPartitionMapping that cover what is read.

    Dagster moves the two ends of the reader's window by these numbers of the reader's partitions, and takes each
    input partition that overlaps the result: it may name more than is read, never less.
    """
    if rule.lookback is None:
        return 0, 0  # all that begin within the window, or the one that holds its beginning: each overlaps it
    found = [_offsets_of(rule, own) for own in _telling(rule)]
    return min(start for start, _ in found), max(end for _, end in found)


def _offsets_of(rule: Varying, own: str) -> tuple[int, int]:
    first, last = rule.ends(own)
    end_of_first = rule.input.start_of(rule.input.shift(first, 1))
    start = rule.reader.steps(own, rule.reader.key_at(_before(end_of_first)))
    return start, rule.reader.steps(own, rule.reader.key_at(rule.input.start_of(last)))


def _telling(rule: Varying) -> Iterator[str]:
    """Partitions of the reader at which its distance from what it reads is shortest and longest.

    Every one of a coarser reader. Of a finer one the two between which the input that it reads last becomes another:
    otherwise this stands still while the reader moves on.
    """
    finer = rule.reader.cadence.finer_than(rule.input.cadence)
    if rule.reader.cadence is rule.input.cadence is Cadence.HOURLY:
        yield from _hours(rule)
        return
    coarser = rule.input if finer else rule.reader
    for begin, days in zip(beginnings(rule.reader, coarser), _days(rule), strict=False):
        until = coarser.key_at(coarser.start_of(begin) + timedelta(days=days))
        for key in coarser.keys_between(begin, until):
            yield from _around(rule, key) if finer else (key,)


def _days(rule: Varying) -> tuple[int, int]:
    """How many days to look at from each of the two `beginnings`.

    All lengths of months come within four years, and within 28 weeks meet months in all ways. Where there are no
    months, a year with its clock changes is like any other.
    """
    cadences = {rule.reader.cadence, rule.input.cadence}
    if cadences == {Cadence.WEEKLY, Cadence.MONTHLY}:
        return 28 * 366, 4 * 366
    if Cadence.MONTHLY in cadences or (rule.lookback and rule.lookback.unit == "month"):
        return 4 * 366, 400
    return 400, 400


def _around(rule: Varying, key: str) -> Iterator[str]:
    """The reader's partitions just before and just after the input `key` becomes the last that is read."""
    start = rule.input.start_of(key)
    turn = rule.reader.key_from(start)
    if rule.lookback is not None:
        known = newest_known(rule.reader, rule.known_at, _before(rule.available.after(start)))
        turn = max(rule.reader.key_at(start), rule.reader.shift(known, 1))
    yield from (rule.reader.shift(turn, -1), turn)


def _hours(rule: Varying) -> Iterator[str]:
    """For hours that read hours: those near clock changes and, where months are read, the worst hour of each day."""
    decision = rule.known_at.days + rule.known_at.hours / 24
    seen = decision - rule.available.days - rule.available.hours / 24
    back = seen - rule.lookback.days if rule.lookback else seen
    yield from ordinary_and_odd(rule.reader, rule.input, (0, decision, seen, back))
    if rule.lookback is not None and rule.lookback.unit == "month":
        begin = rule.reader.first
        day = rule.reader.keys_between(begin, rule.reader.shift(begin, 23))
        worst = rule.reader.start_of(max(day, key=lambda own: rule.input.steps(rule.ends(own)[1], own)))
        yield from (rule.reader.key_at(worst + timedelta(days=step)) for step in range(_days(rule)[0]))


def _before(moment: datetime) -> datetime:
    """The last moment before another one, in UTC."""
    return moment.astimezone(UTC) - timedelta(microseconds=1)
