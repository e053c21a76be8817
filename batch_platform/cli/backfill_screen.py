"""How a backfill's plan and its progress look in a terminal.

Belongs here: columns and wording. Does not belong here: what they say (`batch_platform.backfills`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from batch_platform.backfills.plan import BackfillPlan, TablePlan
from batch_platform.backfills.states import OUTDATED, State

if TYPE_CHECKING:
    from rich.console import Console

    from batch_platform.automation.backfill_records import Recorded

_COLUMNS = ("partitions", "valid", "missing", "failed", "outdated", "running", "make", "rows", "time", "cost")
_ALWAYS = ("partitions", "valid", "make", "rows", "time", "cost")

_MOST = 12
"""Lines of versions and of risks that are shown; `--json` has them all."""


def show_plan(console: Console, plan: BackfillPlan) -> None:
    """The plan, table by table, with versions, effort and risks."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("table", no_wrap=True)
    rows = [_row(table) for table in plan.tables]
    # What is the case with no partition at all needs no column.
    columns = [
        index for index, name in enumerate(_COLUMNS) if name in _ALWAYS or any(row[index + 1] != "0" for row in rows)
    ]
    for index in columns:
        shown.add_column(_COLUMNS[index], justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(row[0], *(row[index + 1] for index in columns))
    console.print(shown)
    _listed(console, "Models", [_version(plan, index) for index in range(len(plan.versions))])
    reasons = [_reasons(table) for table in plan.tables]
    _listed(console, "Outdated", [reason for reason in reasons if reason])
    if plan.partitions:
        waves = len({run.wave for run in plan.runs})
        console.print(
            f"{plan.partitions} partitions in {_counted(len(plan.runs), 'run')}, {_counted(waves, 'wave')} one after "
            f"the other, {plan.parallel} at once; about {length(plan.elapsed)}, ${plan.dollars:.4f}",
            highlight=False,
        )
    else:
        console.print("Nothing to do: every partition is valid or running.", highlight=False)
    _listed(console, "Risks", [f"{risk.kind}: {risk}" for risk in plan.risks])


def show_backfills(console: Console, backfills: Sequence[Recorded]) -> None:
    """Backfills, a line each."""
    from rich.table import Table

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "status", "made", "launched", "owner", "what", "why"):
        shown.add_column(name, justify="right" if name == "made" else "left")
    for found in backfills:
        tags = found.tags
        shown.add_row(
            found.backfill_id,
            found.status,
            f"{_size(found.made)} of {_size(found.target)}",
            f"{found.launched:%Y-%m-%d %H:%M} UTC",
            tags.get("batch_platform/owner", tags.get("user", "")),
            found.title or ", ".join(found.target),
            tags.get("batch_platform/reason", ""),
        )
    console.print(shown)


def show_backfill(console: Console, found: Recorded) -> None:
    """One backfill: who, why, and how far each table is."""
    from rich.table import Table

    tags = found.tags
    console.print(f"{found.backfill_id}: {found.status}, {found.title}", highlight=False)
    console.print(
        f"{tags.get('batch_platform/reason', 'no reason given')}; {tags.get('batch_platform/owner', 'no owner')}; "
        f"launched {found.launched:%Y-%m-%d %H:%M} UTC; {_counted(found.working, 'run')} queued or running",
        highlight=False,
    )
    for name, text in (("dagster/parent_backfill_id", "goes on with"), ("batch_platform/paused", "paused")):
        if name in tags:
            console.print(f"{text} {tags[name]}", highlight=False)
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("table")
    for name in ("partitions", "made", "failed", "open"):
        shown.add_column(name, justify="right")
    for table, keys in found.target.items():
        made, failed = (len(own.get(table, set())) for own in (found.made, found.failed))
        shown.add_row(table, *map(str, (len(keys), made, failed, len(keys) - made - failed)))
    console.print(shown)
    _listed(
        console, "Failed", [f"{table}: {', '.join(sorted(keys)[:5])}" for table, keys in found.failed.items() if keys]
    )


def length(seconds: float) -> str:
    """A length of time as a person says it: `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _row(table: TablePlan) -> tuple[str, ...]:
    counts = table.counts
    outdated = sum(counts[state] for state in OUTDATED)
    figures = (counts[State.VALID], counts[State.MISSING], counts[State.FAILED], outdated, counts[State.RUNNING])
    estimate: tuple[str, ...] = ("", "", "")
    if table.making:
        estimate = (
            "?" if table.rows is None else f"{table.rows:,.0f}",
            "?" if table.seconds is None else length(table.seconds),
            "?" if table.dollars is None else f"${table.dollars:.4f}",
        )
    return (table.table, *map(str, (len(table.states), *figures, len(table.making))), *estimate)


def _reasons(table: TablePlan) -> str:
    told = [f"{count} {state}" for state, count in table.counts.items() if state in OUTDATED]
    return f"{table.table}: {', '.join(told)}" if told else ""


def _version(plan: BackfillPlan, index: int) -> str:
    use = plan.versions[index]
    window = f" (window {use.window})" if use.window else ""
    if use.trained:
        version = f"trained first{window}"
    else:
        version = f"version {use.version}, promoted{window}" if use.version else f"none{window}"
    passed_over = f"; version {use.passed_over} of that window is not promoted" if use.passed_over else ""
    return f"{use.table} [{use.first} to {use.last}], {use.partitions}: {version}{passed_over}"


def _listed(console: Console, title: str, lines: Sequence[str]) -> None:
    if lines:
        console.print(f"{title}:", style="bold")
        for line in lines[:_MOST]:
            console.print(f"  {line}", highlight=False, markup=False)
        if len(lines) > _MOST:
            console.print(f"  and {len(lines) - _MOST} more: --json has them all", highlight=False)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _size(places: Mapping[str, set[str]]) -> int:
    return sum(map(len, places.values()))
