"""Which sources can be watched, and how.

Belongs here: the choice of the watch, and the one of Python functions. Does not belong here: the other watches, or
what follows from what they see (`schedules/watching.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from batch_platform.partitions import Window
from batch_platform.schedules.watching import Glimpse, Watch, Windows
from batch_platform.snapshots.declared_sources import FunctionSource
from batch_platform.snapshots.recorded_files import recorded
from batch_platform.snapshots.sources import Source, source_from

if TYPE_CHECKING:
    from pathlib import Path

    from batch_platform.snapshots.delta_source import DeltaTableSource
    from batch_platform.snapshots.source_spec import SourceSpec
    from batch_platform.snapshots.sql_source import SqlSource


def can_watch(spec: SourceSpec) -> bool:
    """Whether something tells cheaply what a source holds.

    Nothing does for demo data, a query, a table without a watermark, and a function without `probe`.
    """
    has_watermark = spec.sql is not None and spec.sql.watermark is not None
    has_probe = spec.function is not None and spec.function.probe is not None
    return spec.files is not None or spec.delta is not None or has_watermark or has_probe


def watch_of(spec: SourceSpec, *, base: Path, empty_allowed: bool) -> Watch | None:
    """What looks at a source; None where only reading it tells what it holds.

    Args:
        spec: the declaration.
        base: the folder that relative paths start from.
        empty_allowed: whether a partition without rows is complete as it is.
    """
    if not can_watch(spec):
        return None
    if spec.files is not None:
        from batch_platform.snapshots.file_watch import FileWatch

        return FileWatch(spec.files, base, spec.ready)
    if spec.sql is not None:
        from batch_platform.snapshots.sql_watch import SqlWatch

        return SqlWatch(cast("SqlSource", source_from(spec, base=base)), empty_allowed)
    if spec.delta is not None:
        from batch_platform.snapshots.delta_watch import DeltaWatch

        return DeltaWatch(cast("DeltaTableSource", source_from(spec, base=base)), empty_allowed)
    assert spec.function is not None
    return ProbeWatch(source_from(spec, base=base), spec.function, empty_allowed)


class ProbeWatch:
    """Asks a user's function what the input looks like; see `schedules.watching.Watch`.

    Args:
        source: the source.
        declared: with `probe`, called as `call` is; what it gives is compared as text, None is nothing there.
        empty_allowed: whether a partition without rows is complete as it is.
    """

    def __init__(self, source: Source, declared: FunctionSource, empty_allowed: bool) -> None:
        self._source, self._declared, self._empty_allowed = source, declared, empty_allowed

    def glimpse(self, windows: Windows, ahead: Windows) -> Mapping[str, Glimpse]:
        """What the function says of each partition; see `Watch.glimpse`. It is not asked for those ahead."""
        from batch_platform.snapshots.function_source import called

        name = self._declared.probe or ""
        told = {key: called(name, self._declared, key or None, window) for key, window in windows.items()}
        return {
            key: Glimpse(hashlib.sha256(str(found).encode()).hexdigest()[:32])
            for key, found in told.items()
            if found is not None
        }

    def contents(self, key: str, window: Window | None) -> Mapping[str, str] | None:
        """What a capture would record of the rows; see `Watch.contents`."""
        return recorded(self._source, key, window, self._empty_allowed)
