"""Which calendar a model has: the partitions for which its inputs exist.

Belongs here: the rule, from the calendars of the inputs alone. Does not belong here: what each partition then reads
(`reading.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar

_FEWEST = {
    (Cadence.HOURLY, Cadence.DAILY): 23,
    (Cadence.HOURLY, Cadence.WEEKLY): 167,
    (Cadence.HOURLY, Cadence.MONTHLY): 671,
    (Cadence.DAILY, Cadence.WEEKLY): 7,
    (Cadence.DAILY, Cadence.MONTHLY): 28,
    (Cadence.WEEKLY, Cadence.MONTHLY): 4,
}
_MOST = {
    (Cadence.HOURLY, Cadence.DAILY): 25,
    (Cadence.HOURLY, Cadence.WEEKLY): 169,
    (Cadence.HOURLY, Cadence.MONTHLY): 745,
    (Cadence.DAILY, Cadence.WEEKLY): 7,
    (Cadence.DAILY, Cadence.MONTHLY): 31,
    (Cadence.WEEKLY, Cadence.MONTHLY): 5,
}


def calendar_of(
    own: Sequence[Calendar], with_lookback: Sequence[Calendar], cadence: str | None, where: str
) -> Calendar:
    """The calendar of a model that reads partitioned inputs.

    Its cadence is that of the inputs read without a lookback, unless `cadence` says another; its zone that of all
    inputs. It begins with the first partition whose window lies wholly in the time for which each input read without
    a lookback has partitions, and reaches as far ahead as they do. Where all inputs are read with a lookback, these
    decide instead.

    A finer input is taken to reach as far ahead as all its partitions of a window of the model that has the most of
    them; a coarser one as the fewest windows of the model that begin in its partitions. Rounded down, so it may be
    one less than could be, and at least 0: a month read from weeks, or an hour read from the day that holds it, still
    waits for an input that has none ahead.

    Args:
        own: the inputs read without a lookback.
        with_lookback: the other partitioned inputs.
        cadence: what the model says of its own cadence, None for nothing.
        where: the model's path, for errors.

    Raises:
        ConfigurationError: there is no such cadence, the inputs have several and the model says none, they differ in
            their time zone, or none is partitioned.
    """
    deciding = list(own or with_lookback)
    if not deciding:
        raise ConfigurationError("reads no partitioned input", where=where, fix="leave out what it says of partitions")
    zones = {calendar.timezone for calendar in (*own, *with_lookback)}
    if len(zones) > 1:
        raise ConfigurationError(
            f"reads partitions in several time zones: {_listed((*own, *with_lookback))}",
            where=where,
            fix="give its inputs one time zone: Dagster maps no partitions from one zone to another",
        )
    wanted = _cadence(own, with_lookback, cadence, where)
    ahead = min(_ahead(calendar, wanted) for calendar in deciding)
    first = max(deciding, key=lambda calendar: calendar.start_of(calendar.first).timestamp())
    if all(calendar.cadence is wanted for calendar in deciding):
        return Calendar(wanted, first.start, first.timezone, ahead)
    begin = first.start_of(first.first)
    day = f"{begin:%Y-%m-%d}-00:00" if wanted is Cadence.HOURLY else f"{begin:%Y-%m-%d}"
    try:
        start = Calendar(wanted, day, first.timezone).key_from(begin)
    except ConfigurationError as error:
        raise ConfigurationError(error.what, where=where, fix=error.fix) from error
    return Calendar(wanted, start, first.timezone, ahead)


def _cadence(own: Sequence[Calendar], with_lookback: Sequence[Calendar], cadence: str | None, where: str) -> Cadence:
    if cadence is not None:
        try:
            return Cadence(cadence)
        except ValueError as error:
            known = ", ".join(Cadence)
            raise ConfigurationError(f"there is no cadence {cadence!r}", where=where, fix=f"use {known}") from error
    if not own:
        raise ConfigurationError(
            f"reads all its partitioned inputs with a lookback ({_listed(with_lookback)}), so none tells its cadence",
            where=where,
            fix=f"say it: config(cadence='{with_lookback[0].cadence}'), or read one without a lookback",
        )
    found = [cadence for cadence in Cadence if any(calendar.cadence is cadence for calendar in own)]
    if len(found) > 1:
        raise ConfigurationError(
            f"reads partitions of several cadences without a lookback: {_listed(own)}",
            where=where,
            fix=f"say its own: config(cadence='{found[-1]}'), or give the others a lookback",
        )
    return found[0]


def _ahead(calendar: Calendar, wanted: Cadence) -> int:
    """How many partitions of the cadence `wanted` exist ahead of time if they need these of `calendar`."""
    if calendar.cadence is wanted:
        return calendar.ahead
    if calendar.cadence.finer_than(wanted):
        # Weeks do not end with months: the one that a month begins in may have begun before it.
        straddling = 1 if wanted is Cadence.MONTHLY and calendar.cadence is Cadence.WEEKLY else 0
        return max(calendar.ahead - straddling, 0) // _MOST[calendar.cadence, wanted]
    return 1 + (calendar.ahead - 1) * _FEWEST[wanted, calendar.cadence] if calendar.ahead else 0


def _listed(calendars: Sequence[Calendar]) -> str:
    return ", ".join(sorted({f"{calendar.cadence} in {calendar.timezone}" for calendar in calendars}))
