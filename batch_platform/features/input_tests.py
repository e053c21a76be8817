"""Tests that property files declare on sources and seeds, which no model's SQL makes.

A seed is judged when it is captured; a source, before the first model that reads it, on the rows that this model may
see. What breaks a test of severity `error` stops the seed, or the model: such rows have no quarantine.

Belongs here: finding these tests and judging rows by them. Does not belong here: the tests of models (`builder.py`).
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import yaml

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.schema_yml import contract_of
from batch_platform.contracts.set_rules import Relationship
from batch_platform.contracts.validation import validate
from batch_platform.errors import ConfigurationError, ContractError
from batch_platform.features.binding import surroundings
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.sql.project import Project
from batch_platform.sql.properties import Entry

_TESTS = ("tests", "data_tests", "constraints")
_JUDGED = ("name", "columns", *_TESTS)


def declared_tests(project: Project, entry: Entry | None, table: str, columns: pa.Schema | None) -> Contract | None:
    """What a property file demands of the rows of a source or seed; None where it demands nothing.

    Args:
        project: whose property files they are.
        entry: what they say of the table.
        table: the table in the lake.
        columns: its columns; None where they are not known before it is read.

    Raises:
        ConfigurationError: `file:line: what`, where a test means nothing or reads another table.
    """
    if entry is None:
        return None
    assert isinstance(entry.node, yaml.MappingNode)
    kept = [pair for pair in entry.node.value if pair[0].value in _JUDGED]
    if not any(name in _names(entry.node) for name in _TESTS):
        return None
    if columns is None:
        raise ConfigurationError(
            f"has tests, but the columns of {table} are not known", where=entry.where, fix="add source.columns to it"
        )
    node = yaml.MappingNode(entry.node.tag, kept, entry.node.start_mark, entry.node.end_mark)
    own = pa.schema([field for field in columns if field.name not in (SOURCE_FILE, SOURCE_ROW, PARTITION_COLUMN)])
    around = surroundings(project, table.split("/")[0])
    contract = contract_of(Entry(entry.name, entry.document, node), own, surroundings=around, partitioned=False)
    if contract.queries or any(isinstance(rule, Relationship) for rule in contract.row_rules):
        raise ConfigurationError(
            f"relationships and the project's own tests do not run on {table}, which is no model",
            where=entry.where,
            fix="declare the test on a model that reads it",
        )
    return contract if contract.row_rules or contract.table_rules else None


def _names(node: yaml.Node) -> set[str]:
    """Every key in a node and those below it."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value) for key, _ in node.value}.union(*(_names(value) for _, value in node.value))
    return set[str]().union(*map(_names, node.value)) if isinstance(node, yaml.SequenceNode) else set()


def refuse_broken(rows: pa.Table, contract: Contract, table: str) -> None:
    """Stop where rows break a test.

    Args:
        rows: the table's rows, with or without their positions.
        contract: what is demanded of them.
        table: the table in the lake, and its partitions.

    Raises:
        ContractError: naming the rules and how many rows break each.
    """
    names = [column.name for column in contract.columns]
    frame = pl.DataFrame(pl.from_arrow(rows.select(names)))
    placed = frame.with_columns(pl.lit(None, pl.String).alias(SOURCE_FILE), pl.lit(None, pl.Int64).alias(SOURCE_ROW))
    verdict = validate(placed, contract)
    if verdict.rejected.height:
        rules = ", ".join(f"{name}: {count}" for name, count in sorted(verdict.broken.items()))
        raise ContractError(
            f"{verdict.rejected.height} of {frame.height} rows break its tests ({rules})",
            where=table,
            fix=f"correct the source or {contract.path}",
        )
