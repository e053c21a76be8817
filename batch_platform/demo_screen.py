"""What the demonstration shows at its end, from the tables and the registry alone."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
from rich import box
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.markup import escape
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
_RISK_COLUMNS: dict[str, JustifyMethod] = {
    "flight": "left",
    "route": "left",
    "leaves": "right",
    "late > 15 min": "right",
    "": "left",
}
_LEDGER_COLUMNS = ("day", "SQL rows", "valid", "quarantined", "scored", "reused", "failed", "model")


def show(console: Console, settings: Settings, night: FirstNight, model: ModelDefinition, table: Predictions) -> None:
    """Print the riskiest flights, the row ledger, the model's quality and where everything lies."""
    registry = Registry(settings)
    serving = registry.as_of(model.name, table.decision(night.days[-1]))
    console.print(_riskiest(settings, night, table))
    console.print(_ledger(settings, night, table))
    console.print(_quality(registry, serving))
    console.print()
    _next_steps(console, settings, table)


def _riskiest(settings: Settings, night: FirstNight, table: Predictions) -> RenderableType:
    tomorrow = night.days[-1]
    rows = pl.DataFrame(pl.from_arrow(Table(settings.lake, table.table).read([tomorrow])))
    score = table.score_column
    top = rows.sort([score, *table.key], descending=[True] + [False] * len(table.key)).head(_RISKIEST)
    grid, risky = _grid(), rows.get_column("is_risky").sum()
    title = f"Tomorrow, {tomorrow}: {rows.height:,} flights, {risky:,} marked risky; the riskiest are"
    for name, justify in _RISK_COLUMNS.items():
        grid.add_column(name, justify=justify)
    zone = table.calendar.timezone
    for row in top.with_columns(pl.col("scheduled_departure_at").dt.convert_time_zone(zone)).to_dicts():
        grid.add_row(
            f"{row['carrier']} {row['flight_number']}",
            f"{row['origin']} → {row['destination']}",
            f"{row['scheduled_departure_at']:%H:%M}",
            f"{row[score]:.0%}",
            Text("█" * round(20 * row[score]), style="red" if row["is_risky"] else "yellow"),
        )
    return _titled(title, grid)


def _ledger(settings: Settings, night: FirstNight, table: Predictions) -> RenderableType:
    features = Table(settings.lake, table.features).records(night.days)
    predictions = Table(settings.lake, table.table).records(night.days)
    grid = _grid()
    for name in _LEDGER_COLUMNS:
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
    return _titled("Row ledger: every row is accounted for", grid)


def _quality(registry: Registry, version: Version) -> RenderableType:
    figures = registry.metrics(version)
    grid = _grid()
    title = (
        f"Model {version.name} version {version.number} on the {figures['holdout_rows']:,.0f} flights of its holdout"
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
    return _titled(title, grid)


def _next_steps(console: Console, settings: Settings, table: Predictions) -> None:
    lake = _short(settings.lake.root)
    query = (
        f"import duckdb, deltalake; t = deltalake.DeltaTable('{lake}/{table.table}').to_pyarrow_dataset(); "
        f"print(duckdb.sql('SELECT partition_key, count(*), avg({table.score_column}) FROM t GROUP BY 1 ORDER BY 1'))"
    )
    for name, text in (
        ("Tables", f"{lake}/<stage>/<name>: Delta Lake, one table per asset"),
        ("Models", _short(settings.registry.rsplit("@", 1)[-1])),  # an address may hold a password
        ("Query", f'.venv/bin/python -c "{query}"'),
        ("The data", "real flights of 2013, replayed by whole weeks; the weather was observed: a perfect forecast"),
    ):
        # Soft wrapping keeps the query one line for whoever copies it.
        console.print(f"[bold]{name:<10}[/bold]{escape(text)}", soft_wrap=True, highlight=False)
    console.print("[bold]Next      [/bold][bold green]make ui[/bold green], then open http://localhost:3000")


def _grid() -> Grid:
    return Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)


def _titled(title: str, grid: Grid) -> RenderableType:
    # A title of the grid's own would wrap at the grid's width.
    return Group(Text(f"\n{title}", style="bold"), grid)


def _short(place: str) -> str:
    """A path relative to the working directory where it lies below it."""
    here = str(Path.cwd()) + os.sep
    return place.replace(here, "")
