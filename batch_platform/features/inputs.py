"""What a partition of a feature table may read, and the DuckDB connection in which it reads it.

Belongs here: the inputs' records and rows, and the walls around user SQL. Does not belong here: the meaning of the
SQL (`sql.py`), and what becomes of the rows that it yields (`build.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from batch_platform.errors import ConfigurationError, ContractError, LakeError, first_line
from batch_platform.lake.digest import combine
from batch_platform.lake.log import Recorded, newest_records
from batch_platform.lake.provenance import WHOLE_TABLE, InputRead
from batch_platform.lake.store import Lake, quote_identifier
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.timelines import Reading


class Inputs:
    """The inputs of some partitions. Each table is opened once, so records and rows are of one version.

    Args:
        readings: for each input, the stretch of its partitions that a partition may see.
        keys: the partitions that will be built, in their calendar.

    Raises:
        LakeError: an input cannot be opened.
    """

    def __init__(self, readings: Sequence[Reading], lake: Lake, keys: Iterable[str]) -> None:
        self.readings = readings
        self._opened: dict[str, _Opened] = {}
        keys = list(keys)
        for reading in readings:
            table = Table(lake, reading.timeline.table)
            opened = _open(table, {wanted for own in keys for wanted in reading.keys(own)})
            if opened is not None:
                self._opened[table.name] = opened

    def refuse_missing(self, key: str, reader: str) -> None:
        """A partition computed without an input that should exist would differ silently from a later rerun.

        Raises:
            ContractError: naming the first input that the partition `key` of the table `reader` lacks.
        """
        for reading in self.readings:
            table = reading.timeline.table
            opened = self._opened.get(table)
            missing = [] if opened is None else [own for own in reading.keys(key) if own not in opened.records]
            if opened is not None and not missing:
                continue
            named = f"partition {missing[0]}" if missing and missing[0] else "the table"
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ContractError(
                f"the input {table} lacks {named}{more}", where=f"{reader}[{key}]", fix="materialize it first"
            )

    def reads(self, key: str) -> dict[str, InputRead]:
        """What the partition reads of each input, for its provenance; an input it sees nothing of is left out."""
        found = {}
        for reading in self.readings:
            table, keys = reading.timeline.table, reading.keys(key)
            recorded = [self._opened[table].records[own] for own in keys]
            if recorded:
                found[table] = InputRead(
                    version=max(item.version for item in recorded),
                    digest=combine(item.record.digest for item in recorded),
                    partitions=(keys[0], keys[-1]) if keys[0] else None,
                )
        return found

    @contextmanager
    def sandbox(self) -> Iterator[Sandbox]:
        """A sandbox over these inputs; it ends with the context."""
        connection = duckdb.connect()
        try:
            yield Sandbox(connection, self.readings, self._opened)
        finally:
            connection.close()


class Sandbox:
    """A DuckDB connection that holds what one partition may read, and can reach nothing else.

    Rows of other partitions are not hidden from a query but absent: under no name can it find them. Files, the
    network and every setting are out of reach before the first query runs.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, readings: Sequence[Reading], opened: Mapping[str, _Opened]
    ) -> None:
        self._connection, self._readings, self._opened = connection, readings, opened
        self._held: dict[str, dict[str, pa.Table]] = {}
        connection.execute("SET TimeZone = 'UTC'")
        for stage in sorted({table.split("/")[0] for table in opened}):
            connection.execute(f"CREATE SCHEMA {quote_identifier(stage)}")
        for table, input_table in opened.items():
            self._hold(table, {}, input_table.schema)
            relation = ".".join(quote_identifier(part) for part in table.split("/"))
            connection.execute(f"CREATE VIEW {relation} AS SELECT * FROM {quote_identifier(table)}")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")

    def query(self, key: str, sql: str, model: str) -> pa.Table:
        """Run one SELECT for the partition `key`, over its permitted partitions.

        Args:
            model: the file that the SQL comes from, to be named in errors.

        Raises:
            ConfigurationError: the SQL is not one SELECT, fails, or reaches for what is not there.
            LakeError: an input cannot be read.
        """
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

    def _show(self, reading: Reading, key: str) -> None:
        """Replace what an input's relation holds, keeping in memory what the previous partition read, too."""
        table, wanted = reading.timeline.table, reading.keys(key)
        held, opened = self._held[table], self._opened[table]
        if list(held) != wanted:
            self._hold(table, {own: held[own] if own in held else opened.read(own) for own in wanted}, opened.schema)

    def _hold(self, table: str, partitions: dict[str, pa.Table], schema: pa.Schema) -> None:
        self._held[table] = partitions
        self._connection.register(table, pa.concat_tables([schema.empty_table(), *partitions.values()]))


@dataclass(frozen=True)
class _Opened:
    """One input at one version: of each wanted partition its newest record and its files."""

    name: str
    records: Mapping[str, Recorded]
    dataset: ds.FileSystemDataset
    fragments: Mapping[str, list[ds.Fragment]]

    @property
    def schema(self) -> pa.Schema:
        return self.dataset.schema

    def read(self, partition: str) -> pa.Table:
        """The rows of one partition.

        Raises:
            LakeError: a file is missing or damaged.
        """
        whole = self.dataset
        part = ds.FileSystemDataset(self.fragments[partition], whole.schema, whole.format, whole.filesystem)
        try:
            return part.to_table()
        except (OSError, pa.ArrowException) as error:
            place = f"{self.name}[{partition}]" if partition else self.name
            raise LakeError(f"cannot be read: {first_line(error)}", where=place, fix="materialize it again") from error


def _open(table: Table, wanted: set[str]) -> _Opened | None:
    """The input, None where it was never committed."""
    delta = table.open()
    if delta is None:
        return None
    chosen = [(PARTITION_COLUMN, "in", sorted(wanted))] if wanted - {WHOLE_TABLE} else None
    dataset = delta.to_pyarrow_dataset(partitions=chosen)
    fragments: dict[str, list[ds.Fragment]] = {}
    for fragment in dataset.get_fragments():
        key = ds.get_partition_keys(fragment.partition_expression).get(PARTITION_COLUMN, WHOLE_TABLE)
        fragments.setdefault(key, []).append(fragment)
    return _Opened(table.name, newest_records(delta, wanted), dataset, fragments)
