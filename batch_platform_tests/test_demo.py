"""The plan of the first night is complete and no larger than it must be, on whatever day it is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.automation.location import load_definitions
from batch_platform.cli.demo import demonstrated
from batch_platform.demo import DAYS_BEFORE, FirstNight, plan_first_night
from batch_platform.errors import ConfigurationError
from batch_platform.features.definition import FeatureTable
from batch_platform.models.definition import ModelDefinition
from batch_platform.models.registry import Registry
from batch_platform.models.training_windows import windows_of
from batch_platform.predictions.definition import Predictions
from batch_platform_tests.models.registered import EXAMPLE, Line, settings_in
from batch_platform_tests.pipelines.project import Project

ZONE = ZoneInfo("America/New_York")
Pipeline = tuple[FeatureTable, ModelDefinition, Predictions]


def _pipeline() -> Pipeline:
    return demonstrated(load_definitions()[1])


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """The demonstrated pipeline, as declared."""
    return _pipeline()


def _keys(night: FirstNight, table: str) -> set[str]:
    return next(set(step.keys) for step in night.steps if step.table == table)


def _refuse_gaps(night: FirstNight, pipeline: Pipeline) -> None:
    """Every partition that a wanted one reads is wanted, too, unless it lies before the first."""
    features, model, predictions = pipeline
    built = _keys(night, features.model.table)
    for reading in features.readings:
        captured = _keys(night, reading.timeline.table)
        first = reading.timeline.calendar.first if reading.timeline.calendar else ""
        for key in built:
            assert {read for read in reading.keys(key) if read >= first} <= captured
    for window in night.windows:
        learned = windows_of(model, window)
        assert {*learned.training, *learned.holdout} <= built
        assert {*learned.training, *learned.holdout} <= _keys(night, model.label.timeline.table)
        assert learned.training and learned.holdout
    assert _keys(night, predictions.table) == {*night.days} <= built
    assert {model.calendar.key_at(predictions.decision(day)) for day in night.days} == {*night.windows}
    assert _keys(night, model.table) == {*night.windows}


@pytest.mark.parametrize(
    ("now", "first", "last", "windows"),
    [
        # On the last evening of a month, tomorrow's flights are still decided in this month.
        ("2026-03-31T20:00", "2026-03-18", "2026-04-01", ("2026-03-01",)),
        ("2026-04-01T00:00", "2026-03-19", "2026-04-02", ("2026-03-01", "2026-04-01")),
        ("2026-04-15T09:00", "2026-04-02", "2026-04-16", ("2026-04-01",)),
        ("2026-04-14T09:00", "2026-04-01", "2026-04-15", ("2026-03-01", "2026-04-01")),
        ("2026-03-08T01:59", "2026-02-23", "2026-03-09", ("2026-02-01", "2026-03-01")),
        ("2026-03-08T03:00", "2026-02-23", "2026-03-09", ("2026-02-01", "2026-03-01")),
        ("2026-11-01T01:30", "2026-10-19", "2026-11-02", ("2026-10-01", "2026-11-01")),
        ("2026-12-31T23:59", "2026-12-18", "2027-01-01", ("2026-12-01",)),
        ("2028-02-29T12:00", "2028-02-16", "2028-03-01", ("2028-02-01",)),
    ],
)
def test_the_nights_around_months_and_clock_changes(
    pipeline: Pipeline, now: str, first: str, last: str, windows: tuple[str, ...]
) -> None:
    night = plan_first_night(*pipeline, datetime.fromisoformat(now).replace(tzinfo=ZONE))
    assert (night.days[0], night.days[-1], len(night.days)) == (first, last, DAYS_BEFORE + 2)
    assert night.windows == windows
    _refuse_gaps(night, pipeline)


def test_the_moment_counts_in_the_pipelines_time_zone(pipeline: Pipeline) -> None:
    """At three in the morning in London it is still yesterday in New York."""
    night = plan_first_night(*pipeline, datetime(2026, 4, 2, 3, tzinfo=ZoneInfo("Europe/London")))
    assert night.days[-1] == "2026-04-02"


_PIPELINE: list[Pipeline] = []


@settings(max_examples=40)
@given(st.integers(0, 24 * 365 * 2))
def test_at_any_hour_of_two_years_the_plan_is_complete_and_in_order(hours: int) -> None:
    if not _PIPELINE:
        _PIPELINE.append(_pipeline())
    pipeline = _PIPELINE[0]
    night = plan_first_night(*pipeline, datetime(2026, 1, 1, tzinfo=ZONE) + timedelta(hours=hours))
    _refuse_gaps(night, pipeline)
    assert 1 <= len(night.windows) <= 2
    for step in night.steps:
        assert list(step.keys) == sorted(set(step.keys))
    order = [step.table for step in night.steps]
    features, model, predictions = pipeline
    assert order[-3:] == [features.model.table, model.table, predictions.table]
    assert {*order[:-3]} == {reading.timeline.table for reading in features.readings}


def test_the_steps_name_what_they_write_besides(pipeline: Pipeline) -> None:
    night = plan_first_night(*pipeline, datetime(2026, 5, 20, tzinfo=ZONE))
    features, model, predictions = pipeline
    besides = {step.table: step.with_tables for step in night.steps}
    assert besides[features.model.table] == (features.quarantine,)
    assert besides[predictions.table] == (predictions.quarantine,)
    assert {step.table for step in night.steps if not step.in_lake} == {model.table}
    assert _keys(night, "snapshots/aircraft") == {""}


@pytest.mark.parametrize(
    "now",
    [datetime(1, 1, 1, tzinfo=UTC), datetime(2025, 1, 6, tzinfo=ZONE), datetime(2025, 8, 1, tzinfo=ZONE)],
    ids=["before time", "the first day", "before a version could learn"],
)
def test_a_night_before_the_first_model_is_refused(pipeline: Pipeline, now: datetime) -> None:
    with pytest.raises(ConfigurationError, match=f"serves from {pipeline[1].calendar.first} on"):
        plan_first_night(*pipeline, now)


def test_the_earliest_night_is_complete(pipeline: Pipeline) -> None:
    model = pipeline[1]
    first = model.calendar.start_of(model.calendar.first)
    night = plan_first_night(*pipeline, first + timedelta(days=DAYS_BEFORE + 2))
    assert night.windows == (model.calendar.first,)
    _refuse_gaps(night, pipeline)
    with pytest.raises(ConfigurationError):
        plan_first_night(*pipeline, first + timedelta(days=DAYS_BEFORE - 1))


def test_a_model_is_there_if_the_registry_holds_it(pipeline: Pipeline, tmp_path: Path) -> None:
    """Dagster remembers versions of a registry that was deleted; the registry itself does not."""
    night = plan_first_night(*pipeline, datetime(2026, 4, 14, 9, tzinfo=ZONE))
    model = pipeline[1]
    (held,) = (step.held for step in night.steps if step.table == model.table)
    settings = settings_in(tmp_path)
    assert held is not None and not held(settings)
    window: dict[str, Any] = {"window": "2026-04-01", "window_start": datetime(2026, 4, 1, tzinfo=ZONE)}
    Registry(settings).register(model.name, Line(0.5), EXAMPLE, **window, metrics={}, parameters={})
    assert set(held(settings)) == {"2026-04-01"} < {*night.windows}


def test_without_its_pipeline_or_model_the_demonstration_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(tmp_path))
    project = Project.create(tmp_path)
    project.add("repeat_purchase")
    with project.tree() as tree, pytest.raises(ConfigurationError, match="predictions/flight_delay, which no pipeline"):
        demonstrated(tree)

    documents: list[dict[str, Any]] = [dict(document) for document in project.documents("repeat_purchase")]
    kept = [document for document in documents if document["type"] != "batch_platform.ModelVersion"]
    for document in kept:
        if document["type"] == "batch_platform.PredictionTable":
            document["attributes"] |= {"name": "flight_delay", "version": 1}
    project.declare("repeat_purchase", kept)
    with project.tree() as tree, pytest.raises(ConfigurationError, match="trains the model 'repeat_purchase', which"):
        demonstrated(tree)
