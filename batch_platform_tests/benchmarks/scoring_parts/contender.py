"""What a contender of the scoring benchmark is, and the list of them.

Belongs here: the interface, and what several contenders share. Does not belong here: any way of scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa

from batch_platform_tests.benchmarks.scoring_parts.job import LEVELS, NUMBERS, Job

SCORE = "probability"
"""The column of the scores in every contender's files; the governed path's is called the same."""

WORKERS = 2

MALLOC = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}
"""Keeps glibc from giving memory back to the system after every batch, which can cost a third of the time."""

_MODULES = {
    "floor": "floor",
    "governed": "governed",
    "pandas": "peers.pandas_loop",
    "dask": "peers.dask_threads",
    "ray": "peers.ray_data",
    "spark": "peers.spark_arrow",
}
NAMES = tuple(_MODULES)


Work = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class Contender:
    """One way of scoring the rows of a job.

    Args:
        title: how the tables call it.
        settings: what was set so that it does well, in words.
        ready: imports and starts what it needs; the function that it gives does the work, and that alone is measured
            as work. It returns CPU-seconds by phase, where it knows them.
        libraries: the modules that must be installed beside the platform's own.
        environment: variables of its process.
    """

    title: str
    settings: str
    ready: Callable[[Job], AbstractContextManager[Work]]
    libraries: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def lacking(self) -> tuple[str, ...]:
        """The libraries that are not installed."""
        return tuple(name for name in self.libraries if find_spec(name) is None)


def contender_named(name: str) -> Contender:
    """One of `NAMES`."""
    module = import_module(f"{__package__}.{_MODULES[name]}")
    found: Contender = module.CONTENDER
    return found


@cache
def eager_model(folder: Path) -> Any:
    """The trained network as torch runs it, loaded and tried once for each process, with one torch thread."""
    import torch

    from batch_platform.models import artifact

    torch.set_num_threads(1)
    model = artifact.load(folder, None)
    # The first prediction imports and builds what later ones use.
    missing = {**dict.fromkeys(NUMBERS, pa.nulls(1, pa.float32())), **dict.fromkeys(LEVELS, pa.nulls(1, pa.string()))}
    model.predict(pa.table(missing))
    return model
