"""What a model is configured to be, as values.

Belongs here: what its settings may say. Does not belong here: their names, and how those of several files are laid
over one another (`settings.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeVar

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence
from batch_platform.sql.labels import json_able, owner_in, owners, tags
from batch_platform.sql.settings import Layer, mapping, texts

_SPAN = re.compile(r"[1-9]\d{0,5} (hour|day|week|month)s?", re.ASCII)
_MICROBATCH = "declare lookback and cadence; a partition is a batch"
_Value = TypeVar("_Value")


class Materialization(StrEnum):
    """How a model's rows are kept."""

    TABLE = "table"
    VIEW = "view"
    EPHEMERAL = "ephemeral"
    INCREMENTAL = "incremental"


class Strategy(StrEnum):
    """How the rows of a plain incremental model are added to those that are there."""

    APPEND = "append"
    DELETE_INSERT = "delete+insert"
    MERGE = "merge"


@dataclass(frozen=True)
class ModelConfig:
    """What a model is configured to be.

    Args:
        materialized: how its rows are kept.
        key: the columns that identify a row; `unique_key` is the same.
        lookback: table, or `this` -> a number of its newest known partitions, or a text such as '28 days'.
        cadence: how often it gets a partition; None where its inputs tell.
        start: the key of its first partition; None where its inputs tell.
        tags: names to select it by.
        owners: who is told about it: addresses and `team:name`.
        enabled: False leaves it out.
        full_refresh: True builds a plain incremental model anew each time; False and None add to its rows.
        on_schema_change: as dbt spells it. Whatever it says, rows are not added to a table with other columns.
        incremental_strategy: how a plain incremental model adds rows: `append` keeps all that are there, the others
            and None replace those with the same key.
        contract_enforced: whether its columns must be those that are declared.
        meta: whatever else a team keeps with it, as JSON can say it.
    """

    materialized: Materialization = Materialization.TABLE
    key: tuple[str, ...] = ()
    lookback: Mapping[str, int | str] = field(default_factory=dict, hash=False)
    cadence: Cadence | None = None
    start: str | None = None
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    enabled: bool = True
    full_refresh: bool | None = None
    on_schema_change: str = "ignore"
    incremental_strategy: Strategy | None = None
    contract_enforced: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict, hash=False)


_CHANGES = ("ignore", "fail")
_ALTERING = ("append_new_columns", "sync_all_columns")


def model_config(settings: Layer, tables: Iterable[str], default: Materialization) -> ModelConfig:
    """A model's settings as values.

    Args:
        settings: what all layers say together.
        tables: the tables that the model reads, for the names in `lookback`.
        default: how its rows are kept where nothing is said.

    Raises:
        ConfigurationError: a setting is not of its kind, at the place that says it.
    """

    def read(name: str, reader: Callable[[str, Any], _Value], otherwise: _Value) -> _Value:
        setting = settings.get(name)
        if setting is None or setting.value is None:  # null says nothing, as in dbt
            return otherwise
        try:
            return reader(name, setting.value)
        except ConfigurationError as error:
            raise ConfigurationError(error.what, where=setting.where, fix=error.fix) from None

    nothing: dict[str, Any] = {}
    return ModelConfig(
        materialized=read("materialized", _choice(Materialization), default),
        key=read("key", _columns, ()),
        lookback=MappingProxyType(read("lookback", _lookback(tuple(tables)), {})),
        cadence=read("cadence", _choice(Cadence), None),
        start=read("start", _date, None),
        tags=read("tags", tags, ()),
        owners=read("owners", owners, read("meta", owner_in, ())),
        enabled=read("enabled", _flag, True),
        full_refresh=read("full_refresh", _flag, None),
        on_schema_change=read("on_schema_change", _schema_change, "ignore"),
        incremental_strategy=read("incremental_strategy", _strategy, None),
        contract_enforced=read("contract", _enforced, False),
        meta=MappingProxyType(read("meta", json_able, nothing)),
    )


def _choice(kind: type[_Value]) -> Callable[[str, Any], _Value]:
    known = [str(member) for member in kind]  # type: ignore[attr-defined]

    def read(name: str, value: Any) -> _Value:
        _one_of(known)(name, value)
        return kind(value)  # type: ignore[call-arg]

    return read


def _one_of(known: Iterable[str]) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise ConfigurationError(f"{name} is {value!r}", fix=f"use {', '.join(known)}")
        return value

    return read


def _strategy(name: str, value: Any) -> Strategy:
    if value == "microbatch":
        raise ConfigurationError("incremental_strategy microbatch is not supported", fix=_MICROBATCH)
    return _choice(Strategy)(name, value)


def _schema_change(name: str, value: Any) -> str:
    if value in _ALTERING:
        raise ConfigurationError(
            f"on_schema_change {value} is not supported: a table keeps its columns",
            fix="use fail; where columns change, build the table anew once with full_refresh=true",
        )
    return _one_of(_CHANGES)(name, value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {value!r}", fix="use true or false")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} is {value!r}", fix="write it as text")
    return value


def _date(name: str, value: Any) -> str:
    """A key; YAML turns an unquoted date into one."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return _text(name, value)


def _columns(name: str, value: Any) -> tuple[str, ...]:
    try:
        found = texts(name, value)
    except ConfigurationError:
        found = ()
    if not found or not all(found) or len(set(found)) != len(found):
        raise ConfigurationError(f"the {name} {value!r} names no columns", fix="key=['column', ...]")
    return found


def _enforced(name: str, value: Any) -> bool:
    return _flag(name, value if isinstance(value, bool) else mapping(name, value).get("enforced", False))


def _lookback(tables: tuple[str, ...]) -> Callable[[str, Any], dict[str, int | str]]:
    def read(name: str, value: Any) -> dict[str, int | str]:
        if not isinstance(value, Mapping):
            raise ConfigurationError("lookback is not a mapping", fix="lookback={'table': 28}")
        found: dict[str, int | str] = {}
        for own, reach in value.items():
            table = "this" if own == "this" else next((t for t in tables if own in (t, t.split("/")[1])), None)
            if table is None:
                raise ConfigurationError(f"lookback names {own!r}, which the model does not read")
            whole = isinstance(reach, int) and not isinstance(reach, bool) and reach >= 1
            if not whole and not (isinstance(reach, str) and _SPAN.fullmatch(reach)):
                raise ConfigurationError(
                    f"lookback of {own!r} is {reach!r}", fix="use 1 or more partitions, or a text such as '28 days'"
                )
            found[table] = reach
        return found

    return read
