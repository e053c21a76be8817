"""The order of models: each after those that it reads, and after those that its tests read where that can be.

Belongs here: the order, and the circle that makes one impossible. Does not belong here: what a test reads
(`rule_places.py`), and whose building evaluates it (`wider_rules.py`).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

from batch_platform.errors import ConfigurationError
from batch_platform.sql.model import SqlModel


def in_order(models: Iterable[SqlModel], wishes: Iterable[tuple[str, str]] = ()) -> list[SqlModel]:
    """Models after the models they read; of several that could be next, the first by name.

    Args:
        models: all of them.
        wishes: pairs of tables, the first of which would rather come after the second; what SQL reads goes before,
            and so do earlier pairs.

    Raises:
        ConfigurationError: they read one another in a circle.
    """
    known = {model.table: model for model in models}
    before = {table: set(model.inputs) & known.keys() for table, model in known.items()}
    sure = _sorted(before)
    if len(sure) < len(known):
        raise _circle({table: known[table] for table in sorted(known.keys() - set(sure))})
    for table, other in wishes:
        if {table, other} <= known.keys() and table not in {other, *ancestors(other, before)}:
            before[table].add(other)
    return [known[table] for table in _sorted(before)]


def ancestors(table: str, before: Mapping[str, Iterable[str]]) -> set[str]:
    """All that comes before a table, if `before` says what comes right before each."""
    found: set[str] = set()
    waiting = [table]
    while waiting:
        for other in before.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _sorted(before: Mapping[str, set[str]]) -> list[str]:
    """Tables after those before them, by name otherwise; those of a circle, and behind one, are left out."""
    count = {table: len(others) for table, others in before.items()}
    after: dict[str, list[str]] = {table: [] for table in before}
    for table, others in before.items():
        for other in others:
            after[other].append(table)
    free = [table for table, number in count.items() if not number]
    heapq.heapify(free)
    found: list[str] = []
    while free:
        found.append(heapq.heappop(free))
        for table in after[found[-1]]:
            count[table] -= 1
            if not count[table]:
                heapq.heappush(free, table)
    return found


def _circle(waiting: Mapping[str, SqlModel]) -> ConfigurationError:
    """The error that names the models of one circle, in the order of their reading, and where the first reads on."""
    way: list[SqlModel] = [next(iter(waiting.values()))]
    while way[-1] not in way[:-1]:
        way.append(next(waiting[table] for table in way[-1].inputs if table in waiting))
    way = way[way.index(way[-1]) :]
    names = " reads ".join(model.name for model in way)
    where = f"{way[0].path}:{way[0].line_of(way[1].table)}"
    return ConfigurationError(f"models read one another in a circle: {names}", where=where, fix="break it")
