"""What is the case at one moment: what tables hold, what has arrived, what runs, what was tried.

Belongs here: the facts that a decision is made from, as plain values. Does not belong here: gathering them from a
lake (`books.py`) or from Dagster (`automation/`), or deciding (`decision.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Read:
    """What a partition recorded of one input: the stretch that it read, and a digest of its content.

    `stretch` is None for a table without partitions.
    """

    stretch: tuple[str, str] | None
    digest: str


@dataclass(frozen=True)
class Made:
    """One partition as its table holds it.

    Args:
        digest: of its content.
        reads: input table -> what it was made from.
        code: digest of the SQL or outputs that made it; empty if none is recorded.
        model: the version that scored it; empty where there is none.
        rows: how many rows it has.
        seconds: its share of the wall time of the run that made it.
        dollars: its share of that run's cost.
        sources: path -> sha256 of the files that a snapshot captured.
    """

    digest: str
    reads: Mapping[str, Read] = field(default_factory=dict)
    code: str = ""
    model: str = ""
    rows: int = 0
    seconds: float = 0.0
    dollars: float = 0.0
    sources: Mapping[str, str] = field(default_factory=dict)


class Books(Protocol):
    """What tables hold, by table name."""

    def live(self, table: str) -> AbstractSet[str]:
        """The keys of all partitions that are there; `""` for a table without partitions."""
        ...

    def made(self, table: str, keys: Iterable[str]) -> dict[str, Made]:
        """Those of the given partitions that are there."""
        ...

    def stretch(self, table: str, first: str, last: str) -> list[str]:
        """The content digests of the partitions that are there from `first` to `last`, in the order of their keys."""
        ...


@dataclass(frozen=True)
class Arrival:
    """What a source holds for one partition.

    Args:
        token: stands for what it holds: equal tokens, equal content.
        changed: whether it differs from what was captured.
        asked: whether somebody asked for the partition by name; then it is looked at whatever its age.
    """

    token: str
    changed: bool = True
    asked: bool = False


def _open(_: str, __: datetime) -> datetime | None:
    return None


def _unblocked(_: str, __: str) -> str | None:
    return None


def _unversioned(_: str) -> int:
    return 0


def _unknown(_: str, __: str) -> str | None:
    return None


@dataclass(frozen=True)
class Facts:
    """Everything that a decision needs to know.

    Args:
        now: the moment, in UTC.
        books: what tables hold.
        arrived: for tables whose source can be watched: partition -> what has arrived and is complete. A table that
            is not in here has a source that can only be tried.
        unwatched: those of them that nobody has looked at yet, so that nothing is known of what has arrived.
        asked: for the other tables that capture a source: partition -> what somebody asked for by name.
        unreadable: table -> why what it holds cannot be read; nothing is made of it, or of what reads it.
        running: table -> its partitions that are queued or running, whoever asked for them; `""` for all of it.
        requested: table -> its partitions that a backfill in progress is about to make; `""` for all of it.
        blocked: table, partition -> the blocking check whose newest result for it is a failure; None: there is none.
        closed_until: batch window, moment -> when it opens next; None: it is open now.
        seconds: table -> how long its recent runs took from request to end, at worst.
        quotas: team -> how many runs it may have at once of those that are started without being asked for.
        team_runs: team -> how many it has.
        version: table -> a number that grows with each of its commits; it tells one request for the same from another.
        serving: prediction table, partition -> the model version that would score it today; None: not known.
    """

    now: datetime
    books: Books
    arrived: Mapping[str, Mapping[str, Arrival]] = field(default_factory=dict)
    unwatched: AbstractSet[str] = frozenset()
    asked: Mapping[str, Mapping[str, Arrival]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    running: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    requested: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    blocked: Callable[[str, str], str | None] = _unblocked
    closed_until: Callable[[str, datetime], datetime | None] = _open
    seconds: Mapping[str, float] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(default_factory=dict)
    team_runs: Mapping[str, int] = field(default_factory=dict)
    version: Callable[[str], int] = _unversioned
    serving: Callable[[str, str], str | None] = _unknown

    def is_running(self, table: str, key: str) -> bool:
        """Whether a partition is queued or running, or a backfill is about to make it."""
        taken = (self.running.get(table, frozenset()), self.requested.get(table, frozenset()))
        return any(key in keys or "" in keys for keys in taken)

    def is_only_requested(self, table: str, key: str) -> bool:
        """Whether a backfill is about to make a partition, and no run is at it yet."""
        own = self.running.get(table, frozenset())
        return self.is_running(table, key) and key not in own and "" not in own
