"""`batch-platform backfill`: what a backfill would do, and launching, watching, pausing and resuming one."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import datetime

    from dagster import ComponentTree
    from rich.console import Console

    from batch_platform.automation.backfilling import Backfills
    from batch_platform.backfills.plan import BackfillPlan

_assets = click.argument("assets", nargs=-1, required=True, metavar="ASSETS...")
_stretch = click.argument("stretch", metavar="RANGE")
_all = click.option("--all", "everything", is_flag=True, help="Make valid partitions again, too.")


@click.group()
def backfill() -> None:
    """Plan, launch, watch, pause and resume backfills.

    ASSETS are tables (predictions/flight_delay), pipelines (flight_delay) or '*'. +NAME: with all partitions that it
    needs, whatever their age; NAME+: with all tables made from it.

    RANGE is a stretch of time: 2025-01-01..2025-12-31, 2025-01, 2025, 'last 30 days', or a partition's key. Of each
    table the partitions that begin in it are meant; of a model the windows that serve them.
    """


@backfill.command(name="plan")
@_assets
@_stretch
@_all
@click.option("--json", "as_text", is_flag=True, help="Print the plan as JSON.")
def plan_backfill(assets: tuple[str, ...], stretch: str, everything: bool, as_text: bool) -> None:
    """Say what a backfill would do; nothing runs."""
    from batch_platform.backfills.report import as_json
    from batch_platform.cli.backfill_screen import show_plan

    with _deployment() as (backfills, tree, now):
        found = _planned(backfills, tree, assets, stretch, everything, now)
    if as_text:
        click.echo(json.dumps(as_json(found), indent=2))
    else:
        show_plan(_console(), found)


@backfill.command()
@_assets
@_stretch
@_all
@click.option("--reason", required=True, help="Why; it stays with the backfill and all its runs.")
@click.option("--owner", default=getpass.getuser, show_default="the user", help="Who answers for it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def run(assets: tuple[str, ...], stretch: str, everything: bool, reason: str, owner: str, yes: bool) -> None:
    """Show the plan and launch it as one backfill of Dagster's: what is missing, failed or outdated.

    It stands behind live work in the queue. Dagster's daemon carries it out.
    """
    from batch_platform.cli.backfill_screen import show_plan

    with _deployment() as (backfills, tree, now):
        found = _planned(backfills, tree, assets, stretch, everything, now)
        show_plan(_console(), found)
        if not found.partitions:
            return
        if not yes:
            click.confirm("Launch it?", abort=True)
        backfill_id = backfills.launch(found, reason, owner, now)
        _launched(backfills, backfill_id, now)


@backfill.command(name="list")
def list_backfills() -> None:
    """The newest backfills, also those that were launched in the UI."""
    from batch_platform.cli.backfill_screen import show_backfills

    with _deployment() as (backfills, _, __):
        show_backfills(_console(), backfills.recent())


@backfill.command()
@click.argument("backfill_id", metavar="ID")
def show(backfill_id: str) -> None:
    """One backfill: who, why, and how far each table is."""
    from batch_platform.cli.backfill_screen import show_backfill

    with _deployment() as (backfills, _, __):
        show_backfill(_console(), backfills.find(backfill_id))


@backfill.command()
@click.argument("backfill_id", metavar="ID")
def pause(backfill_id: str) -> None:
    """Launch nothing more of a backfill; what runs ends by itself. For Dagster's UI it is cancelled then."""
    with _deployment() as (backfills, _, now):
        found = backfills.pause(backfill_id, now)
    working = f"; {found.working} of its runs have not ended yet" if found.working else ""
    click.echo(f"{backfill_id} is paused{working}; go on with it: batch-platform backfill resume {backfill_id}")


@backfill.command()
@click.argument("backfill_id", metavar="ID")
def resume(backfill_id: str) -> None:
    """Go on with a backfill that was paused, cancelled or failed: what is left of it, in a new one linked to it."""
    with _deployment() as (backfills, _, now):
        _launched(backfills, backfills.resume(backfill_id, now), now)


@backfill.command()
@click.argument("backfill_id", metavar="ID")
def cancel(backfill_id: str) -> None:
    """End a backfill and terminate its runs; what they finished is kept."""
    with _deployment() as (backfills, _, now):
        backfills.cancel(backfill_id)
        click.echo(f"{backfill_id} is being cancelled")
        _warn_if_nobody_looks(backfills, now)


@contextmanager
def _deployment() -> Iterator[tuple[Backfills, ComponentTree, datetime]]:
    """The project's tables and its Dagster instance, at this moment."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    import dagster as dg

    from batch_platform.automation import clock
    from batch_platform.automation.backfilling import Backfills
    from batch_platform.automation.home import prepare_home
    from batch_platform.automation.location import load_definitions
    from batch_platform.automation.schedule import schedule_of
    from batch_platform.settings import Settings

    settings = Settings.from_environment()
    prepare_home(settings)
    definitions, tree = load_definitions()
    with dg.DagsterInstance.get() as instance:
        yield Backfills(schedule_of(tree), definitions, settings, instance), tree, clock.now()


def _planned(
    backfills: Backfills, tree: ComponentTree, assets: tuple[str, ...], stretch: str, everything: bool, now: datetime
) -> BackfillPlan:
    from batch_platform.cli.backfill_looks import looked_into

    found = backfills.plan(assets, stretch, now, everything=everything)
    return found.with_risks(looked_into(tree, backfills.settings, found))


def _launched(backfills: Backfills, backfill_id: str, now: datetime) -> None:
    click.echo(f"launched {backfill_id}; watch it: batch-platform backfill show {backfill_id}")
    _warn_if_nobody_looks(backfills, now)


def _warn_if_nobody_looks(backfills: Backfills, now: datetime) -> None:
    if not backfills.is_carried_out(now):
        click.secho("Dagster's daemon does not run, so nothing happens yet: batch-platform ui", fg="yellow", err=True)


def _console() -> Console:
    from rich.console import Console

    found = Console(soft_wrap=True)
    # Into a file there is room for whole lines.
    return found if found.is_terminal else Console(soft_wrap=True, width=160)
