"""How much of the machine SQL may take: memory, threads, and a folder for what does not fit into memory.

Belongs here: these limits and their defaults. Does not belong here: how they are spelled (`settings.py`), and what
runs within them.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batch_platform.errors import ConfigurationError, first_line

_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

LEAST_MEMORY = 100_000_000
"""Bytes below which DuckDB cannot work."""

_BYTES = {
    f"{unit}{end}": base**power for power, unit in enumerate("KMGT", 1) for end, base in (("B", 1000), ("iB", 1024))
}


@dataclass(frozen=True)
class Resources:
    """What the queries of one build may take.

    Args:
        memory: bytes; None is 60% of what the machine, or the container, has.
        spill: the folder under which rows lie that do not fit; None is the machine's folder for temporary files.
        threads: None is one for each core.
    """

    memory: int | None = None
    spill: Path | None = None
    threads: int | None = None

    @property
    def memory_bytes(self) -> int:
        """The limit in bytes."""
        return self.memory or max(LEAST_MEMORY, machine_memory() * 6 // 10)

    @property
    def settings(self) -> dict[str, str | int | bool]:
        """The limits as DuckDB takes them when it is opened."""
        threads = {} if self.threads is None else {"threads": self.threads}
        return {"memory_limit": f"{self.memory_bytes // 1000}KB", **threads}

    @contextmanager
    def spilling(self) -> Iterator[Path]:
        """A folder of its own, gone afterwards with all that lies in it.

        Raises:
            ConfigurationError: there can be none.
        """
        parent = self.spill or Path(tempfile.gettempdir())
        folder = parent / f"spill-{uuid.uuid4().hex[:12]}"
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise ConfigurationError(
                f"no folder for spilled rows can be made: {first_line(error)}", where=str(parent), fix="name another"
            ) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def parse_bytes(text: str) -> int | None:
    """A number of bytes, spelled as `4GB`, `512MiB` or `1.5GB`; None if it is spelled otherwise."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]i?B)", text.strip(), re.ASCII)
    return int(float(match[1]) * _BYTES[match[2]]) if match else None


def machine_memory() -> int:
    """Bytes of memory that this machine has, or that its container may use."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in _CGROUPS:
        try:
            found.append(int(limit.read_text("ascii")))
        except (OSError, ValueError):  # it is not there, or says "max"
            continue
    return min(found)
