"""Every kind of table, from snapshot to predictions, on every kind of store, with equal content digests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batch_platform.automation.location import load_definitions
from batch_platform.features.build import build
from batch_platform.features.component import feature_tables
from batch_platform.features.definition import FeatureTable
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.registry import Registry
from batch_platform.models.tabular import train
from batch_platform.models.task import TrainingTask
from batch_platform.models.training_rows import LABEL, labelled_rows
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.predictions.component import PredictionTable
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.score import score
from batch_platform.settings import Settings
from batch_platform.snapshots.capture import Snapshot, capture
from batch_platform.snapshots.component import InputSnapshot
from batch_platform.snapshots.sources import source_from
from batch_platform.telemetry.cost import Meter

DAYS = ["2025-03-10", "2025-03-11"]
RUN = Run("a run")


class FlightDelay:
    """The pipeline's declarations, without Dagster's assets around them."""

    def __init__(self) -> None:
        _, tree = load_definitions()
        context = tree.load_context
        self.snapshots = {
            component.table: Snapshot(
                component.name,
                source_from(component.source, base=Path.cwd()),
                tuple(component.key),
                component.timeline.calendar,
            )
            for component in tree.get_all_components(of_type=InputSnapshot)
        }
        self.features: FeatureTable = feature_tables(context)["flight_features"]
        table, model = tree.get_all_components(of_type=PredictionTable)[0].definition(context)
        assert model is not None
        self.predictions: Predictions = table
        self.model: ModelDefinition = model


@pytest.fixture(scope="module")
def pipeline() -> FlightDelay:
    """Load the pipeline once."""
    return FlightDelay()


@pytest.fixture(scope="module")
def digests() -> dict[str, dict[str, str]]:
    """What each store gave, to be compared with the others."""
    return {}


def _run(pipeline: FlightDelay, settings: Settings) -> dict[str, str]:
    """Make two days of every table; returns the content digest of each partition."""
    found: dict[str, str] = {}

    def note(table: str, outcomes: list[PartitionOutcome]) -> None:
        for outcome in outcomes:
            assert outcome.error is None, str(outcome.error)
            found[f"{table}[{outcome.key}]"] = outcome.digest
            for name, extra in outcome.extra.items():
                found[f"{name}[{extra.key}]"] = extra.digest

    for reading in pipeline.features.readings:
        table = reading.timeline.table
        keys = sorted({key for day in DAYS for key in reading.keys(day)})
        if table == pipeline.model.label.timeline.table:
            keys = sorted({*keys, *DAYS})
        note(table, capture(pipeline.snapshots[table], settings.lake, keys, RUN, Meter(0.0)))
    note(pipeline.features.model.table, build(pipeline.features, settings.lake, DAYS, RUN, Meter(0.0)))
    rows = labelled_rows(pipeline.model, settings.lake, DAYS)
    task = TrainingTask(pipeline.model.columns, LABEL, PARTITION_COLUMN, seed=7, options={"epochs": 1})
    registry = Registry(settings)
    version = registry.register(
        pipeline.model.name,
        train(rows, task),
        rows.select(pipeline.model.columns).slice(0, 3),
        window="2025-03-01",
        window_start=pipeline.model.calendar.start_of("2025-03-01"),
        metrics={"roc_auc": 0.7},
        parameters={},
    )
    registry.promote(version)
    note(pipeline.predictions.table, score(pipeline.predictions, settings, DAYS, RUN, Meter(0.0)))
    return found


@pytest.mark.slow
def test_every_table_is_written_and_read_back(
    pipeline: FlightDelay, digests: dict[str, dict[str, str]], any_lake: Lake, tmp_path: Path
) -> None:
    """Snapshots, features, predictions and both quarantines: complete, provable, equal on every store."""
    registry = f"sqlite:///{tmp_path / 'registry.db'}"
    settings = replace(
        Settings.from_environment(), lake=any_lake, registry=registry, artifacts=str(tmp_path / "artifacts")
    )
    found = _run(pipeline, settings)

    tables = {place.split("[")[0] for place in found}
    assert tables == {
        "snapshots/flight_schedule",
        "snapshots/weather_forecast",
        "snapshots/aircraft",
        "snapshots/flight_outcomes",
        "features/flight_features",
        "quarantine/flight_features",
        "predictions/flight_delay",
        "quarantine/flight_delay",
    }
    for name in tables:
        for key, recorded in Table(any_lake, name).records().items():
            assert recorded.record.digest == found[f"{name}[{key}]"]
            assert recorded.record.ledger.balanced
    scored = Table(any_lake, "predictions/flight_delay").read([DAYS[1]])
    assert scored.num_rows == Table(any_lake, "features/flight_features").read([DAYS[1]]).num_rows > 900
    # A second run finds everything as it is.
    versions = {name: Table(any_lake, name).version() for name in tables}
    _run(pipeline, settings)
    assert {name: Table(any_lake, name).version() for name in tables} == versions
    digests["s3" if any_lake.root.startswith("s3") else "local"] = found
    first = next(iter(digests.values()))
    assert all(other == first for other in digests.values())
