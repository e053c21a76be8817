"""The property files of a project: which models, sources and seeds its `*.yml` files speak of, and where.

Belongs here: finding the entries and refusing one that is there twice. Does not belong here: what an entry says of
its columns and tests (`contracts/schema_yml.py`), or of its configuration (`project.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from batch_platform.errors import ConfigurationError
from batch_platform.sql.yaml_nodes import Document

KINDS = ("models", "seeds")
"""The lists of a property file whose entries have a `name` and may stand in one file only."""

_ACCEPTED = ("version", *KINDS, "sources")


@dataclass(frozen=True)
class Entry:
    """What one property file says about one model, source or seed: a node, and the document to tell its lines."""

    name: str
    document: Document
    node: yaml.Node


@dataclass(frozen=True)
class Properties:
    """What property files say, by name; a source is called `group.table`, as in `source('group', 'table')`."""

    models: Mapping[str, Entry] = field(default_factory=dict)
    seeds: Mapping[str, Entry] = field(default_factory=dict)
    sources: Mapping[str, Entry] = field(default_factory=dict)


def load_properties(folders: Iterable[Path]) -> Properties:
    """The entries of all `*.yml` and `*.yaml` files in and below the folders.

    Raises:
        ConfigurationError: `file:line: what`, where a file has another list than these, or a name stands twice.
    """
    found: dict[str, dict[str, Entry]] = {kind: {} for kind in (*KINDS, "sources")}
    for path in sorted({path for folder in folders for path in folder.rglob("*.y*ml") if path.is_file()}):
        document = Document(path)
        root = document.root()
        if root is None:
            raise ConfigurationError("the file declares nothing", where=f"{path}:1", fix="remove it")
        top = document.mapping(root, "the file", _ACCEPTED)
        if "version" in top and document.value(top["version"]) != 2:
            document.refuse(top["version"], "version must be 2")
        for kind in KINDS:
            for entry in _entries(document, top.get(kind), kind):
                _add(found[kind], entry, kind[:-1])
        for group in _entries(document, top.get("sources"), "sources"):
            parts = document.mapping(group.node, "a source", None)
            for table in _entries(document, parts.get("tables"), "tables"):
                _add(found["sources"], Entry(f"{group.name}.{table.name}", document, table.node), "source")
    return Properties(found["models"], found["seeds"], found["sources"])


def _entries(document: Document, node: yaml.Node | None, what: str) -> Iterator[Entry]:
    for item in document.items(node, what) if node is not None else ():
        parts = document.mapping(item, f"an entry of {what}", None)
        yield Entry(
            document.text(document.required(item, parts, "name", f"an entry of {what}"), "name"), document, item
        )


def _add(found: dict[str, Entry], entry: Entry, kind: str) -> None:
    if entry.name in found:
        earlier = found[entry.name].document.path
        entry.document.refuse(entry.node, f"{kind} {entry.name} is declared twice, first in {earlier}")
    found[entry.name] = entry
