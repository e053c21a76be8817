"""Which model version scores which partitions of a backfill.

Belongs here: the versions, stretch by stretch. Does not belong here: choosing one (`models/versions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from batch_platform.schedules.facts import Facts
from batch_platform.schedules.scheduled import Role, Scheduled


@dataclass(frozen=True)
class VersionUse:
    """One version, and an unbroken run of partitions that it scores.

    Args:
        table: the prediction table.
        model: the table of its model; empty if no component of the project trains it.
        version: its number; empty if there is none, or if it is trained first.
        window: the serving window that the partitions belong to; empty where the version does not depend on it.
        trained: whether the same backfill trains a version for that window, which serves if it is promoted.
        passed_over: the version of that window, if it is there and another one serves: it was not promoted.
        first: the first partition.
        last: the last one.
        partitions: how many.
    """

    table: str
    model: str
    version: str
    window: str
    trained: bool
    passed_over: str
    first: str
    last: str
    partitions: int


def versions_used(ordered: Sequence[Scheduled], making: Mapping[str, Sequence[str]], facts: Facts) -> list[VersionUse]:
    """The versions that score the partitions which a backfill makes, by table and time."""
    found: list[VersionUse] = []
    for table in ordered:
        keys = making.get(table.table, ())
        if table.serving is None or not keys:
            continue
        model = next((read for read in table.inputs if read.role is Role.MODEL), None)
        registered = facts.books.made(model.table, facts.books.live(model.table)) if model else {}
        trained = set(making.get(model.table, ())) if model else set()
        runs: list[tuple[tuple[str, str, bool, str], list[str]]] = []
        for key in keys:
            window = model.keys(key)[0] if model else ""
            version = facts.serving(table.table, key) or ""
            own = registered[window].model if window in registered else ""
            passed_over = own if own and own != version and window not in trained else ""
            use = ("" if window in trained else version, window, window in trained, passed_over)
            if runs and runs[-1][0] == use:
                runs[-1][1].append(key)
            else:
                runs.append((use, [key]))
        name = model.table if model else ""
        found += [VersionUse(table.table, name, *use, own[0], own[-1], len(own)) for use, own in runs]
    return found
