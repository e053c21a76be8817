"""Rules that are queries over the finished partition: singular tests, tests of the project's own, later relationships.

Belongs here: running them on rows that are written and not committed. Does not belong here: what such a rule is
(`contracts/table_query.py`), and which table has it (`wider_rules.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from batch_platform.contracts.rules import Severity
from batch_platform.errors import ConfigurationError, ContractError, first_line
from batch_platform.features.definition import FeatureTable
from batch_platform.features.stored import OpenedInput
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import quote_identifier, relation
from batch_platform.lake.table import Table
from batch_platform.sql.names import without_end
from batch_platform.sql.walls import walled
from batch_platform.timelines import Reading


def run_queries(
    features: FeatureTable, opened: Mapping[str, OpenedInput], table: Table, file: DataFile | None, key: str
) -> tuple[str, ...]:
    """Run the queries of a contract on the rows of one partition, which stand in a file that no commit names.

    Args:
        features: the feature table.
        opened: its inputs.
        table: its table in the lake.
        file: the rows; None for a view, whose query yields them.
        key: the partition.

    Returns:
        What those of severity `warn` found.

    Raises:
        ContractError: one of the others yields rows: naming each, and how many.
        ConfigurationError: one cannot be run.
    """
    if not features.contract.queries:
        return ()
    window = features.calendar.window(key) if features.calendar else None
    place = f"{features.model.table}[{key}]" if key else features.model.table
    problems: dict[Severity, list[str]] = {severity: [] for severity in Severity}
    connection = walled()
    try:
        stages = {name.split("/")[0] for name in (*opened, *(view.table for view in features.views), table.name)}
        for stage in sorted(stages):
            connection.execute(f"CREATE SCHEMA {quote_identifier(stage)}")
        for reading in features.readings:
            name = reading.timeline.table
            if name != table.name:
                _register(connection, name, opened[name].dataset(_beside(reading, key)), plain=window is None)
        for view in (*features.views, *([features.model] if file is None else [])):
            text = without_end(view.compile(window))[0]
            connection.execute(f"CREATE VIEW {relation(view.table)} AS\n{text}")
        if file is not None:
            _register(connection, table.name, _rows_of(table, file), plain=window is None)
        for rule in features.contract.queries:
            counted = f"SELECT count(*) FROM (\n{without_end(rule.sql())[0]}\n)"
            found = connection.execute(counted).fetchone()
            problem = rule.problem(int(found[0]) if found else 0)
            if problem:
                problems[rule.severity].append(problem)
    except (duckdb.Error, pa.ArrowException) as error:
        raise ConfigurationError(f"a test cannot be run: {first_line(error)}", where=place) from error
    finally:
        connection.close()
    if problems[Severity.ERROR]:
        what = f"the partition {'; '.join(problems[Severity.ERROR])}"
        raise ContractError(what, where=place, fix="correct the source, the SQL or the test")
    return tuple(problems[Severity.WARN])


def _beside(reading: Reading, key: str) -> list[str]:
    """What a test sees of another table: the partition of the same key, where the two have one; else what SQL sees."""
    keys = reading.keys(key)
    return [key] if key in keys else keys


def _register(connection: duckdb.DuckDBPyConnection, table: str, rows: ds.Dataset | pa.Table, *, plain: bool) -> None:
    """Make a table's rows a relation; the tests of a table without partitions see none of the platform's columns."""
    connection.register(table, rows)
    kept = [name for name in rows.schema.names if not plain or name not in (SOURCE_FILE, SOURCE_ROW)]
    columns = ", ".join(quote_identifier(name) for name in kept)
    connection.execute(f"CREATE VIEW {relation(table)} AS SELECT {columns} FROM {quote_identifier(table)}")


def _rows_of(table: Table, file: DataFile) -> ds.Dataset | pa.Table:
    """A file's rows; of a local one as far as they are asked for."""
    if table.lake.is_local:
        return ds.dataset(f"{table.uri}/{file.path}", format="parquet", partitioning=None)
    with table.lake.open_input(table.name, file.path) as source:
        return pq.ParquetFile(source).read(use_threads=False)
