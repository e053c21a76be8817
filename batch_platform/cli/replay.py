"""`batch-platform replay`: put quarantined and failed rows through again."""

from __future__ import annotations

import logging
import warnings

import click


@click.command()
@click.argument("table")
@click.argument("partitions", metavar="[PARTITION]...", nargs=-1)
def replay(table: str, partitions: tuple[str, ...]) -> None:
    """Put rows that were quarantined, or that a model could not score, through again after a fix.

    TABLE is features/<name> or predictions/<name>. Without a PARTITION, every one with rows in quarantine is replayed.
    The result is that of a clean run; rows that are over stay in the quarantine, marked as resolved.

    Example: batch-platform replay predictions/flight_delay 2026-11-20
    """
    from rich.console import Console

    console = Console()
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    with console.status("Loading the platform"):
        import dagster as dg

        from batch_platform.automation.home import prepare_home
        from batch_platform.automation.location import load_definitions
        from batch_platform.automation.replay import replay as put_through
        from batch_platform.settings import Settings

        settings = Settings.from_environment()
        prepare_home(settings)
        definitions, _ = load_definitions()
    with dg.DagsterInstance.get() as instance, console.status(f"Replaying {table}"):
        found = put_through(definitions, instance, settings, table, partitions)
    if not found:
        console.print(f"{table}: no rows in quarantine, nothing to do")
    for replayed in found:
        place = f"{table}[{replayed.partition}]" if replayed.partition else table
        console.print(
            f"{place}: {replayed.before - replayed.after} of {replayed.before} rows resolved", highlight=False
        )
