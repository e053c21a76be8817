"""The figures of the scoring benchmark as tables: on the terminal, and as a section of a Markdown file."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from batch_platform_tests.benchmarks.scoring_parts.comparison import median, median_ratio
from batch_platform_tests.benchmarks.scoring_parts.contender import contender_named
from batch_platform_tests.benchmarks.scoring_parts.measure import Usage

HEADING, PICTURE = "## Scoring", "images/scoring-memory.png"
_COLUMNS = ("contender", "s", "rows/s", "CPU-s", "CPU-s per M rows", "peak MB", "whole process s", "its CPU-s")


@dataclass(frozen=True)
class Asked:
    """A bound on the median ratio of two contenders' figures.

    Args:
        over, under: the figure of the first is divided by that of the second.
        what: what is compared.
        measure: the figure.
        at_least: the bound is the least ratio, else the greatest.
        bound: the bound.
    """

    over: str
    under: str
    what: str
    measure: Callable[[Usage], float]
    at_least: bool
    bound: float

    def line(self, rounds: Sequence[Mapping[str, Usage]]) -> tuple[str, str, str, str]:
        """What is compared, the ratio, what is asked, and whether it holds."""
        ratio = median_ratio(rounds, self.over, self.under, self.measure)
        holds = ratio >= self.bound if self.at_least else ratio <= self.bound
        what = f"{self.what}, {contender_named(self.over).title} / {contender_named(self.under).title}"
        return (what, f"{ratio:.2f}", f"{'≥' if self.at_least else '≤'} {self.bound:g}", "yes" if holds else "no")


def _cpu(used: Usage) -> float:
    return used.cpu_seconds


def _seconds(used: Usage) -> float:
    return used.seconds


def _rate(used: Usage) -> float:
    """Times the rows, which are as many for all, the rows per second."""
    return 1 / used.seconds


ASKED = (
    Asked("governed", "floor", "CPU-seconds", _cpu, False, 1.2),
    *(
        Asked("governed", peer, "rows per second", _rate, True, bound)
        for peer, bound in (("pandas", 4.0), ("ray", 5.0), ("spark", 7.0), ("dask", 1.3))
    ),
)
MOST_MEGABYTES = 1000.0


def machine() -> str:
    """The machine and the day, in words."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", info.read_text("utf-8"), re.M)
        model = found[1].strip() if found else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0))
    return f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores ({model}), {memory:.0f} GB, Python {platform.python_version()}"


@dataclass(frozen=True)
class Report:
    """The tables of one benchmark.

    Args:
        rows: the rows that were scored.
        rounds: what each contender took, round by round.
        network: how large the model is, see `data.NETWORKS`.
    """

    rows: int
    rounds: Sequence[Mapping[str, Usage]]
    network: str = "default"

    @property
    def heading(self) -> str:
        """The heading of the section: one for each network."""
        return HEADING if self.network == "default" else f"{HEADING}, {self.network} network"

    @property
    def names(self) -> list[str]:
        """The contenders that ran."""
        return list(self.rounds[0])

    def figures(self) -> list[tuple[str, ...]]:
        """A line for each contender: medians of the rounds."""
        lines: list[tuple[str, ...]] = []
        for name in self.names:
            seconds, cpu = median(self.rounds, name, _seconds), median(self.rounds, name, _cpu)
            megabytes = median(self.rounds, name, lambda used: used.megabytes)
            whole = median(self.rounds, name, lambda used: used.whole_seconds)
            whole_cpu = median(self.rounds, name, lambda used: used.whole_cpu_seconds)
            cells = (f"{seconds:.2f}", f"{self.rows / seconds:,.0f}", f"{cpu:.2f}", f"{cpu / self.rows * 1e6:.2f}")
            whole_cells = (f"{megabytes:.0f}", f"{whole:.1f}", f"{whole_cpu:.1f}")
            lines.append((contender_named(name).title, *cells, *whole_cells))
        return lines

    def asked(self) -> list[tuple[str, str, str, str]]:
        """A line for each bound whose contenders ran: what, found, asked, and whether it holds."""
        lines = [asked.line(self.rounds) for asked in ASKED if {asked.over, asked.under} <= {*self.names}]
        if "governed" in self.names:
            most = max(used["governed"].megabytes for used in self.rounds)
            holds = "yes" if most < MOST_MEGABYTES else "no"
            lines.append(
                ("peak MB, governed path, largest of all rounds", f"{most:.0f}", f"< {MOST_MEGABYTES:g}", holds)
            )
        return lines

    def phases(self) -> list[str]:
        """A sentence for each contender that knows its phases: CPU-seconds of each, medians of the rounds."""
        lines = []
        for name in self.names:
            known = self.rounds[0][name].phases
            middles = {part: statistics.median(used[name].phases[part] for used in self.rounds) for part in known}
            parts = [f"{part} {seconds:.2f}" for part, seconds in middles.items()]
            if parts:
                lines.append(f"{contender_named(name).title}, CPU-seconds by phase: {', '.join(parts)}.")
        return lines

    def settings(self) -> list[str]:
        """What was set for each contender."""
        return [f"{contender_named(name).title}: {contender_named(name).settings}." for name in self.names]

    def print(self, console: Console) -> None:
        """Show everything on a terminal."""
        figures = Table(title=f"{self.rows:,} rows, medians of {len(self.rounds)} rounds")
        asked = Table(title="What is asked")
        for shown, titles, lines in (
            (figures, _COLUMNS, self.figures()),
            (asked, ("median ratio", "found", "asked", "holds"), self.asked()),
        ):
            for title in titles:
                shown.add_column(title, justify="left" if title in (titles[0], "holds") else "right")
            for line in lines:
                shown.add_row(*line)
            if lines:
                console.print(shown)
        for text in (*self.phases(), *self.settings()):
            console.print(text)

    def markdown(self, *, picture: bool = False) -> str:
        """The same as a section of a Markdown file, with the memory curve if there is a picture of it."""
        parts = [
            self.heading,
            f"{self.rows:,} rows of 19 features, medians of {len(self.rounds)} rounds. {machine()}.",
            f"```console\n$ python -m batch_platform_tests.benchmarks.scoring --network {self.network}\n```",
            _markdown_table(_COLUMNS, self.figures()),
            _markdown_table(("median ratio", "found", "asked", "holds"), self.asked()),
            *self.phases(),
            "\n".join(f"- {text}" for text in self.settings()),
            f"![Resident memory of the governed path by rows scored]({PICTURE})" if picture else "",
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def write(self, document: Path) -> None:
        """Put the section into a Markdown file in place of the one of the same heading, else at its end."""
        text = document.read_text("utf-8") if document.exists() else ""
        section = re.compile(rf"^{re.escape(self.heading)}\n.*?(?=^## |\Z)", re.M | re.S)
        made = self.markdown(picture=(document.parent / PICTURE).exists())
        if section.search(text):
            text = section.sub(lambda found: made + ("\n" if found.end() < len(found.string) else ""), text)
        else:
            text = f"{text.rstrip()}\n\n{made}".lstrip()
        document.write_text(text, "utf-8")


def _markdown_table(titles: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    if not lines:
        return ""
    head = f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}"
    return "\n".join([head, *(f"| {' | '.join(line)} |" for line in lines)])
