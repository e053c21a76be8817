"""How a prediction table is scored: batches, shards, workers, device and memory. None of it changes what comes out.

Belongs here: the settings, their defaults and their limits. Does not belong here: acting on them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from batch_platform.engines.base import WorkerKind
from batch_platform.errors import ConfigurationError
from batch_platform.lake.data_file import ROW_GROUP_ROWS
from batch_platform.models.runtimes.base import BATCH_ROWS
from batch_platform.resources import parse_bytes

SHARD_ROWS = 262_144
"""Rows of a shard: small enough that idle workers find one to take, large enough that a file is worth its name."""

_DEVICES = re.compile(r"cpu|auto|cuda(:\d+)?")


@dataclass(frozen=True)
class ScoringOptions:
    """What `scoring:` in YAML may set.

    Args:
        batch_rows: rows that the model sees at once. Another number may change the last bits of a score, so it is part
            of what a shard is named after.
        shard_rows: rows of a shard, about; a shard ends where a row group of the feature file does.
        workers: None is one for each processor.
        worker_kind: threads or processes; None leaves it to the model, see `Runtime.holds_lock`.
        device: `cpu`, `cuda`, `cuda:1`, or `auto`: cuda where there is one.
        memory: bytes that scoring may take beside what the process needs anyway; None is a quarter of the machine's.
    """

    batch_rows: int = BATCH_ROWS
    shard_rows: int = SHARD_ROWS
    workers: int | None = None
    worker_kind: WorkerKind | None = None
    device: str = "cpu"
    memory: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("batch_rows", 1), ("shard_rows", 1), ("workers", 1), ("memory", 1 << 26)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigurationError(f"scoring.{name} is {value}", fix=f"set {least} or more")
        if self.batch_rows > ROW_GROUP_ROWS:
            raise ConfigurationError(
                f"scoring.batch_rows is {self.batch_rows}", fix=f"set {ROW_GROUP_ROWS} or less: a row group's rows"
            )
        if not _DEVICES.fullmatch(self.device):
            raise ConfigurationError(f"scoring.device is {self.device!r}", fix="use cpu, cuda, cuda:0 or auto")

    @classmethod
    def declared(cls, *, memory: str | None, worker_kind: str | None, **fields: Any) -> ScoringOptions:
        """The settings as YAML spells them: memory as `2GB`, the kind of workers by name.

        Raises:
            ConfigurationError: one makes no sense.
        """
        size = None if memory is None else parse_bytes(memory)
        if memory is not None and size is None:
            raise ConfigurationError(f"scoring.memory is {memory!r}", fix="write it like 2GB or 512MiB")
        return cls(memory=size, worker_kind=WorkerKind(worker_kind) if worker_kind else None, **fields)
