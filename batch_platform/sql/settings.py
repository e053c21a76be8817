"""The settings of models and seeds: their names, and how what several files say is laid over one another.

Belongs here: settings as they are written. Does not belong here: what they mean (`config.py`, `seeds.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from batch_platform.errors import ConfigurationError
from batch_platform.sql.refusals import CONFIG_KEYS, IGNORED
from batch_platform.sql.templates import has_jinja


@dataclass(frozen=True)
class Setting:
    """One value as it was written, and where: `file:line`."""

    value: Any
    where: str


Layer = Mapping[str, Setting]
"""What one place says, by setting."""

MODEL_SETTINGS = frozenset(
    {
        "materialized", "key", "lookback", "cadence", "start", "tags", "owners", "enabled", "full_refresh",
        "on_schema_change", "incremental_strategy", "contract", "meta",
    }
)  # fmt: skip
"""The settings of a model; `unique_key` and `owner` are other spellings."""

TEST_SETTINGS = frozenset({"severity", "warn_if", "error_if", "where", "limit", "fail_calc", "enabled", "tags", "meta"})
"""The settings of a test."""

SEED_SETTINGS = frozenset({"column_types", "delimiter", "quote_columns", "enabled", "tags", "meta", "full_refresh"})
"""The settings of a seed."""

_SPELLINGS = {"unique_key": "key"}


def setting_name(name: str) -> str:
    """The name of a setting without its `+`, with underscores, in this project's spelling."""
    plain = name.removeprefix("+").replace("-", "_")
    return _SPELLINGS.get(plain, plain)


def written(value: Any, where: str) -> Setting:
    """A value of a YAML file as a setting.

    Raises:
        ConfigurationError: it holds a template; only descriptions may.
    """
    if has_jinja(str(value)):
        raise ConfigurationError(f"{value!r} is a template, and this file is none", where=where, fix="write the value")
    return Setting(value, where)


def accepted(name: str, known: frozenset[str], where: str) -> str | None:
    """A setting's name in this project's spelling; None for one that is accepted and changes nothing.

    Raises:
        ConfigurationError: it is refused by name, or unknown.
    """
    plain = setting_name(name)
    if plain in known:
        return plain
    if plain in CONFIG_KEYS:
        raise ConfigurationError(f"{plain} {CONFIG_KEYS[plain].what}", where=where, fix=CONFIG_KEYS[plain].fix)
    if plain in IGNORED:
        return None
    raise ConfigurationError(f"config() has no {name!r}", where=where, fix=f"it takes {', '.join(sorted(known))}")


def laid_over(layers: Iterable[Layer]) -> dict[str, Setting]:
    """The settings of all layers, later over earlier: tags add up and meta is merged, as dbt does it."""
    found: dict[str, Setting] = {}
    for layer in layers:
        for name, setting in layer.items():
            earlier, value, where = found.get(name), setting.value, setting.where
            if value is None and name in ("tags", "meta"):
                continue
            if name == "tags":
                value = texts(name, value, setting.where)
                value = list(dict.fromkeys([*(earlier.value if earlier else ()), *value]))
                # One of them may be refused later: any of the places may have said it.
                places = [*(earlier.where.split(", ") if earlier else ()), *where.split(", ")]
                where = ", ".join(dict.fromkeys(places))
            elif name == "meta" and earlier and isinstance(value, Mapping) and isinstance(earlier.value, Mapping):
                value = {**earlier.value, **value}
            found[name] = Setting(value, where)
    return found


def is_enabled(settings: Layer) -> bool:
    """Whether settings leave a model or seed in."""
    setting = settings.get("enabled")
    if setting is not None and not isinstance(setting.value, bool):
        raise ConfigurationError(f"enabled is {setting.value!r}", where=setting.where, fix="use true or false")
    return setting is None or bool(setting.value)


def texts(name: str, value: Any, where: str = "") -> tuple[str, ...]:
    """A text or a list of texts, as texts."""
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(item, str) for item in found):
        raise ConfigurationError(f"{name} is {value!r}", where=where, fix="write a text or a list of texts")
    return tuple(found)


def mapping(name: str, value: Any) -> dict[str, Any]:
    """A mapping, as a dictionary."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} is not a mapping", fix=f"{name}={{'name': value}}")
    return dict(value)
