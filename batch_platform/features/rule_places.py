"""Which other tables the tests of a model read, and on which lines, before there is a contract.

Belongs here: looking through a property file's entry. Does not belong here: what a test means (`contracts/`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import yaml

from batch_platform.contracts.data_tests import SPELLINGS
from batch_platform.contracts.surroundings import is_reference
from batch_platform.errors import BatchPlatformError, ConfigurationError
from batch_platform.features.binding import surroundings
from batch_platform.lake.store import relation
from batch_platform.sql.model import SqlModel
from batch_platform.sql.project import Project
from batch_platform.sql.properties import Entry

_HOLDERS = (*SPELLINGS, "constraints")


def places_of_reads(model: SqlModel, project: Project) -> dict[str, str]:
    """The tables that the tests and constraints of a model's entry read, each with the `file:line` that says so first.

    A reference that means nothing is left out: whoever reads the contract refuses it.

    Raises:
        ConfigurationError: one of them is a model that is disabled.
    """
    entry = project.properties.models.get(model.name)
    around = surroundings(project)
    found: dict[str, str] = {}
    for item, column in _items(entry) if entry is not None else ():
        assert entry is not None
        if _is_off(entry.document.value(item)):
            continue
        for node in _references(item):
            try:
                table = around.table(node.value)
            except (ValueError, KeyError, BatchPlatformError):
                continue
            place = f"{entry.document.path}:{node.start_mark.line + 1}"
            _refuse_disabled(project, table, place)
            found.setdefault(table, place)
        place = f"{entry.document.path}:{item.start_mark.line + 1}"
        for table in _read_by_block(entry.document.value(item), column, model, project):
            _refuse_disabled(project, table, place)
            found.setdefault(table, place)
    return found


def first_test(model: SqlModel, project: Project) -> str:
    """Where a model's entry declares its first test or constraint that is switched on, as `file:line`."""
    entry = project.properties.models.get(model.name)
    if entry is None:
        return str(model.path)
    lines = [item.start_mark.line + 1 for item, _ in _items(entry) if not _is_off(entry.document.value(item))]
    return f"{entry.document.path}:{min(lines)}" if lines else entry.where


def _items(entry: Entry) -> Iterator[tuple[yaml.Node, str | None]]:
    """The tests and constraints of an entry, each with the column that it stands at."""
    document = entry.document
    parts = document.mapping(entry.node, entry.name, None)
    holders: list[tuple[dict[str, yaml.Node], str | None]] = [(parts, None)]
    columns = parts.get("columns")
    for node in columns.value if isinstance(columns, yaml.SequenceNode) else ():
        if isinstance(node, yaml.MappingNode):
            column = document.mapping(node, "a column", None)
            holders.append((column, str(column["name"].value) if "name" in column else None))
    for holder, name in holders:
        for key in _HOLDERS:
            listed = holder.get(key)
            for item in listed.value if isinstance(listed, yaml.SequenceNode) else ():
                yield item, name


def _references(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        if is_reference(node.value):
            yield node
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _references(item)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _references(value)


def _said(item: object) -> tuple[str, Mapping[str, object]]:
    """A test's name, and what stands below it."""
    if not isinstance(item, Mapping):
        return str(item), {}
    if "test_name" in item or "type" in item or len(item) != 1:
        return str(item.get("test_name", "")), item
    ((name, below),) = item.items()
    return str(name), below if isinstance(below, Mapping) else {}


def _is_off(item: object) -> bool:
    _, below = _said(item)
    config = below.get("config")
    return below.get("enabled") is False or (isinstance(config, Mapping) and config.get("enabled") is False)


def _read_by_block(item: object, column: str | None, model: SqlModel, project: Project) -> tuple[str, ...]:
    """What the project's own test of this name reads by itself, as far as it can be rendered."""
    name, below = _said(item)
    test = project.generic_tests.get(name)
    if test is None:
        return ()
    nested = below.get("arguments")
    given = {**below, **(nested if isinstance(nested, Mapping) else {})}
    values = {key: value for key, value in given.items() if key in test.arguments}
    place = {"model": relation(model.table), **({} if column is None else {"column_name": column})}
    try:
        return test.compile({**values, **place}).inputs
    except (BatchPlatformError, TypeError, ValueError):
        return ()


def _refuse_disabled(project: Project, table: str, where: str) -> None:
    stage, name = table.split("/")
    if stage == "features" and name in project.model_files and not project.model(name).config.enabled:
        raise ConfigurationError(f"ref({name!r}) is disabled", where=where, fix="enable it, or do not read it")
