"""What a capture would record of a source, for watches that can only tell a change by reading.

Belongs here: that. Does not belong here: telling cheaply whether to read at all (the watches).
"""

from __future__ import annotations

from batch_platform.partitions import Window
from batch_platform.snapshots.sources import Source


def recorded(source: Source, key: str, window: Window | None, empty_allowed: bool) -> dict[str, str]:
    """What a capture would record of a partition, found by reading it: path -> sha256.

    Args:
        source: the source.
        key: the partition, and its window.
        window: see there.
        empty_allowed: whether a partition without rows counts; otherwise nothing is recorded of it.

    Raises:
        SourceError: it cannot be read.
    """
    extract = source.read(key or None, window)
    if extract.table.num_rows == 0 and not empty_allowed:
        return {}
    return {file.path: file.sha256 for file in extract.files}
