"""Contracts and rows that the tests of this folder share."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl

from batch_platform.contracts.contract import Contract, Verdict
from batch_platform.sql.properties import Entry, load_properties
from batch_platform_tests.contracts.declared import load_contracts

FLIGHTS = """\
version: 2
models:
  - name: flight_features
    description: One row per scheduled flight.
    meta: {owner: "team:flight-ops"}
    data_tests:
      - unique_combination_of_columns: {combination_of_columns: [carrier, flight_number]}
      - row_count: {max: 1000}
      - expression_is_true: {expression: "arrival > departure", name: lands after it leaves}
    columns:
      - name: carrier
        description: IATA code.
        data_type: VARCHAR
        meta: {role: key}
        data_tests: [not_null, {accepted_values: {values: [AA, B6]}}, {string_length: {min: 2, max: 2}}]
      - name: flight_number
        data_type: INTEGER
        meta: {role: key}
        data_tests: [not_null]
      - name: distance_miles
        data_type: DOUBLE
        meta: {role: feature, unit: miles}
        data_tests: [{range: {min: 0, max: 5000}}]
      - name: passenger
        data_type: VARCHAR
        meta: {role: carried, personal: true}
        data_tests: [{matches: {regex: "^[A-Z]{3}$"}}]
      - {name: departure, data_type: TIMESTAMPTZ}
      - {name: arrival, data_type: TIMESTAMPTZ}
"""


def contract_of(folder: Path, text: str) -> Contract:
    (folder / "schema.yml").write_text(text, encoding="utf-8")
    return next(iter(load_contracts(folder).values()))


def entry_of(folder: Path, text: str) -> Entry:
    (folder / "schema.yml").write_text(text, encoding="utf-8")
    return load_properties([folder]).models["m"]


def one_column(folder: Path, data_type: str, tests: str = "", model_tests: str = "") -> Contract:
    return contract_of(
        folder,
        f"models:\n  - name: m\n    data_tests: [{model_tests}]\n    columns:\n"
        f"      - name: c\n        data_type: {data_type}\n        data_tests: [{tests}]\n",
    )


def rows_of(columns: dict[str, Any], schema: dict[str, Any] | None = None) -> pl.DataFrame:
    frame = pl.DataFrame(columns, schema=schema)
    return frame.with_columns(
        pl.lit("in.csv").alias("_source_file"),
        pl.int_range(frame.height, dtype=pl.Int64).alias("_source_row"),
    )


def flights(**changes: list[Any]) -> pl.DataFrame:
    leaves = dt.datetime(2025, 1, 6, 8, tzinfo=dt.UTC)
    columns: dict[str, list[Any]] = {
        "carrier": ["AA", "B6", "AA"],
        "flight_number": [1, 1, 2],
        "distance_miles": [0.0, 5000.0, None],
        "passenger": ["ABC", None, "XYZ"],
        "departure": [leaves, leaves, None],
        "arrival": [leaves + dt.timedelta(hours=1)] * 3,
    }
    types = {
        "carrier": pl.String,
        "flight_number": pl.Int32,
        "distance_miles": pl.Float64,
        "passenger": pl.String,
        "departure": pl.Datetime("us", "UTC"),
        "arrival": pl.Datetime("us", "UTC"),
    }
    return rows_of({**columns, **changes}, types)


def broken_rows(verdict: Verdict) -> dict[int, str]:
    return dict(zip(verdict.rejected["_source_row"], verdict.rejected["_rules"], strict=True))


EVERY_RULE = """\
models:
  - name: m
    data_tests:
      - unique_combination_of_columns: {combination_of_columns: [n, s]}
      - unique_combination_of_columns: {combination_of_columns: [x, day]}
      - expression_is_true: {expression: "n <> 3"}
      - expression_is_true: {expression: "s::integer > 0 and s::integer < 5"}
      - expression_is_true: {expression: "s::integer < n", name: text below number}
      - expression_is_true: {expression: "hour(moment) < 12 or flag"}
    columns:
      - {name: n, data_type: INTEGER, data_tests: [not_null, unique, {range: {min: 0, max: 4}}]}
      - name: x
        data_type: DOUBLE
        data_tests: [not_null, unique, {range: {max: 1}}, {accepted_values: {values: [0]}}]
      - {name: y, data_type: FLOAT, data_tests: [{range: {min: 0.1}}]}
      - name: s
        data_type: VARCHAR
        data_tests:
          - not_null
          - unique
          - accepted_values: {values: ["", "1", ü]}
          - matches: {regex: "^[^b]*$"}
          - string_length: {max: 1}
      - {name: flag, data_type: BOOLEAN, data_tests: [{accepted_values: {values: [true]}}]}
      - name: price
        data_type: DECIMAL(4,1)
        data_tests: [{range: {min: 0.5}}, {accepted_values: {values: [0.5, 2]}}]
      - {name: day, data_type: DATE, data_tests: [not_null, {range: {min: 2025-01-06}}]}
      - {name: moment, data_type: TIMESTAMPTZ, data_tests: [{range: {max: 2025-01-06T12:00:00Z}}]}
"""


NOON = dt.datetime(2025, 1, 6, 12, tzinfo=dt.UTC)


PAIR = """\
models:
  - name: m
    data_tests: [{tests}]
    columns:
      - {{name: a, data_type: BIGINT}}
      - {{name: B, data_type: VARCHAR}}
"""


def expression(text: str, name: str = "") -> str:
    return f'expression_is_true: {{expression: "{text}"{f", name: {name}" if name else ""}}}'
