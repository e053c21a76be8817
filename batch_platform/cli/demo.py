"""`batch-platform demo`: the first night of the demonstration's pipeline, in the terminal.

Belongs here: its arguments and its progress. Does not belong here: which partitions it wants (`batch_platform.demo`).
"""

from __future__ import annotations

import logging
import time
import warnings
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from batch_platform.errors import ConfigurationError

if TYPE_CHECKING:
    from dagster import ComponentTree

    from batch_platform.features.definition import FeatureTable
    from batch_platform.models.definition import ModelDefinition
    from batch_platform.predictions.definition import Predictions

DEMONSTRATED = "flight_delay"
_EXAMPLE = "2026-03-31T20:00"


def _moment(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"--now {text[:40]!r} is not an ISO time", fix=f"write {_EXAMPLE}") from error


@click.command()
@click.option(
    "--now",
    "moment",
    metavar="ISO-TIME",
    callback=_moment,
    help="Pretend it is this past moment, by default in the pipeline's time zone.",
)
def demo(moment: datetime | None) -> None:
    """Run the first night of the flight_delay pipeline; again, it re-does only what is missing.

    To see the night of another day: batch-platform demo --now 2026-03-31T20:00
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console()
    began = time.perf_counter()
    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    with console.status("Loading the platform"):
        import dagster as dg

        from batch_platform.automation.catch_up import materialize, missing, refuse_missing
        from batch_platform.automation.home import prepare_home
        from batch_platform.automation.location import load_definitions
        from batch_platform.demo import plan_first_night
        from batch_platform.demo_screen import show
        from batch_platform.settings import Settings

        settings = Settings.from_environment()
        prepare_home(settings)
        definitions, tree = load_definitions()
        features, model, table = demonstrated(tree)
        night = plan_first_night(features, model, table, _seen_from(moment, table.calendar.timezone))
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with dg.DagsterInstance.get() as instance, Progress(*columns, console=console) as progress:
        for step in night.steps:
            keys = missing(step, settings, instance)
            there = len(step.keys) - len(keys)
            if not keys:
                progress.console.print(f"  {step.table}: all {there} there already, nothing to do")
                continue
            task = progress.add_task(step.table + (f" ({there} there already)" if there else ""), total=len(keys))
            materialize(definitions, instance, step, keys, advance=partial(progress.advance, task))
            refuse_missing(step, settings, instance)
    show(console, settings, night, model, table)
    console.print(f"Done in {time.perf_counter() - began:.0f} s.")


def demonstrated(tree: ComponentTree) -> tuple[FeatureTable, ModelDefinition, Predictions]:
    """The features, the model and the predictions of the pipeline that the demonstration shows.

    Raises:
        ConfigurationError: the pipeline is not there, or nothing trains its model.
    """
    from batch_platform.features.component import feature_tables
    from batch_platform.predictions.component import PredictionTable

    tables = {component.name: component for component in tree.get_all_components(of_type=PredictionTable)}
    if DEMONSTRATED not in tables:
        raise ConfigurationError(
            f"the demonstration shows predictions/{DEMONSTRATED}, which no pipeline declares",
            fix=f"restore batch_platform/defs/{DEMONSTRATED}, or run your own pipeline in the UI: make ui",
        )
    component = tables[DEMONSTRATED]
    predictions, model = component.definition(tree.load_context)
    if model is None:
        raise ConfigurationError(
            f"the demonstration trains the model {component.registered_model!r}, which no ModelVersion component makes",
            where=predictions.table,
            fix="add one, or run your own pipeline in the UI: make ui",
        )
    return feature_tables(tree.load_context)[component.features], model, predictions


def _seen_from(moment: datetime | None, timezone: str) -> datetime:
    from zoneinfo import ZoneInfo

    now = datetime.now(ZoneInfo(timezone))
    if moment is None:
        return now
    moment = moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    if moment > now:
        raise ConfigurationError(f"--now {moment.isoformat()} is in the future", fix="choose a past moment")
    return moment
