"""`dbt_project.yml`: where a project's files lie, its vars, and what its folders are configured to be.

Belongs here: that file. Does not belong here: what the settings mean (`config.py`), and the files that it points at
(`project.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from batch_platform.errors import ConfigurationError
from batch_platform.sql.refusals import CONFIG_KEYS, IGNORED, PROJECT_IGNORED, PROJECT_KEYS
from batch_platform.sql.settings import MODEL_SETTINGS, SEED_SETTINGS, Layer, Setting, accepted, setting_name, written
from batch_platform.sql.yaml_nodes import Document

FILE = "dbt_project.yml"
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.IGNORECASE)
_PATHS = {
    "model-paths": ("models",),
    "seed-paths": ("seeds",),
    "test-paths": ("tests",),
    "macro-paths": ("macros",),
    "docs-paths": (),
    "snapshot-paths": ("snapshots",),
}
_TREES = {"models": MODEL_SETTINGS, "seeds": SEED_SETTINGS, "data_tests": None, "tests": None}
_CONFIG_ONLY = "a data test is configured where it is declared"


@dataclass(frozen=True)
class Folder:
    """What the project file says of one folder: its settings, and the folders below it."""

    settings: Layer = field(default_factory=dict)
    below: Mapping[str, Folder] = field(default_factory=dict)
    where: str = ""

    def layers(self, names: Sequence[str]) -> list[Layer]:
        """The settings on the way down to a file, from the outermost on; the last name may be the file's own."""
        following = self.below.get(names[0]) if names else None
        return [self.settings, *(following.layers(names[1:]) if following else [])]

    def ways(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Every folder below with the place that names it."""
        for name, folder in self.below.items():
            yield (name,), folder.where
            yield from (((name, *way), where) for way, where in folder.ways())


@dataclass(frozen=True)
class ProjectFile:
    """A project's own settings; without a file they are dbt's defaults.

    Args:
        path: the file; None where there is none.
        name: the project's name; empty without a file.
        paths: `model-paths` and its kin -> folders below the root.
        variables: the values that `var` gives.
        models: what the folders below the model paths are configured to be.
        seeds: the same of seeds.
    """

    path: Path | None = None
    name: str = ""
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(_PATHS))
    variables: Mapping[str, Any] = field(default_factory=dict)
    models: Folder = Folder()
    seeds: Folder = Folder()


def read_project_file(root: Path) -> ProjectFile:
    """A project's file, if it has one.

    Raises:
        ConfigurationError: `file:line: what`, where it says anything that this project has not.
    """
    path = next((root / name for name in (FILE, "dbt_project.yaml") if (root / name).is_file()), None)
    if path is None:
        return ProjectFile()
    document = Document(path)
    node = document.root()
    if node is None:
        raise ConfigurationError("the file says nothing", where=f"{path}:1", fix="give the project a name")
    parts = document.mapping(node, "the file", None)
    for key, value in parts.items():
        _known(document, key, value)
    name = document.text(document.required(node, parts, "name", "the project"), "name")
    if not _NAME.fullmatch(name):
        document.refuse(parts["name"], f"{name!r} is not a project's name", "use letters, digits and _")
    trees = {key: _tree(document, parts.get(key), name, known) for key, known in _TREES.items() if known}
    return ProjectFile(
        path=path,
        name=name,
        paths={key: _folders(document, key, parts.get(key), default) for key, default in _PATHS.items()},
        variables=_variables(document, parts.get("vars"), name),
        models=trees["models"],
        seeds=trees["seeds"],
    )


def _known(document: Document, key: str, value: yaml.Node) -> None:
    if key in PROJECT_KEYS:
        empty = document.value(value) in (None, "", [], {})
        if not empty:
            document.refuse(value, f"{key} {PROJECT_KEYS[key].what}", PROJECT_KEYS[key].fix)
    elif key in ("data_tests", "tests") and document.value(value):
        document.refuse(value, f"{key} is not read", _CONFIG_ONLY)
    elif key not in (*PROJECT_IGNORED, *_PATHS, *_TREES, "name", "vars"):
        known = sorted({*_PATHS, *_TREES, "name", "vars"} - {"data_tests", "tests"})
        document.refuse(value, f"the project has no key {key}", f"use {', '.join(known)}")


def _folders(document: Document, key: str, node: yaml.Node | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if node is None:
        return default
    found = []
    for item in document.items(node, key):
        folder = document.text(item, f"an entry of {key}")
        path = PurePosixPath(folder)
        if path.is_absolute() or ".." in path.parts or "\\" in folder or not path.parts:
            document.refuse(item, f"{folder!r} is not a folder of the project", "name a folder below the project's")
        found.append(str(path))
    return tuple(found)


def _variables(document: Document, node: yaml.Node | None, project: str) -> dict[str, Any]:
    """The vars: those under the project's name come before the global ones."""
    if node is None or document.value(node) is None:
        return {}
    parts = document.mapping(node, "vars", None)
    found = {name: document.value(value) for name, value in parts.items()}
    own = found.pop(project, None) if isinstance(found.get(project), dict) else None
    return found | own if isinstance(own, dict) else found


def _tree(document: Document, node: yaml.Node | None, project: str, known: frozenset[str]) -> Folder:
    """What `models:` or `seeds:` says; the project's name stands for its outermost folder."""
    top = _folder(document, node, known)
    strange = next((name for name in top.below if name != project), None)
    if strange is not None:
        raise ConfigurationError(
            f"{strange!r} is not the name of this project", where=top.below[strange].where, fix=f"write {project}:"
        )
    return top


def _folder(document: Document, node: yaml.Node | None, known: frozenset[str]) -> Folder:
    if node is None or document.value(node) is None:
        return Folder()
    where = f"{document.path}:{node.start_mark.line + 1}"
    settings: dict[str, Setting] = {}
    below: dict[str, Folder] = {}
    for key, value in document.mapping(node, "a folder", None).items():
        place = f"{document.path}:{value.start_mark.line + 1}"
        if not _is_setting(key, value, known):
            below[key] = _folder(document, value, known)
            continue
        name = accepted(key, known, place)
        if name in settings:
            document.refuse(value, f"{name} is given twice")
        if name:
            settings[name] = written(document.value(value), place)
    return Folder(settings, below, where)


def _is_setting(key: str, value: yaml.Node, known: frozenset[str]) -> bool:
    """Whether a key is a setting rather than a folder: by its `+`, or by a name that settings have."""
    if key.startswith("+") or not isinstance(value, yaml.MappingNode):
        return True
    return setting_name(key) in {*known, *CONFIG_KEYS, *IGNORED}
