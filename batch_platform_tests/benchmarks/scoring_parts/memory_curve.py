"""How much memory the governed path holds while it scores, at several sizes, and the picture of it."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from batch_platform_tests.benchmarks.scoring_parts.contender import contender_named
from batch_platform_tests.benchmarks.scoring_parts.data import prepare
from batch_platform_tests.benchmarks.scoring_parts.job import PREDICTIONS, Job
from batch_platform_tests.benchmarks.scoring_parts.measure import child_command, environment
from batch_platform_tests.benchmarks.scoring_parts.processes import family, resident_megabytes
from batch_platform_tests.benchmarks.scoring_parts.report import MOST_MEGABYTES

SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Curve:
    """One run of the governed path.

    Args:
        rows: how many rows it scored.
        seconds: the whole life of the process.
        peak: the most memory that was ever resident, in MB.
        samples: seconds since the start, rows whose scores were written by then, resident MB.
    """

    rows: int
    seconds: float
    peak: float
    samples: list[tuple[float, int, float]] = field(default_factory=list)


def memory_curve(sizes: Sequence[int], sample: int, console: Console) -> list[Curve]:
    """Score a partition of each size in a process of its own. A size needs some 65 bytes of disk for each row."""
    curves = []
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="score") as folder:
            job = prepare(Path(folder), rows, sample)
            curve = followed(job, rows)
        console.print(f"{rows:,} rows: {curve.seconds:.1f} s, at most {curve.peak:.0f} MB resident")
        curves.append(curve)
    return curves


def followed(job: Job, rows: int) -> Curve:
    """One run, sampled each `SAMPLE_SECONDS`.

    Raises:
        RuntimeError: it fails; what it printed is in the text.
    """
    began = time.perf_counter()
    samples: list[tuple[float, int, float]] = []
    written = _Written(job.lake / PREDICTIONS)
    over = threading.Event()
    process = subprocess.Popen(
        child_command("governed", job),
        env=environment(contender_named("governed")),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def sample() -> None:
        before: set[int] = set()
        while not over.wait(SAMPLE_SECONDS):
            # A new process may still be the image of the one that made it. Of several the sum, in which shared pages
            # count each time: never less than what is held.
            pids = {*family(process.pid)}
            held = sum(resident_megabytes(pid) for pid in pids & before)
            before = pids
            if held:
                samples.append((time.perf_counter() - began, written.rows(), held))

    watcher = threading.Thread(target=sample)
    watcher.start()
    try:
        shown, errors = process.communicate()
    finally:
        over.set()
        watcher.join()
    if process.returncode:
        raise RuntimeError(f"the governed path ended with {process.returncode}:\n{shown[-2000:]}\n{errors[-6000:]}")
    peak = max([json.loads(shown.splitlines()[-1])["megabytes"], *(held for *_, held in samples)])
    return Curve(rows, time.perf_counter() - began, peak, samples)


class _Written:
    """Counts the rows in the finished files of a table's folder; each footer is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._rows = folder, dict[Path, int]()

    def rows(self) -> int:
        """The rows that stand in finished files now."""
        for path in self._folder.rglob("*.parquet"):
            if path not in self._rows and not path.name.startswith("."):
                try:
                    self._rows[path] = pq.read_metadata(path).num_rows
                except (OSError, pa.ArrowException):  # it is still growing
                    continue
        return sum(self._rows.values())


def draw(curves: Sequence[Curve], picture: Path) -> None:
    """Write the curves as a PNG: rows scored, on a logarithmic scale, against resident memory."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, NullFormatter

    figure = Figure(figsize=(8, 4.2), layout="constrained", dpi=150)
    axes = figure.subplots()
    for curve, color in zip(curves, ("#4269d0", "#efb118", "#ff725c", "#6cc5b0") * len(curves), strict=False):
        points = [(rows, held) for _, rows, held in curve.samples if rows]
        label = f"{curve.rows:,} rows: {curve.peak:.0f} MB at most"
        axes.plot(*zip(*points, strict=True) if points else ((), ()), color=color, label=label, linewidth=1.6)
    axes.axhline(MOST_MEGABYTES, color="#888888", linestyle="--", linewidth=1)
    axes.annotate("1 GB", (0.005, MOST_MEGABYTES), xycoords=("axes fraction", "data"), va="bottom", color="#666666")
    axes.set(xscale="log", xlabel="rows scored", ylabel="resident memory, MB")
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, max([1.15 * MOST_MEGABYTES, *(1.1 * curve.peak for curve in curves)]))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    axes.set_title("Memory of one scoring process", loc="left")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture)
