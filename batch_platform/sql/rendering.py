"""One rendering of one template: what its names are to say, and what it asked for.

One environment serves a whole project. What differs from one rendering to the next stands in a `Rendering`, which
the names of a template look up.

Belongs here: that, and rendering. Does not belong here: what each name gives (`context.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Template

from batch_platform.errors import ConfigurationError
from batch_platform.sql.macros import Macro
from batch_platform.sql.settings import MODEL_SETTINGS, Layer, Setting
from batch_platform.sql.templates import blaming, line_now

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Bounds:
    """A window's ends as SQL expressions."""

    start: str
    end: str


@dataclass(frozen=True)
class Tables:
    """The tables that names in templates stand for.

    Args:
        project: the project's name, which `ref` takes as its first of two arguments.
        own: model or seed -> table, of all that the project has.
        disabled: seeds that are left out.
        sources: `group.table` -> table, as property files declare them.
    """

    project: str = ""
    own: Mapping[str, str] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict)

    def ref(self, name: str) -> str:
        """The table of a model or seed; one that the project does not have may be another component's."""
        if name in self.disabled:
            raise ConfigurationError(f"ref({name!r}) is disabled", fix="enable it, or do not read it")
        return self.own.get(name, f"features/{table_name(name)}")

    def source(self, group: str, name: str) -> str:
        """The table of a source."""
        if f"{group}.{name}" in self.sources:
            return self.sources[f"{group}.{name}"]
        if group == "snapshots":
            return f"snapshots/{table_name(name)}"
        known = sorted(key.split(".")[1] for key in self.sources if key.split(".")[0] == group)
        if known:
            raise ConfigurationError(f"source {group!r} has no table {name!r}", fix=f"it has {', '.join(known)}")
        raise ConfigurationError(
            f"source({group!r}, ...) is unknown", fix="use source('snapshots', '<name>'), or declare it under sources"
        )


@dataclass
class Rendering:
    """One rendering of one file: what its names are to say, and what it asked for.

    Args:
        path: the file.
        tables: what names stand for.
        spell: a table as it is written into the SQL.
        bounds: the window's ends; None where there is no window.
        incremental: what `is_incremental()` says.
        this: the own table; empty where there is none.
        given: settings from the project file and the property file.
        known: the settings that `config()` takes.
    """

    path: Path
    tables: Tables
    spell: Callable[[str], str]
    bounds: Bounds | None = None
    incremental: bool = False
    this: str = ""
    given: Layer = field(default_factory=dict)
    known: frozenset[str] = MODEL_SETTINGS
    found: dict[str, int] = field(default_factory=dict)  # table -> line of its first mention
    settings: dict[str, Setting] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)  # those that were read
    window_line: int = 0
    asked_incremental: bool = False
    reads_itself: bool = False

    def mention(self, table: str) -> str:
        """A table's relation; the line is noted."""
        if table not in self.found:
            self.found[table] = line_now(self.path)
        return self.spell(table)


NOW: ContextVar[Rendering] = ContextVar("rendering")


def render(template: Template, rendering: Rendering, names: Mapping[str, Any] | None = None) -> str:
    """A template's text.

    Raises:
        ConfigurationError: it fails: `file:line: what`, in the file of the template or of a macro.
    """
    token = NOW.set(rendering)
    try:
        with blaming(rendering.path):
            return template.render(names or {})
    finally:
        NOW.reset(token)


def call(macro: Macro, rendering: Rendering, arguments: Mapping[str, Any]) -> Any:
    """What a macro gives for these arguments; raises as `render`."""
    token = NOW.set(rendering)
    try:
        with blaming(macro.path, macro.line):
            return macro(**arguments)
    finally:
        NOW.reset(token)


def table_name(name: Any, where: str = "") -> str:
    """A name, if it is one that a table can have."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a table name", where=where, fix="use lower case letters, digits and _"
        )
    return name
