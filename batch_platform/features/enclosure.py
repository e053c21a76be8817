"""A walled connection and what stands in it: the inputs' relations, the views between them, a range's calendar.

Belongs here: putting them there and taking them away. Does not belong here: which of them a query may see, and running
it (`sandbox.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC
from pathlib import Path

import duckdb
import pyarrow as pa

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.features.relations import ArrowRelation, FileRelation, Relation
from batch_platform.features.stored import OpenedInput
from batch_platform.lake.store import quote_identifier, relation
from batch_platform.partitions import Window
from batch_platform.resources import Resources
from batch_platform.sql.model import SqlModel
from batch_platform.sql.names import without_end
from batch_platform.sql.ranges import CALENDAR, END, NUMBER, START
from batch_platform.sql.walls import one_select, walled

# Moments are turned into UTC before Arrow sees them: with PYARROW_IGNORE_TIMEZONE set, which importing pandera does,
# Arrow takes the wall clock of any zone for UTC.
_UTC = pa.timestamp("us", "UTC")


class Enclosure:
    """A connection with the relations of some inputs, which show nothing as yet.

    Args:
        opened: the inputs.
        views: the models that are not stored.
        files: whether DuckDB may open the inputs' files; no others in any case.
        resources: what a query may take.
        spill: the folder for rows that do not fit into memory.
        plain: whether the reader is a table without partitions, which sees the inputs' own columns alone.
    """

    def __init__(
        self,
        opened: Mapping[str, OpenedInput],
        views: Sequence[SqlModel],
        files: bool,
        resources: Resources,
        spill: Path | None,
        plain: bool,
    ) -> None:
        allowed = [Path(item.table.uri) / file.path for item in opened.values() for file in item.all] if files else []
        self.connection = walled(files=allowed, spill=spill, **resources.settings)
        for stage in sorted({table.split("/")[0] for table in (*opened, *(view.table for view in views))}):
            self.connection.execute(f"CREATE SCHEMA {quote_identifier(stage)}")
        kind: Callable[[duckdb.DuckDBPyConnection, OpenedInput, bool], Relation]
        kind = FileRelation if files else ArrowRelation
        self.relations = {table: kind(self.connection, item, plain) for table, item in opened.items()}

    def create_view(self, view: SqlModel, sql: str) -> pa.Schema:
        """Make a view of a model that is not stored; returns its columns.

        Raises:
            ConfigurationError: its query fails, or is not one SELECT.
        """
        try:
            text = without_end(one_select(self.connection, sql, str(view.path)).query)[0]
            self.connection.execute(f"CREATE OR REPLACE VIEW {relation(view.table)} AS\n{text}")
            found = self.connection.sql(f"SELECT * FROM {relation(view.table)} LIMIT 0").to_arrow_table()
        except duckdb.Error as error:
            raise ConfigurationError(f"the query fails: {first_line(error)}", where=str(view.path)) from error
        return found.schema

    def prepare(self, windows: Sequence[Window], macros: Iterable[str]) -> None:
        """Put the calendar of a range into the connection, and the macros of its views."""
        calendar = {
            NUMBER: pa.array(range(len(windows)), pa.int32()),
            START: pa.array([window.start.astimezone(UTC) for window in windows], _UTC),
            END: pa.array([window.end.astimezone(UTC) for window in windows], _UTC),
        }
        self.connection.register(CALENDAR, pa.table(calendar))
        for macro in macros:
            self.connection.execute(macro)

    def conceal(self, views: Iterable[SqlModel]) -> None:
        """Take away what a range put here: a query for one partition that follows must not find it."""
        self.connection.unregister(CALENDAR)
        for view in views:
            self.connection.execute(f"DROP MACRO TABLE IF EXISTS {relation(view.table)}")
        for item in self.relations.values():
            item.conceal()
