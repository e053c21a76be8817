"""SQL models: what a template declares about itself, and the query that it compiles to for one partition.

Belongs here: one model. Does not belong here: the project it stands in (`project.py`), running the query
(`features/build.py`) or judging its rows (`contracts/`).

A query never names files: `{{ source('snapshots', 'flights') }}` becomes the relation `"snapshots"."flights"`,
which holds the permitted partitions and nothing else. Templates run in Jinja's sandbox.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Template

from batch_platform.lake.store import quote_identifier, relation
from batch_platform.partitions import Window
from batch_platform.sql.config import Materialization, ModelConfig, model_config
from batch_platform.sql.language import Language
from batch_platform.sql.macros import Macro
from batch_platform.sql.rendered import content_digest, refuse_volatile, without_semicolons
from batch_platform.sql.rendering import Bounds, Rendering, render, table_name
from batch_platform.sql.settings import Layer, laid_over
from batch_platform.sql.templates import read_text, refuse

PLACEHOLDER = "calendar:"
"""How the identifiers begin that stand for what differs between the partitions of a range."""

ANY_WINDOW = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 2, tzinfo=UTC))
"""A window for reading and binding the template of a model with partitions."""


@dataclass(frozen=True)
class SqlModel:
    """One model: a template and what it declares about itself.

    Args:
        name: the file's name; the table is `features/<name>`.
        path: the file.
        template: its text.
        inputs: the tables it reads, in order of first mention, in any branch that `is_incremental()` decides; its own
            earlier rows (`this`) are none of them.
        config: what it is configured to be.
        reads_itself: whether it says `this`.
        window_line: the line where it first says `window`; 0 where it does not.
        digest: of all that decides about its rows beside its inputs: the template, the macros that it can reach, the
            vars that it reads, and those settings that change rows. A comment in the template counts, as the text
            is what a person reviewed.
    """

    name: str
    path: Path
    template: str
    inputs: tuple[str, ...]
    config: ModelConfig
    reads_itself: bool
    window_line: int
    digest: str
    _lines: Mapping[str, int] = field(repr=False, hash=False, compare=False)
    _language: Language = field(repr=False, hash=False, compare=False)
    _given: Layer = field(repr=False, hash=False, compare=False)
    _compiled: Template | None = field(repr=False, hash=False, compare=False)
    _macros: tuple[Macro, ...] = field(repr=False, hash=False, compare=False)

    @property
    def table(self) -> str:
        """The table's name in the lake."""
        return f"features/{self.name}"

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return self.config.key

    @property
    def lookback(self) -> Mapping[str, int | str]:
        """Table, or `this` -> how far back it is read; other tables are read at the same key."""
        return self.config.lookback

    def line_of(self, table: str) -> int:
        """The line of the template where an input is first mentioned, by itself or through a macro; else 1."""
        return self._lines.get(table, 1)

    def compile(self, window: Window | None, *, incremental: bool = False) -> str:
        """The query for the partition with this window, or of a model without partitions.

        Args:
            window: the partition's window; None for a model without partitions, which may not say `window`.
            incremental: what `is_incremental()` says in a model without partitions. One with partitions that is
                materialized `incremental` always adds to what there is.

        Raises:
            ConfigurationError: the template fails, or what it says gives another result each time: `file:line: ...`.
        """
        if window is None and self.window_line:
            refuse(
                self.path,
                self.window_line,
                "window is only there in a model with partitions",
                "read a partitioned input, or leave window out",
            )
        always = window is not None and self.config.materialized is Materialization.INCREMENTAL
        sql = self._text(relation, _literals(window) if window else None, incremental or always)
        refuse_volatile(self.path, self.template, sql, self._macros)
        return sql

    def compile_range(self, windows: Iterable[Window]) -> str | None:
        """The query with a placeholder for each input and for either end of the window.

        Returns:
            The text, in which `placeholder(table)`, `placeholder("window_start")` and `placeholder("window_end")`
            stand for what differs between partitions; None if the model reads its own earlier partitions, or if for
            one of the windows the template says anything else than this text with the partition's own values in
            their place.

        Raises:
            ConfigurationError: the template fails.
        """
        if self.reads_itself:
            return None
        incremental = self.config.materialized is Materialization.INCREMENTAL
        marks = Bounds(placeholder("window_start"), placeholder("window_end"))
        marked = self._text(placeholder, marks, incremental)
        plain = {placeholder(table): relation(table) for table in self.inputs}
        for window in windows:
            own = _literals(window)
            values = plain | {marks.start: own.start, marks.end: own.end}
            if fill(marked, values) != self._text(relation, own, incremental):
                return None
        return marked

    def _text(self, spell: Callable[[str], str], bounds: Bounds | None, incremental: bool) -> str:
        now = Rendering(self.path, self._language.tables, spell, bounds, incremental, self.table, self._given)
        text = render(self._compiled, now) if self._compiled else self.template
        return without_semicolons(text)


def placeholder(name: str) -> str:
    """What stands for an input or an end of the window: an identifier that no model has by accident."""
    return quote_identifier(f"{PLACEHOLDER}{name}")


def fill(marked: str, values: Mapping[str, str]) -> str:
    """A text with values in the place of its placeholders."""
    for mark, value in values.items():
        marked = marked.replace(mark, value)
    return marked


def _literals(window: Window) -> Bounds:
    return Bounds(f"TIMESTAMPTZ '{window.start.isoformat()}'", f"TIMESTAMPTZ '{window.end.isoformat()}'")


def load_model(path: Path) -> SqlModel:
    """Read one model that stands in no project: it has no macros and no vars."""
    return read_model(_bare(), path, {}, Materialization.TABLE)


def read_model(language: Language, path: Path, given: Layer, default: Materialization) -> SqlModel:
    """Read a model and find out what it reads, by rendering it once for each answer of `is_incremental()`.

    Args:
        language: the project's names, macros and vars.
        path: its file; without its suffix it is the model's name.
        given: what the project file and the property file say about it.
        default: how its rows are kept where nothing is said.

    Raises:
        ConfigurationError: the model is wrong: `file:line: what`.
    """
    table_name(path.stem, str(path))
    text = read_text(path)
    template, macros = language.template(text, path)
    table, bounds = f"features/{path.stem}", _literals(ANY_WINDOW)
    found: list[Rendering] = []
    for incremental in (False, True):
        now = Rendering(path, language.tables, relation, bounds, incremental, table, given)
        refuse_volatile(path, text, render(template, now) if template else text, macros)
        found.append(now)
        if not now.asked_incremental:
            break
    if {name: s.value for name, s in found[0].settings.items()} != {n: s.value for n, s in found[-1].settings.items()}:
        refuse(path, 1, "config() says something else where is_incremental() is true", "say the same in both")
    lines = {table: line for now in reversed(found) for table, line in now.found.items()}
    inputs = tuple(dict.fromkeys(table for now in found for table in now.found))
    config = model_config(laid_over([given, found[0].settings]), inputs, default)
    variables = {name: value for now in found for name, value in now.variables.items()}
    return SqlModel(
        name=path.stem,
        path=path,
        template=text,
        inputs=inputs,
        config=config,
        reads_itself=any(now.reads_itself for now in found),
        window_line=max(now.window_line for now in found),
        digest=content_digest(text, macros, variables, config),
        _lines=lines,
        _language=language,
        _given=given,
        _compiled=template,
        _macros=tuple(macros),
    )


@functools.cache
def _bare() -> Language:
    return Language.of("", {}, ())
