"""When a partition must start so that it, and whatever reads it, is there by its deadline.

Belongs here: working back from deadlines by the time that recent runs took. Does not belong here: the deadline of a
partition (`slo.py`), or what is done about it (`holds.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from batch_platform.schedules.facts import Facts
from batch_platform.schedules.owed import Owed
from batch_platform.schedules.scheduled import Scheduled

UNKNOWN_SECONDS = 300.0
"""How long a run of a table is taken to last as long as none was measured."""

SLACK = timedelta(minutes=1)


def latest_starts(
    ordered: Sequence[Scheduled], owed: Mapping[str, Mapping[str, Owed]], facts: Facts
) -> dict[tuple[str, str], datetime]:
    """Table and partition -> when it must start at the latest, in UTC; only for those that a deadline depends on.

    Args:
        ordered: the tables, each after those that it reads.
        owed: the partitions that must be made; only these need to start.
        facts: what is the case; how long runs take, above all.
    """
    found: dict[tuple[str, str], datetime] = {}
    for table in reversed(ordered):
        lasts = timedelta(seconds=facts.seconds.get(table.table, UNKNOWN_SECONDS)) + SLACK
        for key in owed.get(table.table, {}):
            place = (table.table, key)
            ends = [found[place]] if place in found else []
            if table.slo is not None and table.calendar is not None:
                ends.append(table.slo.due_at(table.calendar, key).astimezone(UTC))
            if not ends:
                continue
            found[place] = start = min(ends) - lasts
            for read in table.inputs:
                for own in read.keys(key):
                    if own in owed.get(read.table, {}):
                        found[read.table, own] = min(found.get((read.table, own), start), start)
    return found
