"""What a worker process does: receive a function once, then shards one by one, and send back what comes of each.

A process of ours has one connection. It carries the setup, then shards to the worker and answers back; while the worker
computes, nothing is sent to it but the wish that it stops. When the other end is gone, so is the worker at once, in the
middle of whatever it does: a run that was killed leaves no processes behind.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection

from batch_platform.engines.cancellation import cancelled_by
from batch_platform.engines.crossing import pack, pack_error, unpack
from batch_platform.errors import Cancelled
from batch_platform.telemetry.logs import Field, bound, configure_logs


class Answer(Enum):
    """What became of a shard."""

    RESULT = b"r"
    ERROR = b"e"


@dataclass(frozen=True)
class Setup:
    """What a worker is told first.

    Args:
        function: packed.
        fields: what its log lines carry.
    """

    function: bytes
    fields: dict[str, Field]


STOP = b""
"""Sent instead of a shard."""


@dataclass(frozen=True)
class _Told:
    """Set once anything arrives while the worker is busy: then it was told to stop."""

    connection: Connection

    def is_set(self) -> bool:
        return self.connection.poll()


def serve(descriptor: int) -> None:
    """Work until told to stop; `descriptor` is this end of the connection."""
    connection = Connection(descriptor)
    threading.Thread(target=_end_with, args=(descriptor,), daemon=True).start()
    # First, for all that comes after may lie there.
    sys.path[:] = unpack(connection.recv_bytes(), "the path of modules")
    setup: Setup = unpack(connection.recv_bytes(), "the setup")
    configure_logs()
    # Without the other end there is nobody to tell of it.
    gone = suppress(Cancelled, EOFError, OSError)
    with cancelled_by(_Told(connection)), bound(**setup.fields), gone:
        _work(connection, setup.function)


def _work(connection: Connection, packed: bytes) -> None:
    function = None
    while (message := connection.recv_bytes()) != STOP:
        try:
            # Once, but where its failure can be answered: importing what the function is made of may fail.
            if function is None:
                function = unpack(packed, "the function")
            answer = Answer.RESULT.value + pack(function(unpack(message, "a shard")), "a result")
        except Cancelled:
            raise
        except BaseException as error:
            answer = Answer.ERROR.value + pack_error(error)
        connection.send_bytes(answer)


def _end_with(descriptor: int) -> None:
    """End this process as soon as the other end of the connection is closed, whatever it is doing."""
    poll = select.poll()
    poll.register(descriptor, 0)
    poll.poll()
    os._exit(1)
