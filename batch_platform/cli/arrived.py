"""`batch-platform arrived`: say that something has arrived, where nothing can see it or nobody looks any more."""

from __future__ import annotations

import logging
import warnings

import click


@click.command()
@click.argument("table")
@click.argument("partitions", metavar="[PARTITION]...", nargs=-1)
@click.option("--reason", default="", help="Why; shown in the UI.")
def arrived(table: str, partitions: tuple[str, ...], reason: str) -> None:
    """Say that partitions of the snapshot TABLE have arrived, whatever their age.

    They are looked at within seconds and captured if they hold anything new; where the source cannot be watched, one
    attempt is made. The daemon must be running, now or later. The same again changes nothing.

    Example: batch-platform arrived snapshots/flights 2026-11-20 --reason "corrected by the vendor"
    """
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    import dagster as dg

    from batch_platform.automation import clock
    from batch_platform.automation.arrivals import watched_of
    from batch_platform.automation.asks import tell
    from batch_platform.automation.home import prepare_home
    from batch_platform.automation.location import load_components
    from batch_platform.settings import Settings

    prepare_home(Settings.from_environment())
    tables = [watched.table for watched in watched_of(load_components())]
    with dg.DagsterInstance.get() as instance:
        name = tell(instance, tables, table, partitions, reason, clock.now())
    click.echo(f"{name}: noted {', '.join(partitions) or 'its arrival'}")
