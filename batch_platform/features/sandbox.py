"""The DuckDB connection in which user SQL runs: it holds permitted rows and can reach nothing else.

Belongs here: the walls around user SQL, for one partition and for a range. Does not belong here: what a partition
may read (`inputs.py`), and whether a query may run over a range (`ranges.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.features.inputs import OpenedInput
from batch_platform.lake.store import quote_identifier
from batch_platform.partitions import PARTITION_COLUMN, Window
from batch_platform.sql.model import SqlModel
from batch_platform.sql.ranges import CALENDAR, END, KEY, START, first_and_last, macro_call, range_query
from batch_platform.sql.walls import walled
from batch_platform.timelines import Reading

# Moments are turned into UTC before Arrow sees them: with PYARROW_IGNORE_TIMEZONE set, which importing pandera does,
# Arrow takes the wall clock of any zone for UTC.
_UTC = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Answer:
    """What the query gave for one partition, and the stretch of each input's partitions that it was shown.

    `shown` is told by what stood before the query, not by what was permitted: table -> first and last partition;
    None where it held none, and for a table without partitions.
    """

    rows: pa.Table
    shown: Mapping[str, tuple[str, str] | None]


class Sandbox:
    """Runs one model's query, for one partition or for many at once.

    For one partition, rows of other partitions are not hidden from the query but absent. For a range they stand
    behind names that the query does not know. Files, the network and every setting are out of reach before the
    first query runs.
    """

    def __init__(self, model: SqlModel, readings: Sequence[Reading], opened: Mapping[str, OpenedInput]) -> None:
        self._model, self._readings, self._opened = model, readings, opened
        self._held: dict[str, dict[str, pa.Table]] = {}
        self._loaded: dict[str, list[str]] = {}
        self._hidden = {table: f"{table} {secrets.token_hex(8)}" for table in opened}
        self._connection = walled()
        for stage in sorted({table.split("/")[0] for table in opened}):
            self._connection.execute(f"CREATE SCHEMA {quote_identifier(stage)}")
        for table, input_table in opened.items():
            self._hold(table, {}, input_table.schema)
            relation = ".".join(quote_identifier(part) for part in table.split("/"))
            self._connection.execute(f"CREATE VIEW {relation} AS SELECT * FROM {quote_identifier(table)}")

    def close(self) -> None:
        """Let go of everything that is held."""
        self._connection.close()

    def query(self, key: str, window: Window) -> Answer:
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
            rows = self._connection.sql(statements[0]).to_arrow_table()
        except (duckdb.Error, pa.ArrowException) as error:
            raise ConfigurationError(
                f"the query fails for partition {key}: {first_line(error)}", where=model
            ) from error
        return Answer(rows, {reading.timeline.table: self._seen_alone(reading) for reading in self._readings})

    def query_range(self, windows: Mapping[str, Window]) -> dict[str, Answer] | None:
        """Run the model for many partitions in one pass: as a lateral subquery of their calendar.

        Returns:
            The answer for each partition; None if the query cannot run so, or fails for any partition: run each by
            itself then, which also tells which one it is.

        Raises:
            ConfigurationError: the template fails.
            LakeError: an input cannot be read.
        """
        query = range_query(self._model, windows.values())
        if query is None or not windows:
            return None
        calendar: dict[str, pa.Array] = {
            KEY: pa.array(windows, pa.string()),
            START: pa.array([w.start.astimezone(UTC) for w in windows.values()], _UTC),
            END: pa.array([w.end.astimezone(UTC) for w in windows.values()], _UTC),
        }
        for reading in self._readings:
            permitted = [reading.keys(key) for key in windows]
            self._reveal(reading, sorted({key for keys in permitted for key in keys}))
            for name, index in zip(first_and_last(reading.timeline.table), (0, -1), strict=True):
                calendar[name] = pa.array([keys[index] if keys else None for keys in permitted], pa.string())
        self._connection.register(CALENDAR, pa.table(calendar))
        try:
            rows = self._connection.sql(query).to_arrow_table()
            # By itself the query says how its columns are called: in a subquery two of one name get other names.
            first = self._connection.sql(self._model.compile(next(iter(windows.values()))))
            if first.columns != rows.column_names[1:]:
                return None
            shown = {reading.timeline.table: self._seen_in_range(reading, windows) for reading in self._readings}
        except (duckdb.Error, pa.ArrowException):
            return None
        finally:
            self._connection.unregister(CALENDAR)
            for reading in self._readings:
                self._conceal(reading.timeline.table)
        return {
            key: Answer(part, {table: seen[key] for table, seen in shown.items()})
            for key, part in _by_partition(rows, windows).items()
        }

    def _seen_alone(self, reading: Reading) -> tuple[str, str] | None:
        """The stretch of an input's partitions that its relation holds: those put there and those in its rows."""
        table = reading.timeline.table
        if reading.timeline.calendar is None:
            return None
        relation = quote_identifier(table)
        found = self._connection.execute(f"SELECT DISTINCT {PARTITION_COLUMN} FROM {relation}").fetchall()
        return _ends([*self._held[table], *(key for (key,) in found)])

    def _seen_in_range(self, reading: Reading, keys: Iterable[str]) -> dict[str, tuple[str, str] | None]:
        """For each partition the stretch of an input's partitions that it was shown.

        Asked of the same calendar and the same macro as the model's query; a partition without rows counts as shown
        where it was loaded and lies within the calendar's stretch.
        """
        table = reading.timeline.table
        if reading.timeline.calendar is None:
            return dict.fromkeys(keys)
        first, last = (quote_identifier(name) for name in first_and_last(table))
        loaded = pa.table({"loaded_key": pa.array(self._loaded[table], pa.string())})
        self._connection.register("loaded", loaded)
        found = self._connection.execute(
            f"SELECT {quote_identifier(KEY)}, loaded_key FROM {CALENDAR}, loaded "
            f"WHERE loaded_key BETWEEN {first} AND {last} UNION "
            f"SELECT {quote_identifier(KEY)}, {PARTITION_COLUMN} FROM {CALENDAR}, LATERAL ("
            f"SELECT DISTINCT {PARTITION_COLUMN} FROM {macro_call(table)})"
        ).fetchall()
        self._connection.unregister("loaded")
        seen: dict[str, list[str]] = {key: [] for key in keys}
        for key, partition in found:
            seen[key].append(partition)
        return {key: _ends(partitions) for key, partitions in seen.items()}

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
        self._loaded[table] = list(keys)
        macro = ".".join(quote_identifier(part) for part in table.split("/"))
        only = f"WHERE {PARTITION_COLUMN} BETWEEN first_key AND last_key" if reading.timeline.calendar else ""
        self._connection.execute(
            f"CREATE OR REPLACE MACRO {macro}(first_key, last_key) AS TABLE SELECT * FROM {hidden} {only}"
        )

    def _conceal(self, table: str) -> None:
        """Take an input's loaded partitions away: a query for one partition that follows must not find them."""
        macro = ".".join(quote_identifier(part) for part in table.split("/"))
        self._connection.execute(f"DROP MACRO TABLE {macro}; DROP TABLE {quote_identifier(self._hidden[table])}")


def _ends(keys: Iterable[str]) -> tuple[str, str] | None:
    known = sorted(keys)
    return (known[0], known[-1]) if known else None


def _by_partition(rows: pa.Table, keys: Mapping[str, Window]) -> dict[str, pa.Table]:
    """Rows in the order of their keys, cut where the key changes; a partition without rows has none."""
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(rows.column(0)).to_pylist()}
    plain = rows.remove_column(0)
    found, start = {}, 0
    for key in sorted(keys):
        found[key] = plain.slice(start, counts.get(key, 0))
        start += counts.get(key, 0)
    return found
