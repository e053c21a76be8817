"""SQL models: templates with `source`, `ref`, `config` and `window`, compiled to one query for one partition.

Belongs here: what a template may say and what it compiles to. Does not belong here: running the query
(`build.py`) or judging its rows (`contract.py`).

A query never names files: `{{ source('snapshots', 'flights') }}` becomes the relation `"snapshots"."flights"`,
which holds the permitted partitions and nothing else. Templates run in Jinja's sandbox.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from jinja2 import StrictUndefined, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.lake.store import quote_identifier
from batch_platform.partitions import Window
from batch_platform.sql.volatile import FIX, first_volatile

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CONFIG = {"key", "lookback"}

PLACEHOLDER = "calendar:"
"""How the identifiers begin that stand for what differs between the partitions of a range."""


@dataclass(frozen=True)
class SqlModel:
    """One model: a template and what it declares about itself.

    Args:
        name: the file's name; the table is `features/<name>`.
        path: the file.
        template: its text.
        inputs: the tables it reads, in order of first mention.
        key: the columns that identify a row.
        lookback: table -> how many of its newest known partitions are read; others are read at the same key.
    """

    name: str
    path: Path
    template: str
    inputs: tuple[str, ...]
    key: tuple[str, ...]
    lookback: Mapping[str, int]

    @property
    def table(self) -> str:
        """The table's name in the lake."""
        return f"features/{self.name}"

    @property
    def digest(self) -> str:
        """A digest of the template; a comment counts, as the text is what a person reviewed."""
        return hashlib.sha256(self.template.encode()).hexdigest()[:32]

    def compile(self, window: Window | None) -> str:
        """The query for the partition with this window.

        Raises:
            ConfigurationError: the template fails, or what it says gives another result each time: `file:line: ...`.
        """
        sql = _render(self.path, self.template, _Mentions(), _literals(window))
        _refuse_volatile(self.path, self.template, sql)
        return sql

    def compile_range(self, windows: Iterable[Window]) -> str | None:
        """The query with a placeholder for each input and for either end of the window.

        Returns:
            The text, in which `placeholder(table)`, `placeholder("window_start")` and `placeholder("window_end")`
            stand for what differs between partitions; None if for one of the windows the template says anything
            else than this text with the partition's own values in their place.

        Raises:
            ConfigurationError: the template fails.
        """
        marks = _Window(placeholder("window_start"), placeholder("window_end"))
        marked = _render(self.path, self.template, _Mentions(placeholder), marks)
        plain = {placeholder(table): _relation(table) for table in self.inputs}
        for window in windows:
            own = _literals(window)
            values = plain | {marks.start: own.start, marks.end: own.end}
            if fill(marked, values) != _render(self.path, self.template, _Mentions(), own):
                return None
        return marked


def placeholder(name: str) -> str:
    """What stands for an input or an end of the window: an identifier that no model has by accident."""
    return quote_identifier(f"{PLACEHOLDER}{name}")


def fill(marked: str, values: Mapping[str, str]) -> str:
    """A text with values in the place of its placeholders."""
    for mark, value in values.items():
        marked = marked.replace(mark, value)
    return marked


def load_models(folder: Path) -> list[SqlModel]:
    """All models of a pipeline's folder, in the order of their names.

    Raises:
        ConfigurationError: the folder is missing or has no models, or a model is wrong: `file:line: what`.
    """
    if not folder.is_dir():
        raise ConfigurationError("the folder of SQL models does not exist", where=str(folder), fix="create it")
    models = [load_model(path) for path in sorted(folder.glob("*.sql"))]
    if not models:
        raise ConfigurationError("the folder holds no SQL model", where=str(folder), fix="add <name>.sql")
    return models


def load_model(path: Path) -> SqlModel:
    """Read one model and find out what it reads, by rendering it once."""
    if not _NAME.fullmatch(path.stem):
        raise ConfigurationError(
            f"{path.stem!r} is not a table name", where=str(path), fix="use lower case letters, digits and _"
        )
    try:
        template = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError("is not UTF-8", where=f"{path}:{line}", fix="save it as UTF-8") from error
    mentions = _Mentions()
    sql = _render(path, template, mentions, _literals(None))
    model = SqlModel(path.stem, path, template, tuple(mentions.tables), _key(path, mentions), _lookback(path, mentions))
    _refuse_volatile(path, template, sql)
    return model


class _Mentions:
    """Collects what a template says about itself while it renders."""

    def __init__(self, spell: Callable[[str], str] | None = None) -> None:
        self.spell = spell or _relation
        self.tables: list[str] = []
        self.config: dict[str, object] = {}

    def source(self, stage: str, name: str) -> str:
        if stage != "snapshots":
            raise ConfigurationError(f"source({stage!r}, ...) is unknown", fix="use source('snapshots', '<name>')")
        return self._mention("snapshots", name)

    def ref(self, name: str) -> str:
        return self._mention("features", name)

    def configure(self, **settings: object) -> str:
        unknown = sorted(settings.keys() - _CONFIG)
        if unknown:
            raise ConfigurationError(f"config() has no {unknown[0]!r}", fix=f"it takes {', '.join(sorted(_CONFIG))}")
        self.config |= settings
        return ""

    def _mention(self, stage: str, name: str) -> str:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(f"{name!r} is not a table name", fix="use lower case letters, digits and _")
        if f"{stage}/{name}" not in self.tables:
            self.tables.append(f"{stage}/{name}")
        return self.spell(f"{stage}/{name}")


def _relation(table: str) -> str:
    return ".".join(quote_identifier(part) for part in table.split("/"))


@dataclass(frozen=True)
class _Window:
    """`window.start` and `window.end` as a template sees them: SQL expressions."""

    start: str
    end: str


def _literals(window: Window | None) -> _Window:
    """A partition's window as literals; fixed dates while a model is only being read."""
    start = window.start.isoformat() if window else "2000-01-01T00:00:00+00:00"
    end = window.end.isoformat() if window else "2000-01-02T00:00:00+00:00"
    return _Window(f"TIMESTAMPTZ '{start}'", f"TIMESTAMPTZ '{end}'")


def _render(path: Path, template: str, mentions: _Mentions, window: _Window) -> str:
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    names = {
        "source": mentions.source,
        "ref": mentions.ref,
        "config": mentions.configure,
        "window": window,
    }
    try:
        return environment.from_string(template).render(names)
    except TemplateSyntaxError as error:
        _refuse(path, error.lineno, error.message or "syntax error")
    except Exception as error:  # a template is the user's program: it may divide by zero as well as name what is not
        _refuse(path, _template_line(error), first_line(error))


def _refuse(path: Path, line: int, message: str) -> NoReturn:
    raise ConfigurationError(message, where=f"{path}:{line}") from None


def _refuse_volatile(path: Path, template: str, sql: str) -> None:
    """Refuse what gives another result each time, at the line of the template that says it."""
    found = first_volatile(sql, str(path))
    if found:
        word, at = found
        said, lines = sql.split("\n")[at - 1], [line.lower() for line in template.split("\n")]
        places = [number for number, line in enumerate(lines, 1) if line == said.lower()]
        places += [number for number, line in enumerate(lines, 1) if word in line]
        _refuse(path, places[0] if places else 1, f"{word} gives another result each time ({FIX})")


def _template_line(error: BaseException) -> int:
    """The line of the template in which an error was raised: Jinja maps its frames to template lines."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _key(path: Path, mentions: _Mentions) -> tuple[str, ...]:
    key = mentions.config.get("key")
    if not isinstance(key, list | tuple) or not key or not all(isinstance(name, str) for name in key):
        raise ConfigurationError(
            "the model names no key", where=f"{path}:1", fix="add {{ config(key=['column', ...]) }}"
        )
    return tuple(key)


def _lookback(path: Path, mentions: _Mentions) -> dict[str, int]:
    declared = mentions.config.get("lookback", {})
    if not isinstance(declared, Mapping):
        raise ConfigurationError("lookback is not a mapping", where=f"{path}:1", fix="lookback={'table': 28}")
    found: dict[str, int] = {}
    for name, count in declared.items():
        table = next((table for table in mentions.tables if table.split("/")[1] == name), None)
        if table is None:
            raise ConfigurationError(f"lookback names {name!r}, which the model does not read", where=f"{path}:1")
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise ConfigurationError(f"lookback of {name!r} is {count!r}", where=f"{path}:1", fix="use 1 or more")
        found[table] = count
    return found
