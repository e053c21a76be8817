"""Leakage: what becomes known after the decision time changes no feature, in the pipeline as it is shipped.

The SQL, the contract and the times are those of `flight_delay`; the data are the demonstration's. Features of a day
are decided on the evening before. By then the day's schedule and forecast are known, and the outcomes of two days ago.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

from batch_platform.features.build import build
from batch_platform.features.definition import FeatureTable
from batch_platform.features.quarantine import Tolerance
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import Run
from batch_platform.partitions import Cadence, Calendar, Offset, Window
from batch_platform.snapshots.capture import Snapshot, capture
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, Source, source_from
from batch_platform.sql.model import load_model
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Timeline, reading
from batch_platform_tests.contracts.declared import load_contracts

PROJECT = Path(__file__).parents[2]
MODELS = PROJECT / "dbt_like_sql" / "models" / "flight_delay"
DEFINITIONS = [
    document
    for document in yaml.safe_load_all((PROJECT / "batch_platform/defs/flight_delay/defs.yaml").read_text())
    if document["type"] in ("batch_platform.InputSnapshot", "batch_platform.FeatureTables")
]
SNAPSHOTS: dict[str, dict[str, Any]] = {
    document["attributes"]["name"]: document["attributes"]
    for document in DEFINITIONS
    if document["type"] == "batch_platform.InputSnapshot"
}
(TABLES,) = (one["attributes"] for one in DEFINITIONS if one["type"] == "batch_platform.FeatureTables")
KNOWN_AT = Offset.parse(TABLES["known_at"])

Change = Callable[[pa.Table], pa.Table]


def calendar_of(name: str) -> Calendar | None:
    declared = SNAPSHOTS[name].get("partitions")
    if declared is None:
        return None
    ahead = Offset.parse(SNAPSHOTS[name].get("ahead", "0d")).days
    return Calendar(Cadence(declared["cadence"]), declared["start"], declared["timezone"], ahead)


def timeline_of(name: str) -> Timeline:
    calendar = calendar_of(name)
    available = Offset.parse(SNAPSHOTS[name]["available"]) if calendar else None
    return Timeline(f"snapshots/{name}", calendar, available)


CALENDAR = calendar_of("flight_schedule")
assert CALENDAR is not None
DAY = CALENDAR.shift(CALENDAR.first, 31)  # its 28 days of outcomes begin after the first day there is


def day(distance: int) -> str:
    """The day this far from `DAY`."""
    assert CALENDAR is not None
    return CALENDAR.shift(DAY, distance)


@dataclass(frozen=True)
class Changed:
    """A source whose rows are changed on the way."""

    source: Source
    change: Change

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        extract = self.source.read(partition_key, window)
        return Extract(self.change(extract.table), extract.files)


def bring(lake: Lake, name: str, days: Sequence[str], change: Change = lambda rows: rows) -> None:
    """Capture these days of a snapshot, changed."""
    source = Changed(source_from(SourceSpec.model_validate(SNAPSHOTS[name]["source"]), base=PROJECT), change)
    snapshot = Snapshot(name, source, tuple(SNAPSHOTS[name]["key"]), calendar_of(name))
    outcomes = capture(snapshot, lake, days, Run("a-run"), Meter(0.04))
    assert [outcome.error for outcome in outcomes] == [None] * len(days)


def features() -> FeatureTable:
    model = load_model(MODELS / "flight_features.sql")
    assert CALENDAR is not None
    readings = tuple(
        reading(timeline_of(table.split("/")[1]), model.lookback.get(table), CALENDAR, KNOWN_AT)
        for table in model.inputs
    )
    contract = load_contracts(MODELS)["flight_features"]
    return FeatureTable(
        model, contract, CALENDAR, KNOWN_AT, readings, Tolerance.parse(TABLES["quarantine"]["stop_above"])
    )


def digests(lake: Lake, days: Sequence[str]) -> dict[str, str]:
    """Build these days; every check must pass."""
    outcomes = build(features(), lake, days, Run("a-run"), Meter(0.04))
    assert [outcome.error for outcome in outcomes] == [None] * len(days)
    assert all(check.passed for outcome in outcomes for check in outcome.checks)
    return {outcome.key: outcome.digest for outcome in outcomes}


def all_late(rows: pa.Table) -> pa.Table:
    """Every flight arrives very late, also the cancelled ones."""
    column = rows.column_names.index("arrival_delay_minutes")
    late = pa.array([500] * rows.num_rows, rows.schema.field(column).type)
    return rows.set_column(column, "arrival_delay_minutes", late)


def one_arrival(rows: pa.Table) -> pa.Table:
    """One single flight that was on time is late."""
    column = rows.column_names.index("arrival_delay_minutes")
    delays = rows.column(column).to_pylist()
    punctual = next(number for number, delay in enumerate(delays) if delay is not None and delay < 0)
    delays[punctual] = 100
    return rows.set_column(column, "arrival_delay_minutes", pa.array(delays, rows.schema.field(column).type))


def half(rows: pa.Table) -> pa.Table:
    """Every other row is lost."""
    return rows.take(pa.array(range(0, rows.num_rows, 2)))


def freezing(rows: pa.Table) -> pa.Table:
    column = rows.column_names.index("temperature_fahrenheit")
    colder = pc.subtract(rows.column(column), 20).cast(rows.schema.field(column).type)
    return rows.set_column(column, "temperature_fahrenheit", colder)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """All that there is by two days after `DAY`, which is more than its features may see."""
    lake = Lake(str(tmp_path_factory.mktemp("leakage") / "lake"))
    bring(lake, "aircraft", [""])
    for name in ("flight_schedule", "weather_forecast"):
        bring(lake, name, [day(distance) for distance in range(-1, 3)])
    bring(lake, "flight_outcomes", [day(distance) for distance in range(-31, 3)])
    return lake


@pytest.fixture(scope="module")
def expected(untouched: Lake) -> Mapping[str, str]:
    """The digests of the days' features over untouched inputs."""
    return digests(untouched, [day(0), day(1), day(2)])


@pytest.fixture
def lake(untouched: Lake, expected: Mapping[str, str], tmp_path: Path) -> Lake:
    """A copy of the untouched lake, to be changed."""
    shutil.copytree(untouched.root, tmp_path / "lake")
    return Lake(str(tmp_path / "lake"))


def test_all_that_becomes_known_later_changes_no_digit(lake: Lake, expected: Mapping[str, str]) -> None:
    """Built alone and in one range with days that do see the changed inputs."""
    bring(lake, "flight_outcomes", [day(distance) for distance in range(-1, 3)], all_late)
    bring(lake, "flight_schedule", [day(1), day(2)], half)
    bring(lake, "weather_forecast", [day(1), day(2)], freezing)
    rows = Table(lake, "features/flight_features").read([DAY])
    version = Table(lake, "features/flight_features").version()
    assert digests(lake, [DAY]) == {DAY: expected[DAY]}
    assert Table(lake, "features/flight_features").version() == version

    together = digests(lake, [day(2), day(0), day(1)])
    assert together[DAY] == expected[DAY]
    assert together[day(1)] != expected[day(1)] and together[day(2)] != expected[day(2)]
    assert Table(lake, "features/flight_features").read([DAY]).equals(rows)


@pytest.mark.parametrize(
    ("name", "distance", "change", "is_seen"),
    [
        ("flight_outcomes", -30, all_late, False),
        ("flight_outcomes", -29, one_arrival, True),
        ("flight_outcomes", -15, one_arrival, True),
        ("flight_outcomes", -2, one_arrival, True),
        ("flight_outcomes", -1, all_late, False),
        ("flight_outcomes", 0, all_late, False),
        ("flight_schedule", -1, half, False),
        ("flight_schedule", 0, half, True),
        ("flight_schedule", 1, half, False),
        ("weather_forecast", -1, freezing, False),
        ("weather_forecast", 0, freezing, True),
        ("weather_forecast", 1, freezing, False),
    ],
)
def test_a_change_counts_within_the_window_and_nowhere_else(
    lake: Lake, expected: Mapping[str, str], name: str, distance: int, change: Change, is_seen: bool
) -> None:
    before = Table(lake, f"snapshots/{name}").records([day(distance)])[day(distance)].record.digest
    bring(lake, name, [day(distance)], change)
    after = Table(lake, f"snapshots/{name}").records([day(distance)])[day(distance)].record.digest
    assert before != after
    assert (digests(lake, [DAY])[DAY] != expected[DAY]) is is_seen


def test_serving_on_the_evening_before_sees_what_training_sees_later(
    expected: Mapping[str, str], tmp_path: Path
) -> None:
    """A lake that holds only what had arrived by the decision gives the same features as one with all that followed."""
    evening = Lake(str(tmp_path / "evening"))
    assert CALENDAR is not None
    decision = KNOWN_AT.after(CALENDAR.start_of(DAY))
    bring(evening, "aircraft", [""])
    for name in SNAPSHOTS:
        timeline = timeline_of(name)
        if timeline.calendar is not None and timeline.available is not None:
            everything = [day(distance) for distance in range(-31, 3)]
            known = [one for one in everything if timeline.available.after(CALENDAR.start_of(one)) <= decision]
            bring(evening, name, known)
    assert digests(evening, [DAY]) == {DAY: expected[DAY]}


def test_every_day_of_a_year_reads_at_the_same_distance_and_nothing_unknown() -> None:
    """One constant lag, on both sides of a clock change; and it is the shortest that never looks ahead."""
    assert CALENDAR is not None
    days = [CALENDAR.shift(DAY, number) for number in range(366)]
    for one in features().readings:
        timeline = one.timeline
        if timeline.calendar is None or timeline.available is None:
            continue
        assert one.last is not None
        spare = 0
        for own in days:
            seen, decision = one.keys(own), KNOWN_AT.after(CALENDAR.start_of(own))
            assert seen[-1] == CALENDAR.shift(own, -one.last) and len(seen) == (
                28 if "outcomes" in timeline.table else 1
            )
            assert timeline.available.after(CALENDAR.start_of(seen[-1])) <= decision
            following = timeline.available.after(CALENDAR.start_of(CALENDAR.shift(seen[-1], 1)))
            spare += following <= decision
        assert spare == 0
