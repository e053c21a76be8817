"""A contender's process: `python -m ...scoring_parts.child NAME FOLDER` does the work and prints what it took.

The last line is JSON with wall seconds, CPU-seconds, MB and phases, see `Usage`. Imports as little as it can.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from batch_platform_tests.benchmarks.scoring_parts.contender import contender_named
from batch_platform_tests.benchmarks.scoring_parts.job import Job
from batch_platform_tests.benchmarks.scoring_parts.processes import peak_megabytes, tree_cpu_seconds


def main(name: str, folder: str) -> None:
    """Do the work of one contender in the folder of a benchmark."""
    with contender_named(name).ready(Job(Path(folder))) as work:
        began, before = time.perf_counter(), tree_cpu_seconds()
        phases = work()
        seconds, cpu = time.perf_counter() - began, tree_cpu_seconds() - before
    found = {"seconds": seconds, "cpu_seconds": cpu, "megabytes": peak_megabytes(), "phases": phases}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
