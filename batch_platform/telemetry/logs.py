"""The platform's own log: one logger, lines on standard error, as text or as JSON with the ids of what they are about.

Belongs here: how a line looks, how fields are bound to whatever is logged beneath, switching it on. Does not belong
here: what a run tells Dagster. The logger hands nothing on to Dagster's managed Python loggers: with events in SQLite
these wait for each other forever. Events hold ids, counts and times; never row content, options or addresses.

`BATCH_PLATFORM_LOG` holds words between commas: `json` for JSON lines, `debug` to see those, too, `off` for none.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

LOG = "BATCH_PLATFORM_LOG"
NAME = "batch_platform"

Field = str | int | float | bool | None

_logger = logging.getLogger(NAME)
_logger.addHandler(logging.NullHandler())  # silent until it is switched on
_logger.propagate = False
_BOUND: ContextVar[Mapping[str, Field]] = ContextVar("log fields", default={})  # noqa: B039 - it is never changed


def configure_logs(setting: str | None = None) -> None:
    """Switch the log on as `BATCH_PLATFORM_LOG` wants it, or as `setting` does; again is as good as once.

    An unknown word is told of and changes nothing: no run fails for its log.
    """
    words = {word.strip().lower() for word in (os.environ.get(LOG, "") if setting is None else setting).split(",")}
    handler: logging.Handler = logging.NullHandler() if "off" in words else _StandardError()
    handler.setFormatter(JsonLines() if "json" in words else PlainLines())
    for old in [old for old in _logger.handlers if isinstance(old, _StandardError | logging.NullHandler)]:
        _logger.removeHandler(old)
    _logger.addHandler(handler)
    _logger.setLevel(logging.DEBUG if "debug" in words else logging.INFO)
    unknown = sorted(words - {"", "json", "debug", "off"})
    if unknown:
        log("unknown_log_setting", level=logging.WARNING, variable=LOG, words=", ".join(unknown))


def log(event: str, *, level: int = logging.INFO, **fields: Field) -> None:
    """Log what happened.

    Args:
        event: a name in snake case, the same for the same kind of event: `shard_scored`.
        level: one of the standard levels.
        fields: figures and ids: `partition`, `shard`, `rows`, `seconds`. Those that are bound are added.
    """
    if _logger.isEnabledFor(level):
        _logger.log(level, event, extra={"fields": {**_BOUND.get(), **fields}})


def bound_fields() -> Mapping[str, Field]:
    """The fields that are added to each line of this thread."""
    return _BOUND.get()


@contextmanager
def bound(**fields: Field) -> Iterator[None]:
    """Add fields to whatever this thread logs meanwhile: `with bound(run=run.run_id, table=name):`."""
    token = _BOUND.set({**_BOUND.get(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(token)


class JsonLines(logging.Formatter):
    """A JSON object a line: `ts` (UTC, ISO 8601), `level`, `event`, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {"ts": _time(record), "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps({**_fields(record), **line} | _traceback(self, record), ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """For people: `12:30:05 info shard_scored partition=2026-01-05 rows=262144`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback beneath if there is one."""
        fields = "".join(f" {name}={_plain(value)}" for name, value in _fields(record).items())
        line = f"{_time(record)[11:19]} {record.levelname.lower()} {record.getMessage()}{fields}"
        return "\n".join([line, *_traceback(self, record).values()])


class _StandardError(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what standard error is at the time: Dagster redirects it for the length of a step."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self):  # type: ignore[no-untyped-def]
        return sys.stderr


def _fields(record: logging.LogRecord) -> Mapping[str, Field]:
    found: Mapping[str, Field] = getattr(record, "fields", {})
    return found


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _plain(value: Field) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(sign in text for sign in ' "\n\r\t') else text


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, str]:
    return {"traceback": formatter.formatException(record.exc_info)} if record.exc_info else {}
