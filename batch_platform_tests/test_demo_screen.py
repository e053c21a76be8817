"""The last screen of the demonstration fits 80 columns and says what the tables and the registry hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from rich.console import Console

from batch_platform.automation.location import load_definitions
from batch_platform.cli.demo import demonstrated
from batch_platform.demo import plan_first_night
from batch_platform.demo_screen import show
from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.provenance import InputRead, Ledger, ModelUsed, PartitionRecord, Provenance, Stage
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.registry import Registry
from batch_platform_tests.models.registered import EXAMPLE, Line, settings_in

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 4, 15, 9, tzinfo=ZONE)
FLIGHTS = 1234
FIGURES = ("roc_auc", "log_loss", "brier", "calibration_error")


def _flights(day: str) -> pa.Table:
    """Flights of which every second one is risky; the later it leaves, the likelier it is late."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZONE)
    moments = [start + timedelta(minutes=index) for index in range(FLIGHTS)]
    return pa.table(
        {
            "flight_date": pa.array([start.date()] * FLIGHTS, pa.date32()),
            "carrier": ["B6"] * FLIGHTS,
            "flight_number": pa.array(range(FLIGHTS), pa.int64()),
            "origin": ["JFK"] * FLIGHTS,
            "destination": ["BOS"] * FLIGHTS,
            "scheduled_departure_at": pa.array([m.astimezone(UTC) for m in moments], pa.timestamp("us", "UTC")),
            "late_probability": pa.array([index / FLIGHTS for index in range(FLIGHTS)], pa.float32()),
            "is_risky": [index % 2 == 1 for index in range(FLIGHTS)],
        }
    )


def _commit(lake: Lake, table: str, stage: Stage, record: PartitionRecord, contents: dict[str, pa.Table]) -> None:
    target = Table(lake, table)
    provenance = Provenance(stage, "run", "local", 0.1, 0.0, dict.fromkeys(contents, record), sql_digest="s")
    files = {day: [target.write(day, rows)] for day, rows in contents.items()}
    replace_partitions(target, next(iter(contents.values())).schema, files, provenance)


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines that a console of 80 columns shows for a lake with a wide row ledger."""
    folder = tmp_path_factory.mktemp("screen")
    settings = settings_in(folder)
    features, model, predictions = demonstrated(load_definitions()[1])
    night = plan_first_night(features, model, predictions, NOW)
    registry = Registry(settings)
    metrics = {f"{prefix}{name}": 0.25 for prefix in ("", "logistic_regression_", "base_rate_") for name in FIGURES}
    (window,) = night.windows
    version = registry.register(
        model.name,
        Line(0.5),
        EXAMPLE,
        window=window,
        window_start=model.calendar.start_of(window),
        metrics={**metrics, "roc_auc": 0.7125, "holdout_rows": 27004.0},
        parameters={},
    )
    registry.promote(version)

    rows = FLIGHTS + 6
    made = PartitionRecord(
        "f", Ledger(rows, {"valid": FLIGHTS, "quarantined": 6}), inputs={"snapshots/x": InputRead(0, "d")}
    )
    read = {predictions.features: InputRead(0, "f")}
    scored = PartitionRecord(
        "p",
        Ledger(FLIGHTS, {"scored": FLIGHTS - 3, "reused": 0, "failed": 3}),
        inputs=read,
        model=ModelUsed(model.name, version.number, version.digest),
    )
    few = pa.table({"carrier": ["B6"]})
    _commit(settings.lake, predictions.features, Stage.FEATURES, made, dict.fromkeys(night.days, few))
    contents = {day: _flights(day).slice(0, 1) for day in night.days[:-1]} | {night.days[-1]: _flights(night.days[-1])}
    _commit(settings.lake, predictions.table, Stage.PREDICTIONS, scored, contents)

    console = Console(width=80, file=StringIO(), color_system=None)
    show(console, settings, night, model, predictions)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def test_tomorrow_is_named_and_counted_on_one_line(screen: list[str]) -> None:
    assert "Tomorrow, 2026-04-16: 1,234 flights, 617 marked risky; the riskiest are" in [
        line.strip() for line in screen
    ]


def test_the_riskiest_flights_come_first_in_local_time(screen: list[str]) -> None:
    flights = [line.split() for line in screen if "JFK" in line]
    assert len(flights) == 10
    # The 1,233rd minute after midnight in New York is 20:33, whatever the lake's UTC says.
    assert flights[0][:7] == ["B6", "1233", "JFK", "→", "BOS", "20:33", "100%"]
    assert [int(flight[1]) for flight in flights] == list(range(1233, 1223, -1))


def test_every_day_has_its_ledger_line(screen: list[str]) -> None:
    lines = [line.split() for line in screen if line.strip().startswith("2026-04-")]
    assert [line[0] for line in lines] == [f"2026-04-{day:02}" for day in range(2, 17)]
    assert all(line[1:] == ["1,240", "1,234", "6", "1,231", "0", "3", "1"] for line in lines)


def test_the_figures_of_the_serving_version_stand_beside_those_it_must_beat(screen: list[str]) -> None:
    assert any("Model flight_delay version 1 on the 27,004 flights of its holdout" in line for line in screen)
    figures = {line.rsplit(maxsplit=4)[0].strip(): line.split()[-4:] for line in screen if "0.2500" in line}
    assert figures == {
        "this version": ["0.7125", "0.2500", "0.2500", "0.2500"],
        "logistic regression": ["0.2500"] * 4,
        "base rate": ["0.2500"] * 4,
    }


def test_nothing_wraps_and_the_query_is_one_line(screen: list[str]) -> None:
    (query,) = (line for line in screen if line.startswith("Query"))
    assert (
        query.endswith("ORDER BY 1'))\"") and "deltalake.DeltaTable(" in query and "predictions/flight_delay" in query
    )
    copied = ("Tables", "Models", "Query", "The data")
    wide = [line for line in screen if len(line) > 80 and not line.startswith(copied)]
    assert wide == [] and not any("…" in line for line in screen)
    assert screen[-1].startswith("Next") and "make ui" in screen[-1]
