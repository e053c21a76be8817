"""The partitions of a model, and what it sees of its own past.

Belongs here: what follows from a model's settings and the calendars of its inputs. Does not belong here: the rule by
which several calendars make one (`timelines/common_calendar.py`), and finding the inputs (`catalog.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Calendar, Offset
from batch_platform.sql.model import SqlModel
from batch_platform.timelines import Reading, Timeline
from batch_platform.timelines.common_calendar import calendar_of

THIS = "this"
"""What a model calls itself in `lookback`."""

Lookbacks = Mapping[str, int | str | None]
"""How far back each table is read."""


def own_calendar(model: SqlModel, calendars: Mapping[str, Calendar | None], lookbacks: Lookbacks) -> Calendar | None:
    """The model's partitions, None where nothing that it reads has any.

    Args:
        model: the model.
        calendars: of all that it reads.
        lookbacks: how far back it reads each.

    Raises:
        ConfigurationError: its inputs and its settings give none.
    """
    own = [calendar for table, calendar in calendars.items() if calendar and lookbacks[table] is None]
    back = [calendar for table, calendar in calendars.items() if calendar and lookbacks[table] is not None]
    if own or back:
        return _beginning(model, calendar_of(own, back, model.config.cadence, str(model.path)))
    if model.config.cadence:
        fix = "leave the cadence out"
        raise ConfigurationError("reads no partitioned table", where=f"{model.path}:1", fix=fix)
    return None


def _beginning(model: SqlModel, calendar: Calendar) -> Calendar:
    """A model's calendar, which may begin later than its inputs do."""
    start, where = model.config.start, f"{model.path}:1"
    if start is None:
        return calendar
    try:
        own = replace(calendar, start=start)
    except ConfigurationError as error:
        raise ConfigurationError(error.what, where=where, fix=error.fix) from None
    if own.first < calendar.first:
        raise ConfigurationError(
            f"starts at {start}, before its inputs do", where=where, fix=f"use {calendar.first} or later"
        )
    return own


def own_past(model: SqlModel, calendar: Calendar | None, known_at: Offset) -> Reading:
    """What a model sees of itself: its earlier partitions, or what a table without partitions holds.

    Raises:
        ConfigurationError: it does not say how many.
    """
    if calendar is None:
        return Reading(Timeline(model.table, None, None))
    count = model.lookback.get(THIS)
    if isinstance(count, str):
        raise ConfigurationError(
            f"lookback of 'this' is {count!r}", where=f"{model.path}:1", fix="give a number of its partitions"
        )
    if count is None:
        raise ConfigurationError(
            "reads itself without saying how many of its earlier partitions",
            where=f"{model.path}:1",
            fix="add lookback={'this': 1} to config()",
        )
    return Reading(Timeline(model.table, calendar, known_at), count, 1)


def line_of(model: SqlModel, table: str) -> str:
    """Where a model's SQL names a table, as `file:line`; its file alone where it is not the SQL that does."""
    try:
        return f"{model.path}:{model.line_of(table)}"
    except KeyError:
        return str(model.path)
