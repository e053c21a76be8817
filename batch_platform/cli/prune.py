"""`batch-platform prune`: forget old runs in Dagster that it needs no more."""

from __future__ import annotations

from datetime import timedelta

import click

from batch_platform.cli.vacuum import Age

_LEAST = timedelta(days=1)


@click.command()
@click.option(
    "--runs-older-than", type=Age(), default="90d", show_default=True, help="Runs that ended later stay; 1d or more."
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and delete nothing.")
def prune(runs_older_than: timedelta, dry_run: bool) -> None:
    """Delete old runs with their events, but none that made a partition last or failed at one last.

    Tables and their provenance stay as they are; the results of checks do, too.
    """
    import dagster as dg

    from batch_platform.automation import clock
    from batch_platform.automation.home import prepare_home
    from batch_platform.automation.pruning import prune as forget
    from batch_platform.errors import ConfigurationError
    from batch_platform.settings import Settings

    if runs_older_than < _LEAST and not dry_run:
        raise ConfigurationError("--runs-older-than is less than a day", fix="runs that have just ended are looked at")
    prepare_home(Settings.from_environment())
    with dg.DagsterInstance.get() as instance:
        found = forget(instance, clock.now() - runs_older_than, dry_run=dry_run)
    verb = "would go" if dry_run else "deleted"
    click.echo(f"{len(found.gone):,} runs {verb}; {found.needed:,} as old stay, since partitions rest on them")
