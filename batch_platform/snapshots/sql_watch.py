"""Watching a table of a SQL database: how many rows each partition has, and the greatest watermark among them.

One query tells it for all partitions. A row that is changed and keeps its watermark, or one that takes the place of
another with an earlier watermark, is not seen. Where either of the two differs, the partition is read.

Belongs here: one look. Does not belong here: reading rows (`sql_source.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError

from batch_platform.errors import SourceError
from batch_platform.partitions import Window
from batch_platform.schedules.watching import Glimpse, Windows
from batch_platform.snapshots.declared_sources import DatabaseSource
from batch_platform.snapshots.recorded_files import recorded
from batch_platform.snapshots.sql_session import connection
from batch_platform.snapshots.sql_source import SqlSource, opened
from batch_platform.snapshots.sql_statements import within
from batch_platform.snapshots.sql_types import column_of
from batch_platform.snapshots.watermark import bounds


class SqlWatch:
    """Looks at the table of a source that declares a watermark; see `schedules.watching.Watch`.

    Args:
        source: the source.
        empty_allowed: whether a partition without rows is complete as it is.
    """

    def __init__(self, source: SqlSource, empty_allowed: bool) -> None:
        self._source, self._empty_allowed = source, empty_allowed

    def glimpse(self, windows: Windows, ahead: Windows) -> Mapping[str, Glimpse]:
        """Count and greatest watermark of each partition; see `Watch.glimpse`."""
        known = {key: window for key, window in {**windows, **ahead}.items() if window is not None}
        with opened(self._source.declared) as engine, connection(engine) as looking:
            rows = looking.execute(_counts(self._source.declared, looking, known)).all()
            found = {key: Glimpse(f"{count}:{greatest}", count) for key, count, greatest in rows}
        if self._empty_allowed:
            found = {key: Glimpse("0") for key in windows} | found
        return found

    def contents(self, key: str, window: Window | None) -> Mapping[str, str] | None:
        """What a capture would record of the rows; see `Watch.contents`."""
        return recorded(self._source, key, window, self._empty_allowed)


def _counts(
    declared: DatabaseSource, looking: sa.Connection, windows: Mapping[str, Window]
) -> sa.Select[tuple[str, int, Any]]:
    """Partition, count and greatest watermark of those windows in which the table has rows."""
    schema, _, name = (declared.table or "").rpartition(".")
    try:
        table = sa.Table(name, sa.MetaData(), schema=schema or None, autoload_with=looking, resolve_fks=False)
        mark = table.columns[declared.watermark or ""]
    except (NoSuchTableError, KeyError):
        raise SourceError(
            "there is no such table or view, or it lacks the watermark", where=declared.origin, fix="check both names"
        ) from None
    dialect = looking.dialect.name
    kind = column_of(mark.type, dialect).kind
    limits = {key: bounds(kind, window, declared.zone, declared.origin) for key, window in windows.items()}
    key_of = sa.case(*((within(mark, start, end, dialect), sa.literal(key)) for key, (start, end) in limits.items()))
    inside = sa.or_(*(within(mark, start, end, dialect) for start, end in _merged(limits.values())))
    numbered = sa.select(key_of.label("partition"), mark.label("mark")).where(inside).subquery()
    greatest = sa.func.max(sa.cast(numbered.c.mark, sa.Text) if dialect == "sqlite" else numbered.c.mark)
    return sa.select(numbered.c.partition, sa.func.count(), greatest).group_by(numbered.c.partition)


def _merged(limits: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Stretches of time that follow one another, as one: fewer ranges for the database's index."""
    found: list[tuple[Any, Any]] = []
    for start, end in sorted(limits):
        if found and found[-1][1] >= start:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
