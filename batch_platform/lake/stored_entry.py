"""One file as a store lists it, whatever the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

FRESH_SECONDS = 600
"""A file that is found again and is older than this is counted as written now; well below any vacuum's limit."""


@dataclass(frozen=True)
class StoredEntry:
    """A file in a table's folder.

    Args:
        path: relative to the table's folder.
        size_bytes: its size.
        modified: when it was last written, with its time zone.
    """

    path: str
    size_bytes: int
    modified: datetime
