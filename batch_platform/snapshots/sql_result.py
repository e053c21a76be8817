"""What a statement gives, however it was sent.

Belongs here: the value. Does not belong here: sending statements (`sql_session.py`, `sql_adbc.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from batch_platform.snapshots.sql_types import SqlColumn


@dataclass(frozen=True)
class Result:
    """What a statement gives: its columns in their order (names may repeat), and their values in batches.

    A batch's arrays are those of the columns, before anything is converted.
    """

    columns: tuple[tuple[str, SqlColumn], ...]
    batches: Iterator[pa.RecordBatch]
