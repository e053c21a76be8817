"""Watching a Delta table that others write: which of its files a partition's rows can be in, told from its log.

Belongs here: one look. Does not belong here: reading rows (`delta_source.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from batch_platform.partitions import Window
from batch_platform.schedules.watching import Glimpse, Windows
from batch_platform.snapshots.delta_source import DeltaTableSource, telling
from batch_platform.snapshots.delta_versions import commits
from batch_platform.snapshots.recorded_files import recorded
from batch_platform.snapshots.watermark import bounds

_CUT = timedelta(milliseconds=1)
"""Statistics of times are cut to milliseconds, so that the greatest value may lie so far above."""


class DeltaWatch:
    """Looks at a Delta table; see `schedules.watching.Watch`.

    With a partition column or a watermark, only the partitions whose files changed look different; otherwise all of
    them do whenever the table has a new version. What looks different is read, and its content decides.

    Args:
        source: the source.
        empty_allowed: whether a partition without rows is complete as it is.
    """

    def __init__(self, source: DeltaTableSource, empty_allowed: bool) -> None:
        self._source, self._empty_allowed = source, empty_allowed

    def glimpse(self, windows: Windows, ahead: Windows) -> Mapping[str, Glimpse]:
        """The files of each partition; see `Watch.glimpse`. Without rows of its own, a partition is not ahead."""
        declared = self._source.declared
        with telling(declared):
            table = self._source.open()
            if declared.changes or declared.as_of == "window_end":
                told = commits(table)
                found = {key: self._versions(told, window) for key, window in windows.items()}
                return {key: Glimpse(token) for key, token in found.items() if token}
            return dict(self._by_files(table, windows))

    def contents(self, key: str, window: Window | None) -> Mapping[str, str] | None:
        """What a capture would record of the rows; see `Watch.contents`."""
        return recorded(self._source, key, window, self._empty_allowed)

    def _versions(self, told: Sequence[tuple[int, datetime]], window: Window | None) -> str:
        """The versions that a window means; empty if there is none yet."""
        if window is None:
            return str(told[-1][0]) if told else ""
        since = window.start if self._source.declared.changes else datetime.min.replace(tzinfo=window.start.tzinfo)
        found = [version for version, when in told if since <= when < window.end]
        if self._source.declared.changes:
            return ",".join(map(str, found)) or ("none" if self._empty_allowed else "")
        return str(found[-1]) if found else ""

    def _by_files(self, table: DeltaTable, windows: Windows) -> Iterator[tuple[str, Glimpse]]:
        files = pa.table(table.get_add_actions(flatten=True)).to_pylist()
        kind = self._kind(table)
        for key, window in windows.items():
            limits = None if kind is None or window is None else self._limits(kind, window)
            chosen = [file for file in files if self._may_hold(file, key, limits)]
            token = hashlib.sha256("\0".join(sorted(str(file["path"]) for file in chosen)).encode()).hexdigest()[:32]
            if chosen or self._empty_allowed:
                size = sum(int(file["size_bytes"] or 0) for file in chosen)
                yield key, Glimpse(token, len(chosen), size)

    def _kind(self, table: DeltaTable) -> pa.DataType | None:
        """The watermark's type; None if none is declared."""
        declared = self._source.declared
        if declared.watermark is None:
            return None
        kind = pa.schema(table.schema()).field(declared.watermark).type
        return pa.timestamp("us", "UTC" if kind.tz else None) if pa.types.is_timestamp(kind) else kind

    def _limits(self, kind: pa.DataType, window: Window) -> tuple[Any, Any]:
        return bounds(kind, window, self._source.declared.zone, self._source.declared.origin)

    def _may_hold(self, file: Mapping[str, Any], key: str, limits: tuple[Any, Any] | None) -> bool:
        declared = self._source.declared
        if declared.partition is not None:
            value = file.get(f"partition.{declared.partition}")
            return value is None or str(value) == key
        if limits is None:
            return True
        start, end = limits
        least, greatest = file.get(f"min.{declared.watermark}"), file.get(f"max.{declared.watermark}")
        try:
            above = greatest + _CUT if isinstance(greatest, datetime) else greatest
            return (above is None or above >= start) and (least is None or least < end)
        except TypeError:  # of another type than the bounds: what cannot be told apart may hold anything
            return True
