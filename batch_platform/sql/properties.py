"""The property files of a project: which models, sources and seeds its `*.yml` files speak of, and where.

Belongs here: finding the entries, refusing one that is there twice, and the settings they give. Does not belong
here: what an entry says of its columns and tests (`contracts/schema_yml.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from batch_platform.errors import ConfigurationError
from batch_platform.sql.refusals import PROPERTIES_IGNORED, PROPERTY_LISTS
from batch_platform.sql.settings import Layer, Setting, accepted, laid_over, written
from batch_platform.sql.yaml_nodes import Document

KINDS = ("models", "seeds")
"""The lists of a property file whose entries have a `name` and may stand in one file only."""

_LISTS = (*KINDS, "sources", "data_tests", "tests")
_TABLE = re.compile(r"[a-z][a-z0-9_]*")
_BESIDE = ("tags", "meta")
"""Settings that may stand beside `config` as well as in it."""


@dataclass(frozen=True)
class Entry:
    """What one property file says about one model, source or seed: a node, and the document to tell its lines.

    `table` is the lake's table that a source stands for; empty for a model or seed.
    """

    name: str
    document: Document
    node: yaml.Node
    table: str = ""

    @property
    def where(self) -> str:
        """The place, `file:line`."""
        return f"{self.document.path}:{self.node.start_mark.line + 1}"

    def settings(self, known: frozenset[str]) -> Layer:
        """What it configures: its `config`, and `tags` and `meta` beside it.

        Args:
            known: the settings that its kind has.

        Raises:
            ConfigurationError: a setting that there is not.
        """
        parts = self.document.mapping(self.node, f"{self.name}", None)
        layers = [self._layer({key: parts[key] for key in _BESIDE if key in parts}, known)]
        if "config" in parts and self.document.value(parts["config"]) is not None:
            layers.append(self._layer(self.document.mapping(parts["config"], "config", None), known))
        return laid_over(layers)

    def _layer(self, parts: Mapping[str, yaml.Node], known: frozenset[str]) -> Layer:
        found: dict[str, Setting] = {}
        for key, node in parts.items():
            place = f"{self.document.path}:{node.start_mark.line + 1}"
            name = accepted(key, known, place)
            if name:
                found[name] = written(self.document.value(node), place)
        return found


@dataclass(frozen=True)
class Properties:
    """What property files say, by name; a source is called `group.table`, as in `source('group', 'table')`.

    `tests` are singular ones, the files of `tests/`.
    """

    models: Mapping[str, Entry] = field(default_factory=dict)
    seeds: Mapping[str, Entry] = field(default_factory=dict)
    sources: Mapping[str, Entry] = field(default_factory=dict)
    tests: Mapping[str, Entry] = field(default_factory=dict)


def load_properties(folders: Iterable[Path]) -> Properties:
    """The entries of all `*.yml` and `*.yaml` files in and below the folders; each file is read once.

    Raises:
        ConfigurationError: `file:line: what`, where a file has a list that there is not, or a name stands twice.
    """
    found: dict[str, dict[str, Entry]] = {kind: {} for kind in (*KINDS, "sources", "tests")}
    for path in sorted({path for folder in folders for path in folder.rglob("*.y*ml") if path.is_file()}):
        document = Document(path)
        root = document.root()
        if root is None:
            raise ConfigurationError("the file declares nothing", where=f"{path}:1", fix="remove it")
        top = document.mapping(root, "the file", None)
        for key, node in top.items():
            _known(document, key, node)
        if "version" in top and document.value(top["version"]) != 2:
            document.refuse(top["version"], "version must be 2")
        for kind in KINDS:
            for entry in _entries(document, top.get(kind), kind):
                _add(found[kind], entry, kind[:-1])
        for spelling in ("data_tests", "tests"):
            for entry in _entries(document, top.get(spelling), spelling):
                _add(found["tests"], entry, "test")
        for entry in _sources(document, top.get("sources")):
            _add(found["sources"], entry, "source")
    return Properties(found["models"], found["seeds"], found["sources"], found["tests"])


def _known(document: Document, key: str, node: yaml.Node) -> None:
    if key in PROPERTY_LISTS:
        document.refuse(node, f"{key} {PROPERTY_LISTS[key].what}", PROPERTY_LISTS[key].fix)
    elif key not in _LISTS and key not in PROPERTIES_IGNORED and not key.startswith("."):
        document.refuse(node, f"the file has no key {key}", f"use {', '.join((*KINDS, 'sources'))}")


def _sources(document: Document, node: yaml.Node | None) -> Iterator[Entry]:
    """The tables of all groups; a table is `snapshots/<identifier>`, where it has one, else `snapshots/<name>`."""
    for group in _entries(document, node, "sources"):
        parts = document.mapping(group.node, "a source", None)
        for table in _entries(document, parts.get("tables"), "tables"):
            own = document.mapping(table.node, "a table", None)
            named = own.get("identifier")
            name = document.text(named, "identifier") if named is not None else table.name
            for said in (place[key] for place in (parts, own) for key in ("config", "enabled") if key in place):
                _refuse_disabled(document, said)
            if not _TABLE.fullmatch(name):
                document.refuse(named or table.node, f"{name!r} is not a table name", "use a-z, 0-9 and _")
            yield Entry(f"{group.name}.{table.name}", document, table.node, f"snapshots/{name}")


def _refuse_disabled(document: Document, node: yaml.Node) -> None:
    """Refuse a source that is switched off: what reads it would have nothing to read."""
    value = document.value(node)
    if value is False or (isinstance(value, dict) and value.get("enabled", value.get("+enabled", True)) is not True):
        document.refuse(node, "a source cannot be disabled", "remove it")


def _entries(document: Document, node: yaml.Node | None, what: str) -> Iterator[Entry]:
    for item in document.items(node, what) if node is not None else ():
        parts = document.mapping(item, f"an entry of {what}", None)
        name = document.required(item, parts, "name", f"an entry of {what}")
        if "versions" in parts:
            document.refuse(parts["versions"], "models have no versions here", "give each version a name of its own")
        yield Entry(document.text(name, "name"), document, item)


def _add(found: dict[str, Entry], entry: Entry, kind: str) -> None:
    if entry.name in found:
        raise ConfigurationError(
            f"{kind} {entry.name} is declared twice, first in {found[entry.name].where}", where=entry.where
        )
    found[entry.name] = entry
