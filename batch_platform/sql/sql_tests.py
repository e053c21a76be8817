"""Tests that a project writes in SQL: queries that must yield no row, of one table or of any.

Belongs here: what they are and what they compile to. Does not belong here: running them (`contracts/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Template

from batch_platform.errors import ConfigurationError
from batch_platform.lake.store import relation
from batch_platform.sql.language import Language
from batch_platform.sql.macros import Macro
from batch_platform.sql.rendered import refuse_volatile, without_semicolons
from batch_platform.sql.rendering import Rendering, Tables, call, render
from batch_platform.sql.settings import TEST_SETTINGS, Layer, Setting, is_enabled, laid_over
from batch_platform.sql.templates import TEST_PREFIX, read_text

_UNTOLD = {
    "error_if": "one row is enough to break a test; use severity='warn'",
    "warn_if": "one row is enough to break a test; use severity='warn'",
    "fail_calc": "one row is enough to break a test",
    "limit": "every row that comes out is counted",
    "where": "write it into the query",
}
_SEVERITIES = ("error", "warn")


@dataclass(frozen=True)
class GenericTest:
    """A `{% test name(model, ...) %}` block: a query on any table, whose rows are what is wrong.

    Args:
        name: what property files call it.
        path: its file.
        line: where it begins.
        arguments: its arguments' names, `model` first.
        digest: of what it says; comments do not count.
    """

    name: str
    path: Path
    line: int
    arguments: tuple[str, ...]
    digest: str
    _macro: Macro = field(repr=False, compare=False)
    _tables: Tables = field(repr=False, compare=False)

    def compile(self, arguments: Mapping[str, Any], spell: Callable[[str], str] = relation) -> CompiledTest:
        """The query for these arguments; `model` is the relation to be tested, as SQL writes it.

        Raises:
            ConfigurationError: the test fails: `file:line: what`.
        """
        now = Rendering(self.path, self._tables, spell, known=TEST_SETTINGS)
        sql = without_semicolons(str(call(self._macro, now, arguments)))
        refuse_volatile(self.path, "", sql, [self._macro], self.line)
        _refuse_untold(self.name, now.settings)
        return CompiledTest(sql, tuple(now.found), MappingProxyType(now.settings))


@dataclass(frozen=True)
class CompiledTest:
    """A test as SQL.

    Args:
        sql: the query.
        inputs: the tables that it names itself, by `ref` or `source`.
        settings: what its `config()` says.
    """

    sql: str
    inputs: tuple[str, ...]
    settings: Mapping[str, Setting] = field(hash=False)

    @property
    def severity(self) -> str | None:
        """`error` or `warn`; None where nothing is said."""
        return _severity(self.settings)

    @property
    def enabled(self) -> bool:
        """Whether the test's block leaves it in."""
        return is_enabled(self.settings)


@dataclass(frozen=True)
class SingularTest:
    """A file in `tests/`: a query whose rows are what is wrong.

    Args:
        name: the file's name.
        path: the file.
        template: its text.
        inputs: the tables that it reads.
        settings: what its `config()` and a property file say; see `refuse_untold`.
        lines: the line that first names each of its inputs.
    """

    name: str
    path: Path
    template: str
    inputs: tuple[str, ...]
    settings: Mapping[str, Setting] = field(hash=False)
    lines: Mapping[str, int] = field(repr=False, compare=False, hash=False)
    _tables: Tables = field(repr=False, compare=False, hash=False)
    _compiled: Template | None = field(repr=False, compare=False, hash=False)

    @property
    def severity(self) -> str:
        """`error` or `warn`."""
        return _severity(self.settings) or "error"

    def refuse_untold(self) -> None:
        """Refuse settings that nothing here would follow; severity, enabled, tags and meta are followed.

        Raises:
            ConfigurationError: at the place that says it.
        """
        _refuse_untold(self.name, self.settings)

    def where(self, table: str = "") -> str:
        """The place, `file:line`, that first names a table; the first line for one that it does not name."""
        return f"{self.path}:{self.lines.get(table, 1)}"

    def compile(self, spell: Callable[[str], str] = relation) -> str:
        """The query."""
        now = Rendering(self.path, self._tables, spell, given=self.settings, known=TEST_SETTINGS)
        return without_semicolons(render(self._compiled, now) if self._compiled else self.template)


def generic_tests(language: Language) -> dict[str, GenericTest]:
    """The `{% test %}` blocks of a project's macros, by name."""
    found = {}
    for macro in language.macros.values():
        if macro.name.startswith(TEST_PREFIX):
            name = macro.name.removeprefix(TEST_PREFIX)
            if macro.arguments[:1] != ("model",):
                raise ConfigurationError(
                    f"test {name} does not take a model", where=f"{macro.path}:{macro.line}", fix="test name(model)"
                )
            found[name] = GenericTest(
                name, macro.path, macro.line, macro.arguments, macro.digest, macro, language.tables
            )
    return found


def read_singular(language: Language, path: Path, given: Layer) -> SingularTest:
    """Read a file of `tests/`; `given` is what a property file says about it.

    Raises:
        ConfigurationError: it is wrong: `file:line: what`.
    """
    text = read_text(path)
    template, macros = language.template(text, path)
    now = Rendering(path, language.tables, relation, given=given, known=TEST_SETTINGS)
    refuse_volatile(path, text, render(template, now) if template else text, macros)
    return SingularTest(
        name=path.stem,
        path=path,
        template=text,
        inputs=tuple(now.found),
        settings=MappingProxyType(laid_over([given, now.settings])),
        lines=MappingProxyType(now.found),
        _tables=language.tables,
        _compiled=template,
    )


def _severity(settings: Layer) -> str | None:
    setting = settings.get("severity")
    return None if setting is None or setting.value is None else str(setting.value).lower()


def _refuse_untold(name: str, settings: Layer) -> None:
    """Refuse what a test's settings say and nothing here would follow.

    Raises:
        ConfigurationError: at the place that says it.
    """
    for key, why in _UNTOLD.items():
        if key in settings and settings[key].value is not None:
            raise ConfigurationError(
                f"{name}: {key} would not be enforced ({why})", where=settings[key].where, fix="remove it"
            )
    if _severity(settings) not in (None, *_SEVERITIES):
        setting = settings["severity"]
        raise ConfigurationError(
            f"{name}: unknown severity {setting.value!r}", where=setting.where, fix=f"use {' or '.join(_SEVERITIES)}"
        )
