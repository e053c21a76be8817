"""How many runs each team may have at once of those that the platform starts by itself.

Dagster's own limits stand in `dagster.yaml`, hold for whatever runs and know no names of teams. A quota holds for what
is started by itself and is declared where the tables are.

Belongs here: which of several runs may start. Does not belong here: in which order they are asked for (`decision.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

RunT = TypeVar("RunT")


def within_quotas(
    runs: Sequence[RunT], team: Callable[[RunT], str], running: Mapping[str, int], quotas: Mapping[str, int]
) -> tuple[list[RunT], list[RunT]]:
    """Divide runs into those that may start now and those that wait for their team's turn, in the order given.

    Args:
        runs: the most urgent first.
        team: run -> the team that it counts for; empty: none, so no quota holds.
        running: team -> how many runs it has queued or running already.
        quotas: team -> the most that it may have; a team that is not in here may have any number.
    """
    taken = Counter(running)
    start: list[RunT] = []
    wait: list[RunT] = []
    for run in runs:
        name = team(run)
        if name in quotas and taken[name] >= quotas[name]:
            wait.append(run)
        else:
            start.append(run)
            taken[name] += 1
    return start, wait
