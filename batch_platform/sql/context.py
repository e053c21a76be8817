"""The names that a template may use: `ref`, `source`, `config`, `var`, `this`, `window` and the rest.

Belongs here: what each name gives. Does not belong here: what differs from one rendering to the next
(`rendering.py`), and what a model makes of it (`model.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from batch_platform.errors import ConfigurationError
from batch_platform.lake.store import relation
from batch_platform.sql.cross_database import FUNCTIONS, Namespace
from batch_platform.sql.macros import returning
from batch_platform.sql.rendering import NOW, Bounds, table_name
from batch_platform.sql.settings import Setting, accepted, laid_over, setting_name
from batch_platform.sql.templates import line_now

_LOG = logging.getLogger(__name__)
_MISSING = object()

TARGET = {"name": "batch_platform", "profile_name": "batch_platform", "type": "duckdb", "schema": "features"}


def install(environment: ImmutableSandboxedEnvironment, variables: Mapping[str, Any]) -> None:
    """Give an environment every name of the language; `variables` are the project's."""
    environment.globals.update(FUNCTIONS)
    environment.globals.update(
        {
            "ref": _ref,
            "source": _source,
            "config": _Config(),
            "var": _Variables(variables),
            "this": _This(),
            "window": _Window(),
            "is_incremental": _is_incremental,
            "target": TARGET,
            "execute": True,
            "log": _nothing,
            "print": _nothing,
            "exceptions": _Exceptions(),
            "return": returning,
            "tojson": _to_json,
            "fromjson": _from_json,
            "toyaml": _to_yaml,
            "fromyaml": _from_yaml,
            "zip": _zip,
            "dbt": Namespace(),
        }
    )


def _ref(*names: Any, **others: Any) -> str:
    now = NOW.get()
    if others:
        raise ConfigurationError(f"ref() has no {min(others)!r}", fix="models have no versions here")
    if len(names) not in (1, 2):
        raise ConfigurationError(f"ref() takes one name, not {len(names)}", fix="ref('model')")
    if len(names) == 2 and names[0] != now.tables.project:
        raise ConfigurationError(
            f"ref({names[0]!r}, ...) names another project",
            fix=f"packages are not read; this is {now.tables.project!r}",
        )
    return now.mention(now.tables.ref(table_name(names[-1])))


def _source(group: Any, name: Any) -> str:
    now = NOW.get()
    return now.mention(now.tables.source(str(group), str(name)))


def _is_incremental() -> bool:
    now = NOW.get()
    now.asked_incremental = True
    return now.incremental


def _nothing(*_args: Any, **_options: Any) -> str:
    return ""


def _zip(*lists: Iterable[Any]) -> list[tuple[Any, ...]]:
    return list(zip(*lists, strict=False))


def _to_json(value: Any, default: Any = None, sort_keys: bool = False) -> Any:
    try:
        return json.dumps(value, sort_keys=sort_keys)
    except (TypeError, ValueError):
        return default


def _from_json(text: str, default: Any = None) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return default


def _to_yaml(value: Any, default: Any = None, sort_keys: bool = False) -> Any:
    try:
        return yaml.safe_dump(value, sort_keys=sort_keys)
    except yaml.YAMLError:
        return default


def _from_yaml(text: str, default: Any = None) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return default


class _Config:
    """`config(...)` declares; `config.get` and `config.require` ask for what is declared by then."""

    def __call__(self, *given: Any, **settings: Any) -> str:
        now = NOW.get()
        if len(given) > 1 or not all(isinstance(value, Mapping) for value in given):
            raise ConfigurationError("config() takes arguments by name", fix="config(key=['column'])")
        where = f"{now.path}:{line_now(now.path)}"
        for name, value in {**(given[0] if given else {}), **settings}.items():
            plain = accepted(str(name), now.known, where)
            if plain:
                now.settings = laid_over([now.settings, {plain: Setting(value, where)}])
        return ""

    def get(self, name: str, default: Any = None) -> Any:
        now = NOW.get()
        setting = laid_over([now.given, now.settings]).get(setting_name(name))
        return default if setting is None else setting.value

    def require(self, name: str) -> Any:
        value = self.get(name, _MISSING)
        if value is _MISSING:
            raise ConfigurationError(f"the model is not configured with {name!r}", fix=f"add it: config({name}=...)")
        return value


class _Variables:
    """`var('name', default)`: a value of the project file, put into the SQL as it stands there."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __call__(self, name: str, default: Any = _MISSING) -> Any:
        now = NOW.get()
        if name in self._values:
            now.variables[name] = self._values[name]
            return self._values[name]
        if default is _MISSING:
            raise ConfigurationError(
                f"var {name!r} is not set", fix="set it under vars in dbt_project.yml, or give var() a default"
            )
        return default

    def has_var(self, name: str) -> bool:
        NOW.get().variables[name] = self._values.get(name)
        return name in self._values


class _This:
    """The model's own table."""

    schema = "features"
    database = "batch_platform"

    @property
    def name(self) -> str:
        return NOW.get().this.split("/")[-1]

    identifier = table = name

    def __str__(self) -> str:
        now = NOW.get()
        if not now.this:
            raise ConfigurationError("this is only there in a model")
        now.reads_itself = True
        return relation(now.this)

    render = __str__


class _Window:
    """`window.start` and `window.end`: the bounds of the partition, as SQL expressions."""

    @property
    def start(self) -> str:
        return _bounds().start

    @property
    def end(self) -> str:
        return _bounds().end


def _bounds() -> Bounds:
    now = NOW.get()
    if now.bounds is None:
        raise ConfigurationError(
            "window is only there in a model with partitions", fix="read a partitioned input, or leave window out"
        )
    now.window_line = now.window_line or line_now(now.path)
    return now.bounds


class _Exceptions:
    """`exceptions.raise_compiler_error` ends the rendering, `exceptions.warn` goes to the log."""

    def raise_compiler_error(self, message: Any) -> NoReturn:
        raise ConfigurationError(str(message).strip())

    def warn(self, message: Any) -> str:
        _LOG.warning("%s: %s", NOW.get().path, message)
        return ""
