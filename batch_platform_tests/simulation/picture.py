"""Draws a simulated month: `python -m batch_platform_tests.simulation.picture [FILE]`.

One row per day of scores, time from left to right. Everything is decided by the real schedule; the same picture comes
out each time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import matplotlib
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from batch_platform_tests.simulation.days import days_from, running_shop
from batch_platform_tests.simulation.shop import ORDERS, SCORES, Shop
from batch_platform_tests.simulation.stages import MALFORMED, File
from batch_platform_tests.simulation.world import World

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "simulated-month.png"
DAYS = days_from("2025-03-02", 30)
LATE, CORRECTED, AWAY, BAD = "2025-03-05", "2025-03-08", days_from("2025-03-14", 3), "2025-03-22"

# Okabe and Ito's palette, told apart by whoever sees colours and whoever does not; each kind has a shape, too.
ON_TIME, OVERDUE, AGAIN, TRIED, SHADE = "#0072B2", "#D55E00", "#009E73", "#000000", "#E8E8E8"


def month() -> World:
    """March, with a late file, a corrected one, an outage of the source and a malformed file."""
    world = running_shop(Shop(start="2024-12-01"), "2025-03-01 12:00", days=31, without=[LATE, *AWAY, BAD])

    def comes(day: str, file: File | None = None) -> None:
        world.put(ORDERS, day, file or File(f"{ORDERS} of {day}"))

    world.at("2025-03-06 15:00", lambda: comes(LATE))
    world.at("2025-03-12 10:00", lambda: comes(CORRECTED, File("corrected")))
    for day in AWAY:
        world.at("2025-03-18 11:00", lambda day=day: comes(day))  # type: ignore[misc]
    world.at("2025-03-23 01:45", lambda: comes(BAD, MALFORMED))
    world.at("2025-03-25 11:00", lambda: comes(BAD))
    world.until("2025-03-31 23:59")
    return world


def draw(world: World) -> Figure:
    """The month as a picture."""
    figure = Figure(figsize=(11, 8.5), dpi=110)
    axes = figure.add_subplot()
    for row, day in enumerate(DAYS):
        _row(axes, world, row, day)
    _frame(axes, world)
    _notes(axes, world)
    figure.subplots_adjust(left=0.105, right=0.985, top=0.9, bottom=0.075)
    return figure


def _row(axes: Axes, world: World, row: int, day: str) -> None:
    slo = world.tables[SCORES].slo
    calendar = world.tables[SCORES].calendar
    assert slo is not None and calendar is not None
    due = slo.due_at(calendar, day).astimezone(world.zone)
    times = sorted(run.made[SCORES, day].astimezone(world.zone) for run in world.runs if (SCORES, day) in run.made)
    axes.plot([due, due], [row - 0.4, row + 0.4], color="#777777", linewidth=1.1, zorder=2)
    if times[0] > due:
        axes.plot([due, times[0]], [row, row], color=OVERDUE, linewidth=2.6, solid_capstyle="butt", zorder=3)
        axes.plot(times[0], row, marker="D", color=OVERDUE, markersize=7, zorder=4)
    else:
        axes.plot(times[0], row, marker="o", color=ON_TIME, markersize=6, zorder=4)
    for again in times[1:]:
        axes.plot(again, row, marker="s", color=AGAIN, markersize=7, zorder=4, fillstyle="none", markeredgewidth=1.8)


def _frame(axes: Axes, world: World) -> None:
    for row in range(0, len(DAYS), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#F7F7F7", zorder=0)
    first, last = (datetime.fromisoformat(day).replace(tzinfo=world.zone) for day in (DAYS[0], DAYS[-1]))
    axes.set_xlim(first - timedelta(hours=12), last + timedelta(hours=22))  # type: ignore[arg-type]
    axes.set_ylim(len(DAYS) - 0.4, -0.6)
    axes.set_yticks(range(0, len(DAYS), 2), [_spoken(day) for day in DAYS[::2]])
    axes.xaxis.set_major_locator(dates.DayLocator(interval=2, tz=world.zone))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%-d", tz=world.zone))
    axes.set_xlabel("When it happened: day of March, midnight at the mark")
    axes.set_ylabel("Partition: the scores of")
    axes.figure.suptitle(
        "A simulated month of daily scores: due at 06:00, made from the orders of the 28 days before",
        x=0.105,
        ha="left",
        fontsize=13,
    )
    ones = [
        axes.plot([], [], color="#777777", marker="|", linestyle="", markersize=11, label="due")[0],
        axes.plot([], [], color=ON_TIME, marker="o", linestyle="", label="made, on time")[0],
        axes.plot([], [], color=OVERDUE, marker="D", linewidth=2.6, label="overdue, then made (healed)")[0],
        axes.plot([], [], color=AGAIN, marker="s", linestyle="", fillstyle="none", label="made again: input changed")[
            0
        ],
        axes.plot([], [], color=TRIED, marker="x", linestyle="", label="an input was tried and failed")[0],
    ]
    axes.legend(handles=ones, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, frameon=False, fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _notes(axes: Axes, world: World) -> None:
    tried = [run.asked.astimezone(world.zone) for run in world.runs if (ORDERS, BAD) in run.failed]
    row = DAYS.index(days_from(BAD, 2)[1])
    axes.plot(tried, [row - 0.28] * len(tried), marker="x", linestyle="", color=TRIED, markersize=6, zorder=5)  # type: ignore[arg-type]
    away = [world.local(moment).astimezone(world.zone) for moment in ("2025-03-15 01:45", "2025-03-18 11:00")]
    axes.axvspan(away[0], away[1], color=SHADE, zorder=0.5)  # type: ignore[arg-type]
    _note(
        axes,
        world,
        "2025-03-06",
        "2025-03-08 06:00",
        -1.2,
        "A late file: orders of the 5th come\nat 15:00 on the 6th. Only the 6th waits.",
    )
    _note(
        axes,
        world,
        "2025-03-09",
        "2025-03-15 00:00",
        -1.4,
        "A corrected file: orders of the 8th change on the 12th.\n"
        "Scored again, once: the 9th to the 12th, which read them.\nNothing older, and no retraining.",
        at="2025-03-12 10:10",
    )
    _note(
        axes,
        world,
        "2025-03-16",
        "2025-03-20 00:00",
        -2.0,
        "The source is away for three days (grey).\n"
        "When it is back on the 18th, that day is\nmade first, then the days before it, in one run.",
    )
    _note(
        axes,
        world,
        "2025-03-23",
        "2025-03-06 00:00",
        2.6,
        "A bad day: the file of the 22nd is malformed.\n"
        f"{_number(tried)} within {_within(tried)}, then it waits.\n"
        "The corrected file on the 25th is taken at once.",
        at="2025-03-23 02:00",
    )


def _note(axes: Axes, world: World, day: str, x: str, lift: float, text: str, at: str | None = None) -> None:
    """Words beside what they tell of; the arrow ends where the day was made, or at a moment."""
    row = DAYS.index(day)
    end = world.local(at).astimezone(world.zone) if at else world.first_made(SCORES, day)
    axes.annotate(
        text,
        (end, row),  # type: ignore[arg-type]
        (world.local(x).astimezone(world.zone), row + lift),  # type: ignore[arg-type]
        fontsize=9.5,
        va="center",
        arrowprops={"arrowstyle": "-", "color": "#555555", "linewidth": 0.8, "shrinkB": 6},
        bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "#CCCCCC", "linewidth": 0.6},
        zorder=6,
    )


def _number(tried: Iterable[datetime]) -> str:
    return f"It is tried {len(list(tried))} times"


def _within(tried: list[datetime]) -> str:
    return f"{round((tried[-1] - tried[0]).total_seconds() / 60)} minutes"


def _spoken(day: str) -> str:
    return f"{int(day[8:])} March"


if __name__ == "__main__":
    matplotlib.use("agg")
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    draw(month()).savefig(target, metadata={"Software": None})
    print(target)
