"""What happened to partitions, as far as a person must be told of it.

Belongs here: the questions, as an interface. Does not belong here: asking Dagster (`automation/`), or what follows from
the answers (`freshness.py`, `root_causes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Failure:
    """What went wrong with a partition, as its newest result says.

    Args:
        text: one line.
        run_id: of the run that said so; empty if it was none.
    """

    text: str
    run_id: str = ""


@dataclass(frozen=True)
class Underway:
    """A run that is to make a partition, queued or running.

    Args:
        since: when it was asked for.
        run_id: its id.
    """

    since: datetime
    run_id: str


class History(Protocol):
    """Answers about partitions; a table without partitions has the one `""`."""

    def failure(self, table: str, partition: str, check: str) -> Failure | None:
        """The newest result of a check, if it is a failure.

        An empty check asks whether the partition could be made at all, the last time that it was tried.
        """
        ...

    def underway(self, table: str, partition: str) -> Underway | None:
        """The run that makes a partition at the moment."""
        ...

    def first_made(self, table: str, partition: str) -> datetime | None:
        """When a partition was there for the first time; None: not known."""
        ...


class NoHistory:
    """Knows nothing."""

    def failure(self, table: str, partition: str, check: str) -> Failure | None:
        """Nothing."""
        return None

    def underway(self, table: str, partition: str) -> Underway | None:
        """Nothing."""
        return None

    def first_made(self, table: str, partition: str) -> datetime | None:
        """Nothing."""
        return None
