"""Trying a model's query on no rows when definitions load: a wrong name is told in seconds, not at night.

Belongs here: binding a query to the columns that its inputs will have, and its result to the contract's columns.
Does not belong here: running it (`sandbox.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import duckdb
import pyarrow as pa

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.features.contract import SOURCE_FILE, SOURCE_ROW, Contract
from batch_platform.features.sql import SqlModel
from batch_platform.features.walls import walled
from batch_platform.lake.store import quote_identifier
from batch_platform.partitions import PARTITION_COLUMN

POSITION = {SOURCE_FILE: pa.string(), SOURCE_ROW: pa.int64()}
"""The columns that every input has beside its own: where a row stood in its source."""


def bind(model: SqlModel, inputs: Mapping[str, pa.Schema], contract: Contract) -> None:
    """Bind a model's query to its inputs, without rows.

    Args:
        model: the model.
        inputs: the columns of each table that it reads.
        contract: the columns that it must yield.

    Raises:
        ConfigurationError: the query cannot be bound, as `file:line: what` where DuckDB names the line; or it yields
            other columns than the contract declares.
    """
    connection = walled()
    try:
        for table, schema in inputs.items():
            stage, name = (quote_identifier(part) for part in table.split("/"))
            connection.register("arriving", schema.empty_table())
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {stage}")
            connection.execute(f"CREATE TABLE {stage}.{name} AS SELECT * FROM arriving")
        found = connection.sql(model.compile(None)).columns
    except duckdb.Error as error:
        raise _refused(str(model.path), error) from None
    finally:
        connection.close()
    declared = [*(column.name for column in contract.columns), *POSITION]
    differences = [
        f"{label} {', '.join(names)}"
        for label, names in (
            ("missing", [name for name in declared if name not in found]),
            ("undeclared", [name for name in found if name not in declared]),
        )
        if names
    ]
    if differences:
        raise ConfigurationError(
            f"its columns differ from the contract: {'; '.join(differences)}",
            where=str(model.path),
            fix=f"correct the SQL or {contract.path}",
        )


def bind_condition(sql: str, columns: pa.Schema, what: str) -> None:
    """Bind a condition to the columns of the table that it is about, without rows.

    Args:
        sql: the condition.
        columns: the table's columns.
        what: the field that declares it.

    Raises:
        ConfigurationError: it cannot be bound.
    """
    connection = walled()
    try:
        connection.register("rows", columns.empty_table())
        connection.sql(f"SELECT CAST(({sql}) AS BOOLEAN) FROM rows")
    except duckdb.Error as error:
        raise _refused(what, error) from None
    finally:
        connection.close()


def input_schema(columns: Mapping[str, pa.DataType], partitioned: bool) -> pa.Schema:
    """What a query sees of a table: its own columns, each row's position, and the partition's key if it has one."""
    key = {PARTITION_COLUMN: pa.string()} if partitioned else {}
    return pa.schema(list({**columns, **POSITION, **key}.items()))


def _refused(place: str, error: duckdb.Error) -> ConfigurationError:
    line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
    near = re.search(r"^(Candidate bindings|Did you mean)[: ]+(.*)$", str(error), re.MULTILINE)
    where = f"{place}:{line[1]}" if line else place
    return ConfigurationError(
        first_line(error), where=where, fix=f"did you mean {near[2].rstrip('?')}?" if near else ""
    )
