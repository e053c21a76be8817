"""What the demonstration shows at its end, from the tables and the registry alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import polars as pl
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text

from batch_platform.demo import FirstNight
from batch_platform.lake.table import Table
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.registry import Registry, Version
from batch_platform.predictions.definition import Predictions
from batch_platform.settings import Settings

_FIGURES = {"roc_auc": "ROC AUC", "log_loss": "log loss", "brier": "Brier", "calibration_error": "calibration error"}
_RISKIEST = 10


def show(console: Console, settings: Settings, night: FirstNight, model: ModelDefinition, table: Predictions) -> None:
    """Print the riskiest flights, the row ledger, the model's quality and where everything lies."""
    registry = Registry(settings)
    serving = registry.as_of(model.name, table.decision(night.days[-1]))
    console.print()
    console.print(_riskiest(settings, night, table))
    console.print(_ledger(settings, night, table))
    console.print(_quality(registry, serving))
    console.print(_next_steps(settings, night, table))


def _riskiest(settings: Settings, night: FirstNight, table: Predictions) -> RenderableType:
    tomorrow = night.days[-1]
    rows = pl.DataFrame(pl.from_arrow(Table(settings.lake, table.table).read([tomorrow])))
    score = table.score_column
    top = rows.sort([score, *table.key], descending=[True] + [False] * len(table.key)).head(_RISKIEST)
    grid = Grid(
        title=f"Riskiest flights of {tomorrow} (tomorrow): {_RISKIEST} of {rows.height}, "
        f"{rows.get_column('is_risky').sum()} of them marked risky",
        title_justify="left",
        title_style="bold",
    )
    for name, justify in (
        ("flight", "left"),
        ("route", "left"),
        ("leaves", "right"),
        ("late > 15 min", "right"),
        ("", "left"),
    ):
        grid.add_column(name, justify="right" if justify == "right" else "left")
    zone = table.calendar.timezone
    for row in top.with_columns(pl.col("scheduled_departure_at").dt.convert_time_zone(zone)).to_dicts():
        grid.add_row(
            f"{row['carrier']} {row['flight_number']}",
            f"{row['origin']} → {row['destination']}",
            f"{row['scheduled_departure_at']:%H:%M}",
            f"{row[score]:.0%}",
            Text("█" * round(20 * row[score]), style="red" if row["is_risky"] else "yellow"),
        )
    return grid


def _ledger(settings: Settings, night: FirstNight, table: Predictions) -> RenderableType:
    features = Table(settings.lake, table.features).records(night.days)
    predictions = Table(settings.lake, table.table).records(night.days)
    grid = Grid(title="Row ledger: every row is accounted for", title_justify="left", title_style="bold")
    for name in ("day", "from SQL", "= valid", "+ quarantined", "valid = scored", "+ reused", "+ failed", "version"):
        grid.add_column(name, justify="left" if name == "day" else "right")
    for day in night.days:
        made, scored = features[day].record.ledger, predictions[day].record.ledger
        model = predictions[day].record.model
        grid.add_row(
            day,
            *(f"{count:,}" for count in (made.rows, made.outcomes["valid"], made.outcomes["quarantined"])),
            *(f"{scored.outcomes[name]:,}" for name in ("scored", "reused", "failed")),
            model.version if model else "",
        )
    return grid


def _quality(registry: Registry, version: Version) -> RenderableType:
    figures = registry.metrics(version)
    grid = Grid(
        title=f"Model {version.name} version {version.number} on its holdout "
        f"({figures['holdout_rows']:,.0f} flights it never saw), beside two baselines",
        title_justify="left",
        title_style="bold",
    )
    grid.add_column("")
    for name in _FIGURES.values():
        grid.add_column(name, justify="right")
    for label, prefix in (
        ("this version", ""),
        ("logistic regression", "logistic_regression_"),
        ("base rate", "base_rate_"),
    ):
        grid.add_row(label, *(f"{figures[prefix + name]:.4f}" for name in _FIGURES), style="bold" if not prefix else "")
    return grid


def _next_steps(settings: Settings, night: FirstNight, table: Predictions) -> RenderableType:
    lake = _short(settings.lake.root)
    query = (
        f'.venv/bin/python -c "import duckdb, deltalake; '
        f"t = deltalake.DeltaTable('{lake}/{table.table}').to_pyarrow_dataset(); "
        f"print(duckdb.sql('SELECT partition_key, count(*), avg({table.score_column}) FROM t GROUP BY 1 ORDER BY 1'))\""
    )
    lines: Iterable[Text] = (
        Text.assemble(("Tables      ", "bold"), f"{lake}/<stage>/<name>, Delta Lake, one folder per asset"),
        Text.assemble(("Query them  ", "bold"), query),
        Text.assemble(("Models      ", "bold"), _short(settings.registry)),
        Text.assemble(("Next        ", "bold"), ("make ui", "bold green"), "  then open http://localhost:3000"),
        Text.assemble(
            ("The data    ", "bold"),
            "real flights of 2013 replayed by whole weeks onto this year; the weather is observed, a perfect forecast",
        ),
    )
    return Panel(Group(*lines), title="Where it lies, and what to do next", title_align="left")


def _short(place: str) -> str:
    """A path relative to the working directory where it lies below it."""
    here = str(Path.cwd()) + os.sep
    return place.replace(here, "")
