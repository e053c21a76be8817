"""What Linux tells about processes: who belongs together, their CPU-seconds, their memory.

Belongs here: reading `/proc`, and ending what a finished process left. Does not belong here: what runs in them.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE_SECONDS = 0.25
_GRACE_SECONDS, _POLL_SECONDS = 15.0, 0.05


def reaped() -> float:
    """CPU-seconds of all children that have ended, and of theirs."""
    times = os.times()
    return times.children_user + times.children_system


def tree_cpu_seconds() -> float:
    """CPU-seconds so far of this process, of its descendants, and of those of them that were waited for."""
    own = os.getpid()
    others = [_stat(pid) for pid in family(own) if pid != own]
    return time.process_time() + reaped() + sum(stat.own + stat.waited_for for stat in others)


@dataclass(frozen=True)
class _Stat:
    """A process as /proc shows it: its parent, its session, its CPU-seconds, those of children it waited for."""

    parent: int = 0
    session: int = 0
    own: float = 0.0
    waited_for: float = 0.0
    ended: bool = True


def _stat(pid: int) -> _Stat:
    """Zeros if it is gone."""
    try:
        # The name, in brackets, may hold anything; what follows it does not.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return _Stat()
    user, system, waited_user, waited_system = (int(field) / _TICKS for field in fields[11:15])
    return _Stat(int(fields[1]), int(fields[3]), user + system, waited_user + waited_system, fields[0] in "ZX")


def family(root: int) -> list[int]:
    """The living processes that descend from a process, or are in the session that it leads, and itself."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    found = [root]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (pid := int(entry.name)) != root:
            stat = _stat(pid)
            # A process whose parent ended has another parent, but is still in the session.
            (found if stat.session == root else children[stat.parent]).append(pid)
    for pid in found:
        found += children.pop(pid, [])
    return found


def peak_megabytes() -> float:
    """The most memory that was ever resident in this process; what `getrusage` says begins with that of the parent."""
    return _status(os.getpid(), "VmHWM")


def resident_megabytes(pid: int) -> float:
    """The memory that is resident in a process now; 0 once it is gone."""
    return _status(pid, "VmRSS")


def _status(pid: int, name: str) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def _shared_megabytes(pids: Sequence[int]) -> float:
    """The memory of several processes together; a page that n of them share counts 1/n in each."""
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


class Watch:
    """Samples a process and all that belongs to it while the block runs; afterwards none of them is left.

    Args:
        root: the process, the leader of a session of its own.
        grace: seconds that the others have to end once it has ended, before they are killed.

    Attributes:
        seen: CPU-seconds of every process that was seen, up to its last sample.
        megabytes: see `Usage`; 0 if it was always a single process.
    """

    def __init__(self, root: int, grace: float = _GRACE_SECONDS) -> None:
        self._root, self._grace, self._over = root, grace, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.seen: dict[int, float] = {}
        self.megabytes = 0.0

    @property
    def cpu_seconds(self) -> float:
        """CPU-seconds of all processes that were seen, up to the last sample of each."""
        return sum(self.seen.values())

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        until = time.monotonic() + self._grace
        while left := self.left():
            for pid in left if time.monotonic() > until else ():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_SECONDS)
        self._over.set()
        self._thread.join()

    def left(self) -> list[int]:
        """The processes of the session that were seen and have not ended."""
        stats = ((pid, _stat(pid)) for pid in list(self.seen))
        return [pid for pid, stat in stats if stat.session == self._root and not stat.ended]

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            pids = family(self._root)
            # A new process may still be the image of the one that made it, whose memory would count twice.
            old = [pid for pid in pids if pid in self.seen]
            self.seen |= {pid: stat.own for pid in pids if (stat := _stat(pid)).parent}
            if len(old) > 1:
                self.megabytes = max(self.megabytes, _shared_megabytes(old))
