"""What making partitions takes: rows, seconds and dollars, from what the newest partitions of a table took.

Belongs here: the estimate of one partition after the other. Does not belong here: how runs share a machine
(`plan.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_platform.schedules.facts import Facts, Made
from batch_platform.schedules.scheduled import Role, Scheduled

_RECENT = 30
"""How many of the newest partitions count."""


@dataclass(frozen=True)
class Effort:
    """What one partition takes.

    Args:
        rows: how many rows it will have; None if nothing tells.
        seconds: of work, without what starting a run takes; None if none was measured.
        dollars: the same in dollars.
    """

    rows: float | None
    seconds: float | None
    dollars: float | None


def efforts(
    ordered: Sequence[Scheduled], making: Mapping[str, Sequence[str]], facts: Facts
) -> dict[str, dict[str, Effort]]:
    """Table -> partition -> what making it takes.

    A partition that reads one partition of an input of the same key has as many rows as that one, where these are
    recorded or foretold; else as many as it had, else as the mean of the newest. Seconds and dollars go with rows.
    """
    found: dict[str, dict[str, Effort]] = {}
    for table in ordered:
        keys = making.get(table.table)
        if not keys:
            continue
        history = _History.of(table, facts)
        own = {} if table.held is not None else facts.books.made(table.table, keys)
        before = _rows_of_input(table, keys, facts, found)
        found[table.table] = {}
        for key in keys:
            rows = before.get(key)
            if rows is None:
                rows = own[key].rows if key in own else history.rows
            found[table.table][key] = history.effort(rows)
    return found


def _rows_of_input(
    table: Scheduled, keys: Sequence[str], facts: Facts, known: Mapping[str, Mapping[str, Effort]]
) -> dict[str, float]:
    """The rows of the first input of which a partition reads that of its own key and nothing else."""
    for read in table.inputs:
        if read.role is Role.PARTITIONS and all(list(read.keys(key)) == [key] for key in (keys[0], keys[-1])):
            rows: dict[str, float] = {key: made.rows for key, made in facts.books.made(read.table, keys).items()}
            told = {key: effort.rows for key, effort in known.get(read.table, {}).items()}
            return rows | {key: count for key, count in told.items() if count is not None}
    return {}


@dataclass(frozen=True)
class _History:
    """The newest partitions of a table."""

    recent: Sequence[Made]
    whole_run: float | None

    @classmethod
    def of(cls, table: Scheduled, facts: Facts) -> _History:
        newest = sorted(facts.books.live(table.table))[-_RECENT:]
        made = [made for made in facts.books.made(table.table, newest).values() if made.seconds > 0]
        return cls(made, facts.seconds.get(table.table))

    @property
    def rows(self) -> float | None:
        return sum(made.rows for made in self.recent) / len(self.recent) if self.recent else None

    def effort(self, rows: float | None) -> Effort:
        if not self.recent:
            # What is not recorded with the partitions, as that of a model: the run that took longest.
            return Effort(rows, self.whole_run, None)
        counted = sum(made.rows for made in self.recent)
        share = rows / counted if rows is not None and counted else 1 / len(self.recent)
        seconds, dollars = (sum(getattr(made, name) for made in self.recent) for name in ("seconds", "dollars"))
        return Effort(rows, seconds * share, dollars * share)
