"""What crosses between this process and its workers: functions, shards, results and errors, as bytes."""

from __future__ import annotations

import pickle
import traceback
from itertools import pairwise
from typing import Any

from batch_platform.errors import EngineError, UnexpectedError, chain, first_line, is_transient

_FIX = "use worker threads, or keep it in a module that can be imported and hold nothing open"


def pack(value: Any, what: str) -> bytes:
    """A value as bytes.

    Raises:
        EngineError: it cannot be sent to another process.
    """
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # whatever an object's own methods raise
        raise EngineError(f"{what} cannot be sent to a process: {first_line(error)}", fix=_FIX) from error


def unpack(data: bytes, what: str) -> Any:
    """The value of such bytes, which came from a process of our own.

    Raises:
        EngineError: what it is made of cannot be imported here.
    """
    try:
        return pickle.loads(data)
    except Exception as error:  # whatever importing a module may raise
        raise EngineError(f"{what} cannot be received by a process: {first_line(error)}", fix=_FIX) from error


def pack_error(error: BaseException) -> bytes:
    """An error and all that led to it; the worker's traceback goes along as a note."""
    error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)).rstrip())
    return pickle.dumps([_pack_link(link) for link in chain(error)])


def unpack_error(data: bytes) -> BaseException:
    """An error that `pack_error` packed, with its causes."""
    links: list[BaseException] = [pickle.loads(link) for link in pickle.loads(data)]
    for link, cause in pairwise(links):
        link.__cause__ = cause
    return links[0]


def _pack_link(link: BaseException) -> bytes:
    try:
        packed = pickle.dumps(link)
        pickle.loads(packed)
    except Exception:  # an error of a library whose own class cannot be copied
        described = f"{type(link).__name__}: {first_line(link)}"
        stand_in = UnexpectedError(described, fix="see the traceback", transient=is_transient(link))
        for note in getattr(link, "__notes__", ()):
            stand_in.add_note(note)
        return pickle.dumps(stand_in)
    return packed
