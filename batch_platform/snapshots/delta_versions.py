"""Which versions of a Delta table a window means, and what they changed.

Belongs here: the table's log and change data feed. Does not belong here: choosing rows (`delta_source.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from batch_platform.errors import SourceError

if TYPE_CHECKING:
    from batch_platform.partitions import Window

_FEED = "delta.enableChangeDataFeed"


def commits(table: DeltaTable) -> list[tuple[int, datetime]]:
    """The versions that the log still tells of, oldest first, with their times, which never go back (as in Delta's
    protocol for logs without commit times of their own)."""
    found = []
    latest = datetime.fromtimestamp(0, UTC)
    for commit in sorted(table.history(), key=lambda commit: commit["version"]):
        if "timestamp" in commit:
            latest = max(latest, datetime.fromtimestamp(commit["timestamp"] / 1000, UTC))
        found.append((int(commit["version"]), latest))
    return found


def go_back(table: DeltaTable, window: Window, where: str) -> None:
    """Bring the table to the version that was current when the window ended.

    Raises:
        SourceError: there was none, or the log no longer tells.
    """
    told = commits(table)
    earlier = [version for version, when in told if when < window.end]
    if not earlier:
        _refuse_forgotten(told, window.end, where)
        raise SourceError(
            f"the table did not exist at {window.end.isoformat()}", where=where, fix="begin partitions later"
        )
    table.load_as_version(earlier[-1])


def versions_within(table: DeltaTable, window: Window, where: str) -> list[int]:
    """The versions that were committed in the window, oldest first.

    Raises:
        SourceError: the table has no change data feed, or the log no longer tells.
    """
    if table.metadata().configuration.get(_FEED, "").lower() != "true":
        raise SourceError(
            "the table has no change data feed",
            where=where,
            fix=f"let its owner set {_FEED} = true, or read it by `watermark`",
        )
    told = commits(table)
    _refuse_forgotten(told, window.start, where)
    return [version for version, when in told if window.start <= when < window.end]


def _refuse_forgotten(told: list[tuple[int, datetime]], since: datetime, where: str) -> None:
    if told and told[0][0] > 0 and told[0][1] > since:
        raise SourceError(
            f"the table's log begins with version {told[0][0]} of {told[0][1].isoformat()}",
            where=where,
            fix="read later partitions, or let its owner keep the log longer",
        )


def changes(table: DeltaTable, versions: Sequence[int]) -> pa.Table:
    """The rows that these versions changed, with the change feed's own columns; the times of commits are in UTC."""
    # The schema of the feed is known only from reading some of it.
    first, last = (versions[0], versions[-1]) if versions else (table.version(), table.version())
    rows = pa.table(table.load_cdf(starting_version=first, ending_version=last))
    rows = rows.cast(pa.schema([pa.field(field.name, _without_view(field.type)) for field in rows.schema]))
    kind = rows.schema.field("_commit_version").type
    rows = rows.filter(pc.is_in(rows.column("_commit_version"), pa.array(versions, kind)))
    at = rows.column_names.index("_commit_timestamp")
    moments = rows.column(at).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    return rows.set_column(at, "_commit_timestamp", moments)


def _without_view(kind: pa.DataType) -> pa.DataType:
    """The type that Arrow can filter; of text and bytes as views it cannot."""
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind
