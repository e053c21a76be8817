"""What scoring a partition costs beside the same work by hand and beside what others would use for it.

Run `python -m batch_platform_tests.benchmarks.scoring [--rows 10000000] [--rounds 3] [contender ...]`. The rows (19
features, a sorted key and a time, drawn from a fixed seed) lie in several Parquet files of a lake in a temporary
folder; the model is the built-in network with its default options, trained on `--sample` other rows. The governed path
runs from these features to committed predictions. All contenders run in turn, each in a process of its own, in an order
that rotates; tables show medians, and medians of ratios within a round. Before a figure is shown, the scores are
compared key by key. `--memory 10000000 100000000` measures instead the memory of the governed path at several sizes and
draws it.

The peers need the extra `bench` and, for Spark, Java; one whose library is missing is said to be skipped.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.benchmarks.scoring_parts.comparison import read_scores, refuse_unless_equal
from batch_platform_tests.benchmarks.scoring_parts.contender import NAMES, contender_named
from batch_platform_tests.benchmarks.scoring_parts.data import NETWORKS, prepare
from batch_platform_tests.benchmarks.scoring_parts.job import PREDICTIONS, Job
from batch_platform_tests.benchmarks.scoring_parts.measure import Usage, measured
from batch_platform_tests.benchmarks.scoring_parts.memory_curve import draw, memory_curve
from batch_platform_tests.benchmarks.scoring_parts.report import PICTURE, Report, machine

GOVERNED, FLOOR = "governed", "floor"


def installed(names: Sequence[str], console: Console) -> list[str]:
    """The contenders whose libraries are there; the others are named."""
    found = []
    for name in names:
        if lacking := contender_named(name).lacking:
            console.print(f"{contender_named(name).title}: skipped, {', '.join(lacking)} is not installed")
        else:
            found.append(name)
    return found


def rounds_of(names: Sequence[str], job: Job, count: int, console: Console) -> list[dict[str, Usage]]:
    """Run all contenders `count` times in turn; after the first round their scores are compared.

    Raises:
        ValueError: scores differ.
    """
    rounds: list[dict[str, Usage]] = []
    for number in range(count):
        used: dict[str, Usage] = {}
        for name in [*names[number % len(names) :], *names[: number % len(names)]]:
            used[name] = measured(name, job)
            shown = f"{used[name].seconds:.2f} s, {used[name].cpu_seconds:.2f} CPU-s, {used[name].megabytes:.0f} MB"
            console.print(f"round {number + 1}: {contender_named(name).title}: {shown}")
        rounds.append(used)
        if number == 0:
            for title, difference in compared(names, job).items():
                console.print(f"{title}: largest difference of a score {difference:.2g}")
    return rounds


def compared(names: Sequence[str], job: Job) -> dict[str, float]:
    """The largest difference between each contender's scores and the governed path's (or the first contender's).

    Raises:
        ValueError: the rows differ, or scores differ by more than the tolerance; the floor's must be equal to the bit.
    """
    base = GOVERNED if GOVERNED in names else names[0]
    expected = read_scores(_written(base, job))
    return {
        contender_named(name).title: refuse_unless_equal(
            expected, read_scores(_written(name, job)), name, to_the_bit={name, base} == {GOVERNED, FLOOR}
        )
        for name in names
        if name != base
    }


def _written(name: str, job: Job) -> list[Path]:
    if name == GOVERNED:
        return [Path(file) for file in Table(Lake(str(job.lake)), PREDICTIONS).files()]
    return sorted(job.target(name).glob("*.parquet"))


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Usage]]:
    """Measure and print; returns the figures of each round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contenders", nargs="*", metavar="contender", help=", ".join(NAMES))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", type=int, default=200_000, help="rows that the model is trained on")
    parser.add_argument("--network", choices=sorted(NETWORKS), default="default", help="how large the model is")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in, kept; else a temporary one")
    parser.add_argument("--memory", type=int, nargs="+", metavar="ROWS", help="draw memory at these sizes instead")
    parser.add_argument("--picture", type=Path, default=Path("docs") / PICTURE)
    parser.add_argument("--document", type=Path, help="a Markdown file whose section on scoring is replaced")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.contenders) - {*NAMES}:
        parser.error(f"unknown contender {min(unknown)}; use {', '.join(NAMES)}")
    console = Console(width=120)
    console.print(machine())
    if chosen.memory:
        draw(memory_curve(chosen.memory, chosen.sample, console), chosen.picture)
        console.print(f"drawn: {chosen.picture}")
        return []
    names = installed(chosen.contenders or NAMES, console)
    with tempfile.TemporaryDirectory(prefix="score") as place:
        folder = chosen.folder or Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        job = Job(folder) if Job(folder).model.exists() else prepare(folder, chosen.rows, chosen.sample, chosen.network)
        console.print(f"{chosen.rows:,} rows drawn and a model trained in {time.perf_counter() - start:.0f} s")
        rounds = rounds_of(names, job, chosen.rounds, console)
    report = Report(chosen.rows, rounds, chosen.network)
    report.print(console)
    if chosen.document:
        report.write(chosen.document)
    return rounds


if __name__ == "__main__":
    main(sys.argv[1:])
