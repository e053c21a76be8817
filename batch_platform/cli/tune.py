"""`batch-platform tune`: measure which batches, workers and shards suit a prediction table, and propose them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import click

from batch_platform.cli.tables import prediction_table

if TYPE_CHECKING:
    from batch_platform.predictions.options import ScoringOptions


@click.command()
@click.argument("table")
@click.option("--rows", default=500_000, show_default=True, type=click.IntRange(1_000), help="Rows of each trial.")
def tune(table: str, rows: int) -> None:
    """Measure batch size, workers and shard size of predictions/TABLE on its newest features, and propose them.

    Nothing in the lake changes; the proposal is YAML to paste into the pipeline's `defs.yaml`.

    Example: batch-platform tune flight_delay
    """
    from rich.console import Console
    from rich.table import Table as Shown

    console = Console()
    warnings.simplefilter("ignore")
    with console.status("Loading the platform"):
        from batch_platform.predictions.tuning import Trial
        from batch_platform.predictions.tuning import tune as measure
        from batch_platform.settings import Settings

        predictions = prediction_table(table)
        settings = Settings.from_environment()
    shown = Shown("batch rows", "workers", "shard rows", "rows/s", "CPU-s per million rows")

    def add(trial: Trial) -> None:
        options = trial.options
        cells = (f"{options.batch_rows:,}", str(options.workers or "one a processor"), f"{options.shard_rows:,}")
        shown.add_row(*cells, f"{trial.rows_per_second:,.0f}", f"{trial.cpu_seconds:.2f}")

    with console.status("Measuring"):
        found = measure(predictions, settings, add, rows)
    console.print(
        f"{predictions.table}: {found.rows:,} rows of the features of {found.partition}, in each of the trials"
    )
    console.print(shown)
    console.print(proposal(found.present, found.proposal), highlight=False)


def proposal(present: ScoringOptions, proposed: ScoringOptions) -> str:
    """What to write into `defs.yaml`, or that nothing is worth changing."""
    changed = {
        name: getattr(proposed, name)
        for name in ("batch_rows", "workers", "shard_rows")
        if getattr(proposed, name) != getattr(present, name)
    }
    if not changed:
        return "Nothing is faster by 5% or more than what is declared: leave it as it is."
    note = "\nAnother batch_rows may change the last bits of scores." if "batch_rows" in changed else ""
    return f"scoring: {{{', '.join(f'{name}: {value}' for name, value in changed.items())}}}{note}"
