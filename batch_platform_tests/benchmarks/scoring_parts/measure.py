"""One run of a contender in a process of its own: wall seconds, CPU-seconds and peak memory of all its processes.

Belongs here: starting a contender and collecting its figures. Does not belong here: how they are read
(`processes.py`), what runs (`contender.py`), or what the figures say about each other (`comparison.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batch_platform_tests.benchmarks.scoring_parts.contender import Contender, contender_named
from batch_platform_tests.benchmarks.scoring_parts.job import Job
from batch_platform_tests.benchmarks.scoring_parts.processes import Watch, reaped

_TUNING = ("OMP_", "MKL_", "OPENBLAS_", "MALLOC_", "ARROW_")


@dataclass(frozen=True)
class Usage:
    """What one run took.

    Args:
        seconds: of the work, from everything being imported and started to the last score being written.
        cpu_seconds: of the work, by all processes.
        whole_seconds: from the start of the process to its end.
        whole_cpu_seconds: of that, by all processes.
        megabytes: the most memory at once, in units of 1e6 bytes. Of one process exactly what was resident; of several
            the largest sample of their sum, in which pages that are shared count once.
        phases: CPU-seconds of parts of the work, where the contender knows them.
    """

    seconds: float
    cpu_seconds: float
    whole_seconds: float
    whole_cpu_seconds: float
    megabytes: float
    phases: Mapping[str, float] = field(default_factory=dict)


def measured(name: str, job: Job) -> Usage:
    """Run a contender once.

    Raises:
        RuntimeError: it fails; what it printed is in the text.
    """
    contender = contender_named(name)
    command = child_command(name, job)
    began, before = time.perf_counter(), reaped()
    process = subprocess.Popen(
        command,
        env=environment(contender),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with Watch(process.pid) as watch:
        shown, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{contender.title} ended with {process.returncode}:\n{shown[-2000:]}\n{errors[-6000:]}")
    found = json.loads(shown.splitlines()[-1])
    return Usage(
        found["seconds"],
        found["cpu_seconds"],
        time.perf_counter() - began,
        # Who ends without being waited for is in the second only.
        max(reaped() - before, watch.cpu_seconds),
        max(found["megabytes"], watch.megabytes),
        found["phases"],
    )


def child_command(name: str, job: Job) -> list[str]:
    """What runs a contender."""
    return [sys.executable, "-m", f"{__package__}.child", name, str(job.folder)]


def environment(contender: Contender) -> dict[str, str]:
    """The variables of a contender's process: its own, none that tunes from outside, and nothing reports home."""
    project = str(Path(__file__).parents[3])
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_TUNING)}
    return {**inherited, **quiet, "PYTHONPATH": project, **contender.environment}
