"""The DuckDB connection in which user SQL runs: it holds permitted rows and can reach nothing else.

Belongs here: the walls around user SQL, for one partition and for a range. Does not belong here: what a partition
may read (`inputs.py`), and whether a query may run over a range (`ranges.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.features.inputs import OpenedInput
from batch_platform.features.sql import CALENDAR, SqlModel
from batch_platform.lake.store import quote_identifier
from batch_platform.partitions import PARTITION_COLUMN, Window
from batch_platform.timelines import Reading

_KEY = "calendar:key"


class Sandbox:
    """Runs one model's query, for one partition or for many at once.

    For one partition, rows of other partitions are not hidden from the query but absent. For a range they stand
    behind names that the query does not know. Files, the network and every setting are out of reach before the
    first query runs.
    """

    def __init__(self, model: SqlModel, readings: Sequence[Reading], opened: Mapping[str, OpenedInput]) -> None:
        self._model, self._readings, self._opened = model, readings, opened
        self._held: dict[str, dict[str, pa.Table]] = {}
        self._hidden = {table: f"{table} {secrets.token_hex(8)}" for table in opened}
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        for stage in sorted({table.split("/")[0] for table in opened}):
            self._connection.execute(f"CREATE SCHEMA {quote_identifier(stage)}")
        for table, input_table in opened.items():
            self._hold(table, {}, input_table.schema)
            relation = ".".join(quote_identifier(part) for part in table.split("/"))
            self._connection.execute(f"CREATE VIEW {relation} AS SELECT * FROM {quote_identifier(table)}")
        self._connection.execute("SET enable_external_access = false; SET lock_configuration = true")

    def close(self) -> None:
        """Let go of everything that is held."""
        self._connection.close()

    def query(self, key: str, window: Window) -> pa.Table:
        """Run the model for the partition `key`.

        Raises:
            ConfigurationError: the SQL is not one SELECT, fails, or reaches for what is not there.
            LakeError: an input cannot be read.
        """
        sql, model = self._model.compile(window), str(self._model.path)
        for reading in self._readings:
            self._show(reading, key)
        try:
            statements = self._connection.extract_statements(sql)
            # Other statements could change what the next partition's query sees.
            if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
                raise ConfigurationError("the model is not one SELECT statement", where=model, fix="write one query")
            return self._connection.sql(statements[0]).to_arrow_table()
        except (duckdb.Error, pa.ArrowException) as error:
            raise ConfigurationError(
                f"the query fails for partition {key}: {first_line(error)}", where=model
            ) from error

    def query_range(self, windows: Mapping[str, Window]) -> dict[str, pa.Table] | None:
        """Run the model for many partitions in one pass: as a lateral subquery of their calendar.

        Returns:
            The rows of each partition; None if the query cannot run so, or fails for any partition: run each by
            itself then, which also tells which one it is.

        Raises:
            LakeError: an input cannot be read.
        """
        calendar: dict[str, pa.Array] = {
            _KEY: pa.array(windows, pa.string()),
            "calendar:window_start": pa.array([w.start for w in windows.values()], pa.timestamp("us", "UTC")),
            "calendar:window_end": pa.array([w.end for w in windows.values()], pa.timestamp("us", "UTC")),
        }
        for reading in self._readings:
            permitted = [reading.keys(key) for key in windows]
            self._reveal(reading, sorted({key for keys in permitted for key in keys}))
            for end, index in (("first", 0), ("last", -1)):
                ends = [keys[index] if keys else None for keys in permitted]
                calendar[f"calendar:{end}:{reading.timeline.table}"] = pa.array(ends, pa.string())
        self._connection.register(CALENDAR, pa.table(calendar))
        query = self._model.compile_range().strip().rstrip(";")
        key = f"{CALENDAR}.{quote_identifier(_KEY)}"
        try:
            rows = self._connection.sql(
                f"SELECT {key} AS {quote_identifier(_KEY)}, model.* "
                f"FROM {CALENDAR}, LATERAL (\n{query}\n) AS model ORDER BY {key}"
            ).to_arrow_table()
        except (duckdb.Error, pa.ArrowException):
            return None
        finally:
            self._connection.unregister(CALENDAR)
        return _by_partition(rows, windows)

    def _show(self, reading: Reading, key: str) -> None:
        """Replace what an input's relation holds, keeping in memory what the previous partition read, too."""
        table, wanted = reading.timeline.table, reading.keys(key)
        held, opened = self._held[table], self._opened[table]
        if list(held) != wanted:
            self._hold(table, {own: held[own] if own in held else opened.read(own) for own in wanted}, opened.schema)

    def _hold(self, table: str, partitions: dict[str, pa.Table], schema: pa.Schema) -> None:
        self._held[table] = partitions
        self._connection.register(table, pa.concat_tables([schema.empty_table(), *partitions.values()]))

    def _reveal(self, reading: Reading, keys: Sequence[str]) -> None:
        """Load an input's partitions behind a name of chance, and a macro that shows a stretch of them."""
        table = reading.timeline.table
        opened, hidden = self._opened[table], quote_identifier(self._hidden[table])
        rows = pa.concat_tables([opened.schema.empty_table(), *(opened.read(key) for key in keys)])
        self._connection.register("arriving", rows)
        self._connection.execute(f"CREATE OR REPLACE TABLE {hidden} AS SELECT * FROM arriving")
        self._connection.unregister("arriving")
        macro = ".".join(quote_identifier(part) for part in table.split("/"))
        only = f"WHERE {PARTITION_COLUMN} BETWEEN first_key AND last_key" if reading.timeline.calendar else ""
        self._connection.execute(
            f"CREATE OR REPLACE MACRO {macro}(first_key, last_key) AS TABLE SELECT * FROM {hidden} {only}"
        )


def _by_partition(rows: pa.Table, keys: Mapping[str, Window]) -> dict[str, pa.Table]:
    """Rows in the order of their keys, cut where the key changes; a partition without rows has none."""
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(rows.column(0)).to_pylist()}
    plain = rows.drop_columns([_KEY])
    found, start = {}, 0
    for key in sorted(keys):
        found[key] = plain.slice(start, counts.get(key, 0))
        start += counts.get(key, 0)
    return found
