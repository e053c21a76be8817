"""Rules that are queries over the finished partition: singular tests, tests of the project's own, later relationships.

Belongs here: running them on rows that are written and not committed. Does not belong here: what such a rule is
(`contracts/table_query.py`), and which table has it (`wider_rules.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from batch_platform.contracts.rules import Severity
from batch_platform.contracts.table_query import TableQuery
from batch_platform.errors import ConfigurationError, ContractError, first_line
from batch_platform.features.definition import FeatureTable
from batch_platform.features.sandbox import blame_files
from batch_platform.features.stored import OpenedInput
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.store import quote_identifier, relation
from batch_platform.lake.table import Table
from batch_platform.resources import Resources
from batch_platform.sql.binding import seen_by
from batch_platform.sql.names import without_end
from batch_platform.sql.walls import walled
from batch_platform.timelines import Reading

_BESIDE = "same partition"
"""The schema of tables that show the partition of the same key alone; no stage of the lake is called like this."""


def run_queries(
    features: FeatureTable,
    opened: Mapping[str, OpenedInput],
    table: Table,
    file: DataFile | None,
    key: str,
    resources: Resources,
    spill: Path,
) -> tuple[str, ...]:
    """Run the queries of a contract on the rows of one partition, which stand in a file that no commit names.

    Args:
        features: the feature table.
        opened: its inputs.
        table: the table whose folder holds the file.
        file: the rows; None for a view, whose query yields them.
        key: the partition.
        resources: what the queries may take.
        spill: the folder for rows that do not fit into memory; no other connection may use it.

    Returns:
        What those of severity `warn` found.

    Raises:
        ContractError: one of the others yields rows: naming each, and how many.
        ConfigurationError: one cannot be run: naming it, and its file.
        UnreadableError: a file of an input is damaged.
    """
    if not features.contract.queries:
        return ()
    place = f"{features.model.table}[{key}]" if key else features.model.table
    problems: dict[Severity, list[str]] = {severity: [] for severity in Severity}
    connection = walled(files=(), spill=spill, **resources.settings)
    what, where = "a test cannot be run", place
    try:
        beside = _show(connection, features, opened, table, file, key)
        for rule in features.contract.queries:
            what, where = f"the test {rule.name} cannot be run on {place}", rule.origin.place or place
            problem = rule.problem(_count(connection, rule, beside))
            if problem:
                problems[rule.severity].append(problem)
    except (duckdb.Error, pa.ArrowException) as error:
        others = [reading for reading in features.readings if reading.timeline.table != table.name]
        blame_files(error, ((opened[reading.timeline.table], reading.keys(key)) for reading in others))
        raise ConfigurationError(f"{what}: {first_line(error)}", where=where) from error
    finally:
        connection.close()
    if problems[Severity.ERROR]:
        told = f"the partition {'; '.join(problems[Severity.ERROR])}"
        raise ContractError(told, where=place, fix="correct the source, the SQL or the test")
    return tuple(problems[Severity.WARN])


def _show(
    connection: duckdb.DuckDBPyConnection,
    features: FeatureTable,
    opened: Mapping[str, OpenedInput],
    table: Table,
    file: DataFile | None,
    key: str,
) -> frozenset[str]:
    """Put into the connection what the queries may name; returns the tables that have a relation of one partition."""
    window = features.calendar.window(key) if features.calendar else None
    plain = window is None
    stages = {name.split("/")[0] for name in (*opened, *(view.table for view in features.views), table.name)}
    for stage in (*sorted(stages), _BESIDE):
        connection.execute(f"CREATE SCHEMA {quote_identifier(stage)}")
    moved = {rule.origin.moved_from for rule in features.contract.queries}
    beside = set()
    for reading in features.readings:
        name = reading.timeline.table
        if name == table.name:
            continue
        _register(connection, relation(name), opened[name].dataset(reading.keys(key)), plain=plain)
        if name in moved and _same_partition(features, reading, key):
            _register(connection, _of_one(name), opened[name].dataset([key]), plain=plain)
            beside.add(name)
    for view in (*features.views, *([features.model] if file is None else [])):
        text = without_end(view.compile(window))[0]
        connection.execute(f"CREATE VIEW {relation(view.table)} AS\n{text}")
    if file is not None:
        _register(connection, relation(table.name), _rows_of(table, file), plain=plain)
    return frozenset(beside)


def _count(connection: duckdb.DuckDBPyConnection, rule: TableQuery, beside: frozenset[str]) -> int:
    """How many rows a query yields; one that moved here sees of the table that declares it what that table tests."""
    own = rule.origin.moved_from

    def spelled(table: str) -> str:
        return _of_one(table) if table == own and table in beside else relation(table)

    found = connection.execute(f"SELECT count(*) FROM (\n{without_end(rule.sql(spelled))[0]}\n)").fetchone()
    return int(found[0]) if found else 0


def _same_partition(features: FeatureTable, reading: Reading, key: str) -> bool:
    """Whether an input's partition of this key is the same stretch of time, and may be read."""
    there, here = reading.timeline.calendar, features.calendar
    if there is None or here is None or (there.cadence, there.timezone) != (here.cadence, here.timezone):
        return False
    return key in reading.keys(key)


def _of_one(table: str) -> str:
    return f"{quote_identifier(_BESIDE)}.{quote_identifier(table)}"


def _register(connection: duckdb.DuckDBPyConnection, name: str, rows: ds.Dataset | pa.Table, *, plain: bool) -> None:
    """Make rows a relation; the tests of a table without partitions see none of the platform's columns."""
    connection.register(name, rows)
    columns = ", ".join(map(quote_identifier, seen_by(rows.schema, partitioned=not plain).names))
    connection.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM {quote_identifier(name)}")


def _rows_of(table: Table, file: DataFile) -> ds.Dataset | pa.Table:
    """A file's rows; of a local one as far as they are asked for."""
    if table.lake.is_local:
        return ds.dataset(f"{table.uri}/{file.path}", format="parquet", partitioning=None)
    with table.lake.open_input(table.name, file.path) as source:
        return pq.ParquetFile(source).read(use_threads=False)
