"""What is shown with a model and changes none of its rows: tags, owners, and whatever a team keeps in `meta`.

Belongs here: what these may say, so that the UI takes them. Does not belong here: settings that decide about rows
(`config.py`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from batch_platform.errors import ConfigurationError
from batch_platform.sql.settings import mapping, texts

# What Dagster takes: a tag may stand in a namespace; an owner is an address, or a team of any name.
_TAG = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_RESERVED = ("dagster/", "batch_platform/")
_ADDRESS = re.compile(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}\b")
_TEAM = re.compile(r"\w[\w.-]*( [\w.-]+)*")


def tags(name: str, value: Any) -> tuple[str, ...]:
    """Tags as they are written.

    Raises:
        ConfigurationError: one of them is none that the UI takes.
    """
    found = texts(name, value)
    for tag in found:
        if not _TAG.fullmatch(tag) or tag.startswith(_RESERVED):
            raise ConfigurationError(
                f"{tag!r} cannot be a tag",
                fix="use letters, digits, '_', '-' and '.', at most 63, if need be behind a namespace and '/'",
            )
    return found


def owners(name: str, value: Any) -> tuple[str, ...]:
    """Owners as addresses and `team:name`; any other name is a team's.

    Raises:
        ConfigurationError: one of them is neither an address nor the name of a team.
    """
    return tuple(_owner(text) for text in texts(name, value))


def owner_in(name: str, meta: Any) -> tuple[str, ...]:
    """The owner that `meta` names in dbt's way; anything but a text there is a note of the team's own."""
    named = mapping(name, meta).get("owner")
    return (_owner(named),) if isinstance(named, str) else ()


def json_able(name: str, value: Any) -> dict[str, Any]:
    """A mapping as JSON can say it: what it has no word for, such as a date, becomes text."""
    found = _plain(mapping(name, value))
    assert isinstance(found, dict)
    return found


def _plain(value: Any) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _owner(text: str) -> str:
    if _ADDRESS.fullmatch(text):
        return text
    if not _TEAM.fullmatch(text.removeprefix("team:")):
        raise ConfigurationError(f"{text!r} cannot be an owner", fix="write an e-mail address, or team:name")
    return f"team:{text.removeprefix('team:')}"
