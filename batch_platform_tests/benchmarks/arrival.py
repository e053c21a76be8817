"""How long it takes from a file's arrival to its committed prediction, through a running `dagster dev`.

    python -m batch_platform_tests.benchmarks.arrival [FILES]

A small project runs with its default intervals until the week that it looks after is there. Then, FILES (3) times, a
correction of the newest file appears, and the time until another prediction of that day stands in the table's log is
taken. Wall time: on a machine that others use it says more about them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from batch_platform.lake.table import Table
from batch_platform_tests.pipelines.deployed import Deployment, days_before, today

PREDICTIONS = "predictions/visits"
ASKED_SECONDS = 60.0
PATIENCE_SECONDS = 300.0


def main(files: int = 3) -> None:
    """Print the seconds of each file."""
    with tempfile.TemporaryDirectory() as folder:
        made = Deployment.create(Path(folder) / "project")
        days = days_before(today(), 12, 1)
        made.write_visits(days)
        table, newest = Table(made.settings.lake, PREDICTIONS), days[-1]

        def digest() -> str:
            found = table.records([newest])
            return found[newest].record.digest if newest in found else ""

        with made.served() as server:
            server.wait("the week", PATIENCE_SECONDS, lambda: table.partitions() >= set(days[-7:]))
            for number in range(1, files + 1):
                before, load, began = digest(), os.getloadavg()[0], time.monotonic()
                made.write_visits([newest], shift=number / 100)
                server.wait("the prediction", PATIENCE_SECONDS, lambda: digest() != before)  # noqa: B023
                taken = time.monotonic() - began
                print(f"file {number}: {taken:.0f} s (asked: < {ASKED_SECONDS:.0f} s), load {load:.1f}", flush=True)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
