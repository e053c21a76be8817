"""How much memory this process holds, and held at most, in bytes.

Belongs here: measuring resident memory. Does not belong here: budgets, or what to do when one is exceeded.
"""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_KIBIBYTE = 1024


def resident_bytes(children: bool = False) -> int:
    """Resident memory now.

    Args:
        children: whether to add that of the processes which this one started, and of theirs. Pages that two of them
            share count twice. Where there is no `/proc` they are not seen.
    """
    return _total("VmRSS", children) or peak_bytes()


def peak_bytes(children: bool = False) -> int:
    """The most resident memory that the process has held since it began.

    Args:
        children: whether to add the peaks of the processes which this one started and which still run, and of theirs:
            an upper bound, for peaks need not fall together.
    """
    return _total("VmHWM", children) or _most_ever()


def _most_ever() -> int:
    # In kibibytes everywhere but on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else _KIBIBYTE)


def _total(field: str, children: bool) -> int:
    own = os.getpid()
    return sum(_status(process, field) for process in ([own, *_descendants(own)] if children else [own]))


def _status(process: int, field: str) -> int:
    """A figure of a process's status; 0 if it has ended, or where there is no `/proc`."""
    with suppress(OSError):
        for line in (_PROC / str(process) / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.split()[0]) * _KIBIBYTE
    return 0


def _descendants(process: int) -> list[int]:
    children: dict[int, list[int]] = {}
    with suppress(OSError):
        for entry in _PROC.iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    # The name stands in brackets and may hold anything; the parent is the second field behind it.
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                    children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [process]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found
