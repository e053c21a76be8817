"""How YAML spells sinks: a list whose entries hold one kind each, with its fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from batch_platform.errors import ConfigurationError
from batch_platform.sinks.declared import DatabaseSink, FilesSink, Mode, RedisSink, SinkDeclaration, WebhookSink

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_sinks(raw: Sequence[Mapping[str, Any]]) -> tuple[SinkDeclaration, ...]:
    """The sinks of a prediction table, such as `[{"files": {"path": "exports/{partition}.csv"}}]`.

    Raises:
        ConfigurationError: an unknown kind or field, a value of the wrong type, or a name that stands twice.
    """
    found: list[SinkDeclaration] = []
    for number, entry in enumerate(raw, 1):
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise _wrong(number, "is not one kind with its fields", "write - files: {path: ...}")
        kind, fields = next(iter(entry.items()))
        if kind not in _KINDS:
            raise _wrong(number, f"unknown kind {kind!r}", f"use one of {', '.join(_KINDS)}")
        if not isinstance(fields, Mapping):
            raise _wrong(number, f"{kind} has no fields", f"write - {kind}: {{...}}")
        found.append(_KINDS[kind](_Fields(number, str(kind), fields)))
    names = [declared.name for declared in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigurationError(f"two sinks are named {twice[0]!r}", where="sinks", fix="give one another `name`")
    return tuple(found)


class _Fields:
    """The fields of one entry, taken one by one; what is left at the end is unknown."""

    def __init__(self, number: int, kind: str, raw: Mapping[str, Any]) -> None:
        self._number, self._kind, self._raw = number, kind, dict(raw)

    def text(self, name: str, default: str | None = None) -> str:
        """A text that must be there if it has no default."""
        found = self._raw.pop(name, default)
        if not isinstance(found, str) or not found:
            raise _wrong(self._number, f"{self._kind} needs {name}, a text", "see docs/how-to/sinks.md")
        return found

    def optional(self, name: str) -> str | None:
        """A text, or None where it is left out."""
        return self.text(name) if name in self._raw else None

    def names(self, name: str) -> str | tuple[str, ...]:
        """A text, or a list of texts."""
        found = self._raw.get(name)
        if isinstance(found, Sequence) and not isinstance(found, str) and all(isinstance(one, str) for one in found):
            return tuple(self._raw.pop(name))
        return self.text(name)

    def yes(self, name: str) -> None:
        """A flag that may be spelled out, but means nothing when it is off."""
        if self._raw.pop(name, True) is not True:
            raise _wrong(self._number, f"{self._kind} has {name}: false", "leave the sink out instead")

    def end(self) -> None:
        """Refuse fields that nobody has taken."""
        if self._raw:
            raise _wrong(self._number, f"{self._kind} has no field {next(iter(self._raw))!r}", "remove it")


def _files(fields: _Fields) -> SinkDeclaration:
    path, name = fields.text("path"), fields.text("name", FilesSink.name)
    fields.end()
    return FilesSink(path, name)


def _database(fields: _Fields) -> SinkDeclaration:
    url, table, mode = fields.text("url_from"), fields.text("table"), fields.text("mode", Mode.UPSERT)
    name = fields.text("name", DatabaseSink.name)
    fields.end()
    if mode not in list(Mode):
        raise ConfigurationError(f"mode {mode!r}", where=f"sink {name!r}", fix=f"use one of {', '.join(Mode)}")
    return DatabaseSink(url, table, Mode(mode), name)


def _redis(fields: _Fields) -> SinkDeclaration:
    url, prefix, value = fields.text("url_from"), fields.text("prefix"), fields.names("value")
    expire, name = fields.optional("expire"), fields.text("name", RedisSink.name)
    fields.end()
    return RedisSink(url, prefix, value, None if expire is None else _duration(expire, name), name)


def _webhook(fields: _Fields) -> SinkDeclaration:
    url, secret, name = fields.text("url_from"), fields.optional("secret_from"), fields.text("name", WebhookSink.name)
    fields.yes("notify")
    fields.end()
    return WebhookSink(url, secret, name)


_KINDS: dict[str, Callable[[_Fields], SinkDeclaration]] = {
    "files": _files,
    "database": _database,
    "redis": _redis,
    "webhook": _webhook,
}


def _duration(text: str, name: str) -> int:
    match = re.fullmatch(r"([1-9]\d{0,5})([smhdw])", text, re.ASCII)
    if not match:
        raise ConfigurationError(f"expire {text!r}", where=f"sink {name!r}", fix="write 90s, 15m, 12h, 3d or 2w")
    return int(match[1]) * _SECONDS[match[2]]


def _wrong(number: int, what: str, fix: str) -> ConfigurationError:
    return ConfigurationError(what, where=f"sinks, entry {number}", fix=fix)
