"""Workers that are processes of their own, each with a connection of its own.

They are new Python processes: not copies of this one, whose threads and locks a copy would inherit, and they do not
import the script that was started. No lock or queue is shared between them, so that one that is killed stops nobody:
its connection ends, and that is told. What a worker does with its connection stands in `worker.py`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path

from batch_platform.engines.base import ReceiptT, ShardT
from batch_platform.engines.compute_threads import ENVIRONMENT
from batch_platform.engines.crossing import pack, unpack, unpack_error
from batch_platform.engines.worker import STOP, Answer, Setup
from batch_platform.errors import EngineError
from batch_platform.telemetry.logs import bound_fields

GRACE_SECONDS = 5.0
"""How long a worker that was told to stop may take to come to the end of its batch."""
_LOOK_SECONDS = 1.0

_START = "import sys; sys.path.insert(0, {home!r}); from batch_platform.engines.worker import serve; serve({end})"
_HOME = str(Path(__file__).parents[2])


def map_in_processes(
    function: Callable[[ShardT], ReceiptT], shards: Sequence[ShardT], workers: int
) -> Iterator[ReceiptT]:
    """Results of a function as they finish; see `Engine.map`.

    Raises, beside what the function raises:
        EngineError: a worker was killed, or what it needs cannot be sent to it.
    """
    setup = pack(Setup(pack(function, "the function"), dict(bound_fields())), "the setup")
    todo = (pack(shard, "a shard") for shard in shards)
    staff: list[_Worker] = []
    try:
        first = list(islice(todo, workers))
        for _ in first:  # all begin before the first is waited for
            staff.append(_Worker.started())
        for worker, shard in zip(staff, first, strict=True):
            worker.send(pack(sys.path, "the path of modules"), setup, shard)
        yield from _results({worker.connection: worker for worker in staff}, todo)
    finally:
        _dismiss(staff)


def _results(busy: dict[Connection, _Worker], todo: Iterator[bytes]) -> Iterator[ReceiptT]:
    """Results until all workers are idle; each gets the next shard before its result is handed on."""
    failed: BaseException | None = None
    while busy:
        for worker in _ready(busy):
            kind, data = worker.answer()
            shard = None if failed else next(todo, None)
            if kind is Answer.ERROR:
                failed = failed or unpack_error(data)
                shard = None
            if shard is None:
                del busy[worker.connection]
            else:
                worker.send(shard)
            if failed is None:
                yield unpack(data, "a result")
    if failed is not None:
        raise failed


def _ready(busy: dict[Connection, _Worker]) -> list[_Worker]:
    """Workers that have answered or ended; waits for one."""
    while True:
        ready = wait(list(busy), _LOOK_SECONDS)
        found = [worker for connection, worker in busy.items() if connection in ready]
        # The connection of a dead worker stays open if a process that it forked holds it.
        found = found or [worker for worker in busy.values() if worker.process.poll() is not None]
        if found:
            return found


@dataclass(frozen=True)
class _Worker:
    """A process and our end of its connection."""

    process: subprocess.Popen[bytes]
    connection: Connection

    @classmethod
    def started(cls) -> _Worker:
        """A new one, at the beginning of its life."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _START.format(home=_HOME, end=theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, **ENVIRONMENT},
                process_group=0,  # an interruption at the terminal is ours to pass on
            )
        return cls(process, Connection(ours.detach()))

    def send(self, *messages: bytes) -> None:
        """Send messages to a worker that waits for them."""
        try:
            for message in messages:
                self.connection.send_bytes(message)
        except OSError as error:
            raise self._ended() from error

    def answer(self) -> tuple[Answer, bytes]:
        """What became of its shard."""
        try:
            if self.process.poll() is not None and not self.connection.poll():
                raise EOFError
            message = self.connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._ended() from error
        return Answer(message[:1]), message[1:]

    def _ended(self) -> EngineError:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_SECONDS)
        code = self.process.returncode
        if code is None or code >= 0:
            return EngineError(
                f"a worker process ended with exit code {code} in the middle of a shard", fix="see what it printed"
            )
        name = signal.Signals(-code).name
        memory = "; the machine ran out of memory, if nobody killed it" if name == "SIGKILL" else ""
        return EngineError(
            f"a worker process was killed by {name} in the middle of a shard{memory}",
            fix="use fewer workers or a smaller memory budget" if memory else "see what it printed",
        )

    def told_to_stop(self) -> None:
        """Say that nothing more is wanted; whether it hears it or not."""
        with suppress(OSError):
            self.connection.send_bytes(STOP)

    def end(self) -> None:
        """See to it that the process is gone."""
        self.connection.close()  # a worker ends with it
        try:
            self.process.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.process.kill()
            self.process.wait()


def _dismiss(staff: Sequence[_Worker]) -> None:
    """End all workers: the idle ones at once, busy ones at the end of their batch, or else by force."""
    try:
        for worker in staff:
            worker.told_to_stop()
        deadline = time.monotonic() + GRACE_SECONDS
        present = {worker.connection for worker in staff}
        while present and (left := deadline - time.monotonic()) > 0:
            ready = wait(list(present), left)
            for connection in [one for one in present if one in ready]:
                # What a worker still had to say must be taken from it, or it would wait for that.
                try:
                    connection.recv_bytes()
                except (EOFError, OSError):
                    present.discard(connection)
    finally:
        for worker in staff:
            worker.end()
