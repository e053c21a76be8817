"""`batch-platform status`: whether partitions are there by their deadlines, and what they wait for."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from batch_platform.errors import BatchPlatformError, ConfigurationError

if TYPE_CHECKING:
    from batch_platform.schedules.freshness import PartitionFreshness
    from batch_platform.schedules.scheduled import Scheduled


_ONE_LINE = 2000


class OverdueError(BatchPlatformError):
    """Partitions are overdue, and whoever asked wanted to fail then."""

    exit_code = 11


@click.command()
@click.argument("names", metavar="[TABLE]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Every judged partition as JSON.")
@click.option("--fail-overdue", is_flag=True, help="End with exit code 11 if a partition is overdue.")
def status(names: tuple[str, ...], as_json: bool, fail_overdue: bool) -> None:
    """Show how partitions stand by their deadlines (slo.due), and why those that are not there are not.

    Without a TABLE: of each table the newest partition that is due, and all that are not as they should be. With one:
    every partition within its horizon, and the next one. Nothing is started, and nothing is reported to Dagster.

    Example: batch-platform status predictions/flight_delay
    """
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    import dagster as dg

    from batch_platform.automation.freshness import Deadlines
    from batch_platform.automation.home import prepare_home
    from batch_platform.automation.location import load_definitions
    from batch_platform.schedules.freshness import State
    from batch_platform.sensors import observer_of
    from batch_platform.settings import Settings

    prepare_home(Settings.from_environment())
    definitions, tree = load_definitions()
    with dg.DagsterInstance.get() as instance:
        looking = Deadlines.of(observer_of(tree, definitions, instance))
        wanted = _wanted(looking.observer.tables, names)
        found = [told for told in looking.look() if told.table in wanted]
    if as_json:
        click.echo(json.dumps([_as_json(told) for told in found], indent=2))
    else:
        _show(found if names else _selected(found))
    overdue = [told for told in found if told.state is State.OVERDUE]
    if fail_overdue and overdue:
        raise OverdueError(
            f"{len(overdue)} {'partition is' if len(overdue) == 1 else 'partitions are'} overdue",
            fix="see above, or batch-platform status",
        )


def _wanted(tables: Sequence[Scheduled], names: Sequence[str]) -> set[str]:
    """The tables that are shown.

    Raises:
        ConfigurationError: there is no such table, or it has no deadline.
    """
    judged = {table.table for table in tables if table.slo is not None}
    for name in names:
        if name not in judged:
            known = any(table.table == name for table in tables)
            what = f"{name} has no deadline" if known else f"there is no table {name[:80]!r}"
            fix = f"those with slo.due are {', '.join(sorted(judged)) or 'none'}"
            raise ConfigurationError(what, fix=fix)
    return set(names) or judged


def _selected(found: Sequence[PartitionFreshness]) -> list[PartitionFreshness]:
    """Of each table what is not as it should be, and the newest partition whose deadline has passed, or the next."""
    from batch_platform.automation import clock

    now = clock.now().timestamp()
    newest: dict[str, str] = {}
    for told in found:
        if told.due.timestamp() <= now or told.table not in newest:
            newest[told.table] = told.partition
    return [
        told
        for told in found
        if told.partition == newest[told.table] or told.state.is_worry or told.state.value == "outdated"
    ]


def _show(found: Iterable[PartitionFreshness]) -> None:
    from rich.console import Console
    from rich.table import Table

    from batch_platform.automation.on_time import length

    colours = {"fresh": "green", "outdated": "yellow", "due": "", "warned": "yellow", "overdue": "red"}
    shown = Table("table", "partition", "state", "due", "late by", "why", box=None, pad_edge=False)
    for told in found:
        shown.add_row(
            told.table,
            told.partition,
            f"[{colours[told.state]}]{told.state}[/]" if colours[told.state] else str(told.state),
            f"{told.due:%Y-%m-%d %H:%M %Z}",
            length(told.by) if told.late else "",
            told.text.replace("[", r"\["),
        )
    console = Console(soft_wrap=True)
    if not shown.row_count:
        console.print("no table has a deadline: declare slo.due")
        return
    # Into a file or a pipe each partition is one line, however long its reason.
    (console if console.is_terminal else Console(width=_ONE_LINE)).print(shown)


def _as_json(told: PartitionFreshness) -> dict[str, object]:
    return {
        "table": told.table,
        "partition": told.partition,
        "state": str(told.state),
        "due": told.due.isoformat(),
        "late_by_seconds": told.by.total_seconds(),
        "reason": told.text,
        "waits_for": {"table": told.root[0], "partition": told.root[1]} if told.text else None,
        "run_id": told.run_id or None,
    }
