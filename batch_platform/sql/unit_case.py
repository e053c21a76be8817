"""One unit test of an SQL model as it is written: `given.yaml`, `expect.yaml` and `case.yaml` in one folder.

Belongs here: what a case says, held against the model that it tests. Does not belong here: how rows are spelled
(`case_rows.py`), or running the case (`unit_test.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import yaml

from batch_platform.errors import BatchPlatformError, ConfigurationError
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.partitions import PARTITION_COLUMN, Calendar
from batch_platform.sql.case_rows import Line, entry_of, lines_of, scalar, typed
from batch_platform.sql.model import SqlModel
from batch_platform.sql.yaml_nodes import Document
from batch_platform.timelines import Reading

GIVEN, EXPECT, CASE = "given.yaml", "expect.yaml", "case.yaml"
PARTITION = "partition"


@dataclass(frozen=True)
class Subject:
    """A model under test.

    Args:
        model: the model.
        calendar: its partitions; None for a table without.
        readings: for each input, the stretch of its partitions that a partition may see.
        seen: what the query sees of each table: its columns, and each row's position and partition where it has them.
        views: the models that it reads without their being stored, each after those that it reads itself.
    """

    model: SqlModel
    calendar: Calendar | None
    readings: Sequence[Reading]
    seen: Mapping[str, pa.Schema]
    views: Sequence[SqlModel] = ()


@dataclass(frozen=True)
class Case:
    """One test: what is given to a model, and what it must yield.

    Args:
        folder: where it is written.
        partition: the partition that is computed; None for a table without partitions.
        given: input -> rows, of the partitions that the model may see.
        expected: the cells of each row as text, and where it is written.
        ordered: whether the order of the rows counts.
        description: what it shows.
    """

    folder: Path
    partition: str | None
    given: Mapping[str, pa.Table]
    expected: Sequence[Line]
    ordered: bool = False
    description: str = ""


def load_case(folder: Path, subject: Subject) -> Case:
    """Read a case.

    Raises:
        ConfigurationError: `file:line: what`, where it names a table, column or partition that is not there, or a value
            is not of its column's type; or a file is missing.
    """
    document, said = Document(folder / CASE), dict[str, yaml.Node]()
    if document.path.is_file() and (root := document.root()) is not None:
        said = document.mapping(root, "the case", ("description", PARTITION))
    partition = scalar(document, said[PARTITION]) if PARTITION in said else None
    if subject.calendar is None and partition is not None:
        document.refuse(said[PARTITION], f"{subject.model.name} has no partitions", "leave it out")
    if subject.calendar is not None:
        if partition is None:
            raise ConfigurationError(
                f"{subject.model.name} has partitions, and the case names none",
                where=str(document.path),
                fix=f"add partition: {subject.calendar.first}",
            )
        _refuse_strange_key(subject.calendar, partition, f"{document.path}:{said[PARTITION].start_mark.line + 1}")
    expected, ordered = _expected(folder)
    description = document.text(said["description"], "description") if "description" in said else ""
    return Case(folder, partition, _given(folder, subject, partition), expected, ordered, description)


def _given(folder: Path, subject: Subject, partition: str | None) -> dict[str, pa.Table]:
    """The rows of each table that the model reads: none of one that is not named, and none for it itself."""
    document, own = Document(folder / GIVEN), subject.model.table
    root = _top(document)
    readings = {reading.timeline.table: reading for reading in subject.readings}
    views = {view.table: None for view in subject.views}
    found: dict[str, pa.Table] = {}
    for name, node in document.mapping(root, "given", None).items() if root is not None else ():
        known = [*readings, *views]
        called = own if name == "this" else name
        table = next((table for table in known if called in (table, table.split("/")[1])), called)
        if table not in known:
            document.refuse(node, f"{subject.model.name} does not read {name}", f"it reads {', '.join(known)}")
        if table in found:
            document.refuse(node, f"{table} is given twice")
        found[table] = _rows(document, node, _seen(subject, table, document), readings.get(table), partition)
    for table in readings:
        if table not in found and table != own:
            found[table] = _seen(subject, table, document).empty_table()
    return found


def _seen(subject: Subject, table: str, document: Document) -> pa.Schema:
    if table not in subject.seen:
        raise ConfigurationError(
            f"the columns of {table} are not declared", where=str(document.path), fix="declare them at its source"
        )
    return subject.seen[table]


def _rows(document: Document, node: yaml.Node, seen: pa.Schema, reading: Reading | None, own: str | None) -> pa.Table:
    """The rows of one table, without those of partitions that the partition `own` may not see."""
    calendar = reading.timeline.calendar if reading else None
    kinds = {PARTITION: pa.string()} | {column.name: column.type for column in seen}
    entry = entry_of(document, node, ("partitions",))
    keys = [own or ""]
    if "partitions" in entry:
        nodes = document.items(entry["partitions"], "partitions")
        keys = [scalar(document, item) or "" for item in nodes]
        for key, item in zip(keys, nodes, strict=True):
            _refuse_strange_key(calendar, key, f"{document.path}:{item.start_mark.line + 1}")
    visible = reading.keys(own or "") if reading else []
    rows: list[dict[str, object]] = []
    for number, line in enumerate(lines_of(document, entry), 1):
        cells = {SOURCE_FILE: GIVEN, SOURCE_ROW: number, **typed(line, kinds, "the table")}
        said = cells.pop(PARTITION, None) if PARTITION not in seen.names else None
        if said is not None:
            _refuse_strange_key(calendar, str(said), line.where)
        if said is None and "partitions" not in entry and calendar is not None and own not in visible:
            raise ConfigurationError(
                f"the row names no partition, and {own} of this table is not read",
                where=line.where,
                fix=f"add {PARTITION}: {visible[-1] if visible else calendar.first}",
            )
        for key in keys if said is None else [str(said)]:
            if calendar is None or key in visible:
                rows.append({PARTITION_COLUMN: key, **cells})
    return pa.Table.from_pylist(rows, seen)


def _expected(folder: Path) -> tuple[list[Line], bool]:
    document = Document(folder / EXPECT)
    root = _top(document)
    if root is None:
        return [], False
    entry = entry_of(document, root, ("ordered",))
    ordered = document.value(entry["ordered"]) if "ordered" in entry else False
    if not isinstance(ordered, bool):
        document.refuse(entry["ordered"], "ordered must be true or false")
    return list(lines_of(document, entry)), ordered


def _top(document: Document) -> yaml.Node | None:
    if not document.path.is_file():
        raise ConfigurationError("the file is missing", where=str(document.path), fix="write it; it may be empty")
    return document.root()


def _refuse_strange_key(calendar: Calendar | None, key: str, where: str) -> None:
    if calendar is None:
        raise ConfigurationError("the table has no partitions", where=where, fix=f"leave out {PARTITION}")
    try:
        calendar.window(key)
    except BatchPlatformError as error:
        raise ConfigurationError(error.what, where=where, fix=error.fix) from None
