"""`batch-platform score`: one file through one model."""

from __future__ import annotations

import warnings
from pathlib import Path

import click


@click.command()
@click.argument("model")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUTPUT", type=click.Path(path_type=Path))
def score(model: str, source: Path, target: Path) -> None:
    """Score one file: INPUT's rows go to OUTPUT with a column `score`.

    MODEL is a registered name (its champion), name@version, or a folder with model.safetensors and model.json.
    Files are .parquet or .csv.
    """
    from batch_platform.models.lookup import find_model
    from batch_platform.predictions.score_file import score_file
    from batch_platform.settings import Settings

    warnings.simplefilter("ignore")
    found, described = find_model(model, Settings.from_environment())
    rows = score_file(found, source, target)
    click.echo(f"{rows} rows scored by {described}: {target}")
