"""Unit tests of SQL models as data: rows given, rows expected, and the model's query run on them behind the walls.

A case is a folder `<model>/<case>/` with `given.yaml`, `expect.yaml` and, where there is more to say, `case.yaml`.

Belongs here: finding cases and running them. Does not belong here: how rows are held against each other
(`row_differences.py`), what a case says (`unit_case.py`), or where the models come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.lake.store import quote_identifier, relation
from batch_platform.partitions import Calendar
from batch_platform.sql.binding import input_schema
from batch_platform.sql.case_rows import typed
from batch_platform.sql.model import SqlModel
from batch_platform.sql.names import without_end
from batch_platform.sql.order_proof import order_proof
from batch_platform.sql.row_differences import Expected, differences
from batch_platform.sql.seeds import Seed, seed_schema
from batch_platform.sql.unit_case import CASE, EXPECT, GIVEN, Case, Subject, load_case
from batch_platform.sql.walls import one_select, walled
from batch_platform.timelines import Reading


class Column(Protocol):
    """A column of a contract, as far as a test must know it."""

    @property
    def name(self) -> str: ...

    @property
    def arrow_type(self) -> pa.DataType: ...


class Contract(Protocol):
    """A table's contract, as far as a test must know it."""

    @property
    def columns(self) -> Sequence[Column]: ...


class Tested(Protocol):
    """A feature table, as far as a test must know it."""

    @property
    def model(self) -> SqlModel: ...

    @property
    def contract(self) -> Contract: ...

    @property
    def calendar(self) -> Calendar | None: ...

    @property
    def readings(self) -> Sequence[Reading]: ...

    @property
    def views(self) -> Sequence[SqlModel]: ...


def subjects(
    tables: Iterable[Tested], snapshots: Mapping[str, Mapping[str, pa.DataType]], seeds: Iterable[Seed] = ()
) -> dict[str, Subject]:
    """The models of a project, by name.

    Args:
        tables: its models as feature tables, views and ephemeral models among them.
        snapshots: the columns of its snapshots, by table.
        seeds: its seeds; a file is read for its columns.
    """
    tables = list(tables)
    own = {t.model.table: {column.name: column.arrow_type for column in t.contract.columns} for t in tables}
    schemas = {seed.table: seed_schema(seed) for seed in seeds}
    columns = {**snapshots, **{name: dict(zip(s.names, s.types, strict=True)) for name, s in schemas.items()}, **own}
    found = {}
    for table in tables:
        calendars = {reading.timeline.table: reading.timeline.calendar for reading in table.readings}
        calendars |= {view.table: None for view in table.views}
        seen = {
            name: _seen_by(table, name, columns[name], calendar)
            for name, calendar in calendars.items()
            if name in columns
        }
        found[table.model.name] = Subject(table.model, table.calendar, tuple(table.readings), seen, tuple(table.views))
    return found


def _seen_by(reader: Tested, name: str, columns: Mapping[str, pa.DataType], calendar: Calendar | None) -> pa.Schema:
    """The columns of an input; a model without partitions sees no position of a row, as it sees none in dbt."""
    has_positions = calendar is not None or name.startswith("snapshots/")
    if reader.calendar is None or not has_positions:
        return pa.schema(list(columns.items()))
    return input_schema(columns, partitioned=calendar is not None)


def case_folders(root: Path) -> list[Path]:
    """The folders below `root` that hold a case: `<model>/<case>/` with any of the three files."""
    names = (GIVEN, EXPECT, CASE)
    return sorted({path.parent for path in root.glob("*/*/*.yaml") if path.name in names})


def check(folder: Path, known: Mapping[str, Subject]) -> None:
    """Run one case.

    Raises:
        AssertionError: the model yields other rows than expected; the text names each difference.
        ConfigurationError: the case or the model's SQL cannot mean what it says, as `file:line: what`.
    """
    if folder.parent.name not in known:
        raise ConfigurationError(
            f"there is no model {folder.parent.name!r} to test",
            where=str(folder.parent),
            fix=f"name the folder after one of {', '.join(sorted(known)) or 'none'}",
        )
    subject = known[folder.parent.name]
    case = load_case(folder, subject)
    told = compare(case, run(case, subject))
    if told:
        about = f" ({case.description})" if case.description else ""
        raise AssertionError(
            "\n".join([f"{folder.parent.name}/{folder.name}{about}:", *(f"  {text}" for text in told)])
        )


def run(case: Case, subject: Subject) -> pa.Table:
    """The rows that the model yields on what is given.

    Raises:
        ConfigurationError: the SQL is not one SELECT, or fails.
    """
    model, connection = subject.model, walled()
    window = subject.calendar.window(case.partition) if subject.calendar and case.partition else None
    try:
        for table, rows in case.given.items():
            connection.register("arriving", rows)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(table.split('/')[0])}")
            connection.execute(f"CREATE TABLE {relation(table)} AS SELECT * FROM arriving")
            connection.unregister("arriving")
        for view in subject.views:
            if view.table not in case.given:
                connection.execute("CREATE SCHEMA IF NOT EXISTS features")
                text = without_end(view.compile(window))[0]
                connection.execute(f"CREATE VIEW {relation(view.table)} AS {text}")
        schemas = {table: rows.schema for table, rows in case.given.items()}
        sql = order_proof(model.compile(window, incremental=model.table in case.given), schemas).sql
        return connection.sql(one_select(connection, sql, str(model.path))).to_arrow_table()
    except duckdb.Error as error:
        raise ConfigurationError(
            f"the query fails on the rows of {case.folder.name}: {first_line(error)}", where=str(model.path)
        ) from error
    finally:
        connection.close()


def compare(case: Case, found: pa.Table) -> list[str]:
    """What the rows found have otherwise than expected, in words; nothing if they are as they should be.

    Raises:
        ConfigurationError: a column that is expected is not there, or a value is not of its type.
    """
    kinds = {field.name: field.type for field in found.schema}
    expected = [Expected(typed(line, kinds, "the model"), line.where) for line in case.expected]
    return differences(expected, found.to_pylist(), ordered=case.ordered)
