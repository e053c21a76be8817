"""Contracts: what a schema.yml may say, what each refusal names, and which rows each rule lets pass."""

from __future__ import annotations

import datetime as dt
import math
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError, ContractError
from batch_platform.features.contract import Contract, Role, Verdict, load_contracts, validate
from batch_platform.features.rules import NotNull, Range, RowCount, Unique

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


def test_a_contract_says_what_its_file_says(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, FLIGHTS)
    assert (contract.model, contract.description) == ("flight_features", "One row per scheduled flight.")
    assert contract.key == ("carrier", "flight_number")
    assert contract.features == ("distance_miles",)
    assert contract.path == tmp_path / "schema.yml"
    distance = contract.column("distance_miles")
    assert (distance.role, distance.unit, distance.nullable) == (Role.FEATURE, "miles", True)
    assert distance.rules == (Range("distance_miles", 0.0, 5000.0),)
    assert contract.column("passenger").personal and not contract.column("carrier").personal
    assert not contract.column("carrier").nullable
    assert contract.rules[:2] == (Unique(("carrier", "flight_number"), True), RowCount(None, 1000))
    assert [rule.name for rule in contract.row_rules] == [
        "carrier: not_null",
        "carrier: accepted_values(AA, B6)",
        "carrier: string_length(2, 2)",
        "flight_number: not_null",
        "distance_miles: range(0, 5000)",
        "passenger: matches(^[A-Z]{3}$)",
        "unique(carrier, flight_number)",
        "lands after it leaves",
    ]
    with pytest.raises(ConfigurationError, match="no column nothing"):
        contract.column("nothing")


def test_the_lake_stores_the_declared_types(tmp_path: Path) -> None:
    schema = contract_of(tmp_path, FLIGHTS).arrow_schema()
    assert schema.field("departure").type == pa.timestamp("us", "UTC")
    assert schema.field("carrier") == pa.field("carrier", pa.string(), nullable=False)
    assert schema.field("distance_miles").nullable


@pytest.mark.parametrize(
    ("spelled", "canonical", "stored"),
    [
        ("int8", "BIGINT", pa.int64()),
        ("text", "VARCHAR", pa.string()),
        ("real", "FLOAT", pa.float32()),
        ("timestamp  with time zone", "TIMESTAMPTZ", pa.timestamp("us", "UTC")),
        ('"NUMERIC(10, 2)"', "DECIMAL(10,2)", pa.decimal128(10, 2)),
        ("decimal", "DECIMAL(18,3)", pa.decimal128(18, 3)),
        ('"decimal(38)"', "DECIMAL(38,0)", pa.decimal128(38, 0)),
    ],
)
def test_synonyms_of_a_type_are_one_type(
    tmp_path: Path, spelled: str, canonical: str, stored: pa.DataType
) -> None:
    column = one_column(tmp_path, spelled).column("c")
    assert (column.data_type, column.arrow_type) == (canonical, stored)
    assert pl.Series([], dtype=column.polars_type).to_arrow().type in (stored, pa.large_string())


def test_pandera_alone_rejects_what_the_contract_rejects(tmp_path: Path) -> None:
    from pandera.errors import SchemaErrors

    contract = contract_of(tmp_path, FLIGHTS)
    bare = flights().drop("_source_file", "_source_row")
    assert contract.pandera_schema().validate(bare).equals(bare)
    with pytest.raises(SchemaErrors):
        contract.pandera_schema().validate(bare.with_columns(carrier=pl.lit("XX")), lazy=True)


def test_rows_that_keep_the_contract_are_valid(tmp_path: Path) -> None:
    frame = flights()
    shuffled = frame.select(reversed(frame.columns))
    verdict = validate(shuffled, contract_of(tmp_path, FLIGHTS))
    assert verdict.valid.equals(frame)
    assert verdict.rejected.height == 0 and verdict.broken == {}
    assert verdict.rejected.columns == [*frame.columns, "_rules"]
    assert verdict.rejected.schema["_rules"] == pl.String


def test_a_rejected_row_names_every_rule_it_breaks_sorted(tmp_path: Path) -> None:
    frame = flights(carrier=["AAA", "B6", None], distance_miles=[-1.0, math.nan, 3.0])
    verdict = validate(frame, contract_of(tmp_path, FLIGHTS))
    assert broken_rows(verdict) == {
        0: "carrier: accepted_values(AA, B6);carrier: string_length(2, 2);distance_miles: range(0, 5000)",
        1: "distance_miles: range(0, 5000)",
        2: "carrier: not_null",
    }
    assert verdict.broken == {
        "carrier: accepted_values(AA, B6)": 1,
        "carrier: not_null": 1,
        "carrier: string_length(2, 2)": 1,
        "distance_miles: range(0, 5000)": 2,
    }
    assert verdict.valid.height == 0


NOON = dt.datetime(2025, 1, 6, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("data_type", "test", "passing", "breaking"),
    [
        ("VARCHAR", "not_null", ["", "ü"], [None]),
        ("DOUBLE", "not_null", [0.0, math.inf, -math.inf], [None, math.nan]),
        ("FLOAT", "not_null", [0.0], [None, math.nan]),
        ("INTEGER", "range: {min: 0, max: 10}", [0, 10, None], [-1, 11]),
        ("BIGINT", "range: {min: 9007199254740993}", [2**53 + 1, None], [2**53]),
        ("INTEGER", "range: {max: 10}", [-(2**31), 10], [11]),
        ("DOUBLE", "range: {min: 0}", [0.0, math.inf, None], [-1e-300, math.nan]),
        ("DOUBLE", "range: {max: 0.1}", [0.1, -math.inf], [0.2, math.inf, math.nan]),
        ("FLOAT", "range: {max: 0.1}", [0.1, None], [0.11, math.nan]),
        ('"DECIMAL(10,2)"', "range: {max: 0.1}", [Decimal("0.10"), None], [Decimal("0.11")]),
        ("DATE", "range: {min: 2025-01-06}", [dt.date(2025, 1, 6), None], [dt.date(2025, 1, 5)]),
        (
            "TIMESTAMPTZ",
            "range: {max: 2025-01-06T12:00:00Z}",
            [NOON, None],
            [NOON + dt.timedelta(microseconds=1)],
        ),
        ("VARCHAR", 'accepted_values: {values: [é, "NO"]}', ["é", "NO", None], ["e", "", "NO ", "e\u0301"]),
        ("BOOLEAN", "accepted_values: {values: [true]}", [True, None], [False]),
        ("INTEGER", "accepted_values: {values: [1, 2]}", [1, 2, None], [3]),
        ("DOUBLE", "accepted_values: {values: [1, 0.5]}", [1.0, 0.5, None], [2.0, math.nan]),
        ("FLOAT", "accepted_values: {values: [0.1]}", [0.1, None], [0.2]),
        ('"DECIMAL(4,1)"', "accepted_values: {values: [0.1]}", [Decimal("0.1"), None], [Decimal("0.2")]),
        ("DATE", "accepted_values: {values: [2025-01-06]}", [dt.date(2025, 1, 6)], [dt.date(2025, 1, 7)]),
        ("TIMESTAMPTZ", "accepted_values: {values: [2025-01-06T12:00:00Z]}", [NOON], [NOON.replace(hour=1)]),
        ("VARCHAR", 'matches: {regex: "^[A-Z]{3}$"}', ["JFK", None], ["jfk", "JFKX", "", "ÄÖÜ"]),
        ("VARCHAR", 'matches: {regex: "a;b"}', ["xa;by"], ["ab"]),
        ("VARCHAR", "string_length: {min: 2, max: 3}", ["ab", "日本語", "🛫🛬", None], ["a", "abcd", ""]),
        ("VARCHAR", "string_length: {min: 1}", ["a", "a" * 1000], [""]),
        ("INTEGER", "unique", [1, 2, None, None], [7, 7, 8, 8, 8]),
        ("DOUBLE", "unique", [1.0, None, None], [0.0, -0.0, math.nan, math.nan]),
        ("VARCHAR", "unique", ["a", "é", "e\u0301"], ["ü", "ü"]),
    ],
)
def test_every_column_rule_catches_what_it_must_and_no_more(
    tmp_path: Path, data_type: str, test: str, passing: list[Any], breaking: list[Any]
) -> None:
    contract = one_column(tmp_path, data_type, f"{{{test}}}" if ":" in test else test)
    values = passing + breaking
    verdict = validate(rows_of({"c": values}, {"c": contract.column("c").polars_type}), contract)
    (rule,) = contract.row_rules
    assert verdict.valid["_source_row"].to_list() == list(range(len(passing)))
    assert verdict.rejected["_source_row"].to_list() == list(range(len(passing), len(values)))
    assert set(verdict.rejected["_rules"]) == {rule.name} and ";" not in rule.name
    assert verdict.broken == {rule.name: len(breaking)}


PAIR = """\
models:
  - name: m
    data_tests: [{tests}]
    columns:
      - {{name: a, data_type: BIGINT}}
      - {{name: B, data_type: VARCHAR}}
"""


def test_a_combination_counts_null_as_a_value_and_rejects_every_duplicate(tmp_path: Path) -> None:
    tests = "unique_combination_of_columns: {combination_of_columns: [a, B]}"
    contract = contract_of(tmp_path, PAIR.format(tests=tests))
    frame = rows_of({"a": [1, 1, 1, None, None, None], "B": ["x", "y", "x", "z", "z", None]})
    assert broken_rows(validate(frame, contract)) == dict.fromkeys((0, 2, 3, 4), "unique(a, B)")


def expression(text: str, name: str = "") -> str:
    return f'expression_is_true: {{expression: "{text}"{f", name: {name}" if name else ""}}}'


@pytest.mark.parametrize(
    ("text", "breaking"),
    [
        ("a > 1", [0]),
        ("b = 'x' or a is null -- a comment", [1]),
        ("A + 1 > 2 and length(b) = 1", [0]),
        ("b::integer > 0", [0, 1]),
        ("coalesce(a, 0) > 1", [0, 2]),
        ("b <> 'now()'", []),
    ],
)
def test_an_expression_rejects_rows_where_it_is_false_or_fails(
    tmp_path: Path, text: str, breaking: list[int]
) -> None:
    contract = contract_of(tmp_path, PAIR.format(tests=expression(text)))
    frame = rows_of({"a": [1, 2, None], "B": ["x", "y", None]}, {"a": pl.Int64, "B": pl.String})
    verdict = validate(frame, contract)
    assert verdict.rejected["_source_row"].to_list() == breaking
    assert verdict.broken == ({f"expression_is_true({text})": len(breaking)} if breaking else {})


def test_an_expression_means_the_same_in_every_time_zone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = one_column(tmp_path, "TIMESTAMPTZ", model_tests=expression("hour(c) = 12"))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert validate(rows_of({"c": [NOON]}), contract).valid.height == 1


def test_a_partition_without_rows_keeps_every_row_rule(tmp_path: Path) -> None:
    verdict = validate(flights().clear(), contract_of(tmp_path, FLIGHTS))
    assert (verdict.valid.height, verdict.rejected.height, verdict.broken) == (0, 0, {})


@pytest.mark.parametrize(("rows", "holds"), [(0, False), (1, True), (3, True), (4, False)])
def test_row_count_judges_the_partition(tmp_path: Path, rows: int, holds: bool) -> None:
    contract = one_column(tmp_path, "BIGINT", "not_null", "row_count: {min: 1, max: 3}")
    frame = rows_of({"c": [None] * rows}, {"c": pl.Int64})
    if holds:
        assert validate(frame, contract).rejected.height == rows
    else:
        with pytest.raises(
            ContractError, match=rf"features/m: the partition has {rows} rows.*row_count\(1, 3\)"
        ):
            validate(frame, contract)


def test_all_differences_of_the_columns_come_in_one_line(tmp_path: Path) -> None:
    frame = (
        flights()
        .drop("departure", "_source_row")
        .with_columns(
            extra=pl.lit(1), flight_number=pl.lit("1"), arrival=pl.col("arrival").dt.replace_time_zone(None)
        )
    )
    with pytest.raises(ContractError) as caught:
        validate(frame, contract_of(tmp_path, FLIGHTS))
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "missing departure, _source_row",
        "undeclared extra",
        "flight_number is String, expected INTEGER",
        "arrival is Datetime(time_unit='us', time_zone=None), expected TIMESTAMPTZ",
    ):
        assert part in message


NEW_YORK = pl.Datetime("ns", "America/New_York")


@pytest.mark.parametrize(
    ("found", "data_type", "fits", "changes"),
    [
        (pl.Int128, "BIGINT", 2**63 - 1, 2**63),
        (pl.Int64, "TINYINT", -128, 128),
        (pl.UInt64, "BIGINT", 7, 2**64 - 1),
        (pl.Decimal(38, 2), "BIGINT", Decimal("5.00"), Decimal("5.25")),
        (pl.Decimal(38, 2), '"DECIMAL(5,1)"', Decimal("1234.50"), Decimal("1234.56")),
        (pl.Decimal(38, 2), "DOUBLE", Decimal("1234.56"), Decimal("12345678901234567.89")),
        (pl.Float64, "INTEGER", 3.0, 3.5),
        (pl.Float64, "INTEGER", None, math.nan),
        (pl.Float64, "FLOAT", 0.5, 0.1),
        (pl.Int64, "DOUBLE", 2**53, 2**53 + 1),
        (NEW_YORK, "TIMESTAMPTZ", NOON, None),
    ],
)
def test_only_a_lossless_cast_is_made(
    tmp_path: Path, found: Any, data_type: str, fits: Any, changes: Any
) -> None:
    contract = one_column(tmp_path, data_type)
    column = contract.column("c")
    kept = validate(rows_of({"c": [fits, None]}, {"c": found}), contract).valid["c"]
    assert kept.dtype == column.polars_type
    assert kept.cast(found).to_list() == pl.Series([fits, None], dtype=found).to_list()
    if changes is not None:
        with pytest.raises(ContractError, match=r"c is .*, expected .*does not hold .*in\.csv row 1"):
            validate(rows_of({"c": [fits, changes]}, {"c": found}), contract)


def test_nanoseconds_are_not_cut_off_silently(tmp_path: Path) -> None:
    frame = rows_of({"c": [1]}).with_columns(c=pl.col("c").cast(pl.Datetime("ns", "UTC")))
    with pytest.raises(ContractError, match="does not hold"):
        validate(frame, one_column(tmp_path, "TIMESTAMPTZ"))


def test_a_personal_value_is_not_shown_in_an_error(tmp_path: Path) -> None:
    text = PAIR.format(tests="").replace("data_type: BIGINT", "data_type: TINYINT, meta: {personal: true}")
    with pytest.raises(ContractError) as caught:
        validate(rows_of({"a": [31337], "B": ["x"]}), contract_of(tmp_path, text))
    assert "31337" not in str(caught.value) and "in.csv row 0" in str(caught.value)


def test_an_untyped_null_column_takes_the_declared_type(tmp_path: Path) -> None:
    verdict = validate(rows_of({"c": [None, None]}), one_column(tmp_path, '"DECIMAL(5,2)"'))
    assert verdict.valid.schema["c"] == pl.Decimal(5, 2)


def test_the_environment_cannot_turn_a_contract_off(tmp_path: Path) -> None:
    one_column(tmp_path, "BIGINT", "not_null")
    program = (
        "import sys, pathlib, polars as pl\n"
        "from batch_platform.features.contract import load_contracts, validate\n"
        "frame = pl.DataFrame({'c': [None], '_source_file': ['f'], '_source_row': [1]})\n"
        "print(validate(frame, load_contracts(pathlib.Path(sys.argv[1]))['m']).broken)\n"
    )
    environment = {
        **os.environ,
        "PANDERA_VALIDATION_ENABLED": "False",
        "PANDERA_VALIDATION_DEPTH": "SCHEMA_ONLY",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'c: not_null': 1}"


REFUSED = [
    ("models:\n  - name: m\n    colums: []\n", 3, "has no key colums"),
    ("version: 3\nmodels: []\n", 1, "version must be 2"),
    ("version: 2\nsources: []\n", 2, "has no key sources"),
    ("version: 2\n", 1, "declares no models"),
    ("", 1, "declares no models"),
    ("models:\n  - name: m\n", 2, "model m needs columns"),
    ("models:\n  - name: m\n    columns: []\n", 3, "declares no columns"),
    ("models:\n  - columns: []\n", 2, "the model needs name"),
    ("models:\n  - name: ../m\n    columns: []\n", 2, "is no name for a model"),
    ("models:\n  - [\n", 3, "is not YAML"),
    ("models: 1\n", 1, "models must be a list"),
    ("models:\n  - name: m\n    name: n\n", 3, "name is given twice"),
    ("models:\n  - name: m\n    tests: []\n    data_tests: []\n    columns: [{name: c, data_type: DATE}]\n",
     3, "are the same"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "what"), REFUSED)
def test_a_file_that_says_something_else_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        contract_of(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:{line}: "), str(caught.value)
    assert what in str(caught.value)


COLUMN = "models:\n  - name: m\n    columns:\n      - name: ok\n        data_type: DATE\n"
COLUMN_REFUSED = [
    ("      - name: ok\n        data_type: DATE\n", 6, "column ok is declared twice"),
    ("      - name: OK\n        data_type: DATE\n", 6, "column OK is declared twice"),
    ("      - name: _c\n        data_type: DATE\n", 6, "is no name for a column"),
    ("      - name: 7\n        data_type: DATE\n", 6, "must be text"),
    ("      - name: c\n", 6, "column c needs data_type"),
    ("      - name: c\n        data_type: DATE\n        meta:\n          persnl: true\n", 9, "no key persnl"),
    ("      - name: c\n        data_type: DATE\n        meta:\n          role: label\n", 9, "unknown role"),
    ("      - name: c\n        data_type: DATE\n        meta:\n          personal: 1\n", 9, "true or false"),
    *(
        (f"      - name: c\n        data_type: {kind}\n", 7, "column c: the lake does not store")
        for kind in (
            "HUGEINT", '"STRUCT(a INTEGER)"', '"MAP(VARCHAR, INTEGER)"', "INTERVAL", "TIME", "UUID", "BIT",
            '"ENUM(\'a\')"', '"VARCHAR[]"', "TIMESTAMP", "UBIGINT", "JSON", "BLOB", '"DECIMAL(39,1)"',
            "INTEGR",
            '"DECIMAL(3,4)"', "VARIANT", "TIMETZ", "TIMESTAMP_NS",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "what"), COLUMN_REFUSED)
def test_a_column_that_cannot_be_meant_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        contract_of(tmp_path, COLUMN + text)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:{line}: "), str(caught.value)
    assert what in str(caught.value)


def test_a_timestamp_without_zone_is_told_what_to_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="use TIMESTAMPTZ"):
        one_column(tmp_path, "TIMESTAMP")


@pytest.mark.parametrize(
    ("data_type", "test", "what"),
    [
        ("VARCHAR", "notnull", "unknown test notnull on column c"),
        ("VARCHAR", "relationships: {to: x}", "unknown test relationships on column c"),
        ("VARCHAR", "not_null: {severity: warn}", "not_null has no key severity"),
        ("VARCHAR", "not_null, not_null", "two rules are called c: not_null"),
        ("VARCHAR", "range: {min: 0}", "range is no test for VARCHAR"),
        ("INTEGER", 'matches: {regex: "a"}', "matches is a test for VARCHAR"),
        ("INTEGER", "string_length: {min: 1}", "string_length is a test for VARCHAR"),
        ("INTEGER", "range: {}", "range needs min or max"),
        ("INTEGER", "range: {low: 1}", "range has no key low"),
        ("INTEGER", "range: {min: 2, max: 1}", "min 2 is above max 1"),
        ("INTEGER", "range: {min: 1.5}", "1.5 is not a value of the column's type"),
        ("INTEGER", "range: {min: true}", "True is not a value"),
        ("TINYINT", "range: {max: 128}", "128 does not fit"),
        ('"DECIMAL(4,2)"', "range: {max: 0.125}", "0.125 does not fit"),
        ("DOUBLE", "range: {max: .nan}", "nan is not a value"),
        ("DATE", "range: {max: 2025-13-01}", "cannot be read"),
        ("TIMESTAMPTZ", "range: {max: 2025-01-06}", "give date, time and zone"),
        ("VARCHAR", "accepted_values: {values: [NO]}", "put it in quotes"),
        ("VARCHAR", "accepted_values: {values: []}", "needs values"),
        ("VARCHAR", "accepted_values: {values: [a, a]}", "each of them once"),
        ("VARCHAR", "accepted_values", "accepted_values needs values"),
        ("VARCHAR", 'matches: {regex: "("}', "regex is not valid"),
        ("VARCHAR", "string_length: {min: -1}", "whole number"),
        ("VARCHAR", "string_length: {min: true}", "whole number"),
    ],
)
def test_a_test_that_cannot_be_enforced_is_refused_with_its_line(
    tmp_path: Path, data_type: str, test: str, what: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        one_column(tmp_path, data_type, f"{{{test}}}" if ":" in test else test)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:7: "), str(caught.value)
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("test", "what"),
    [
        ("not_null", "unknown test not_null on the model"),
        ("{not_null: {}, unique: {}}", "one test per item"),
        ("row_count: {}", "row_count needs min or max"),
        ("row_count: {min: 1.5}", "whole number"),
        ("unique_combination_of_columns: {combination_of_columns: [a, b]}", "reads b"),
        ("unique_combination_of_columns: {combination_of_columns: []}", "needs columns"),
        (expression("nothing > 1"), "reads nothing, which the model does not declare"),
        (expression("1 = 1"), "reads no column"),
        (expression("a"), "is of type BIGINT, not BOOLEAN"),
        (expression("a >"), "is not SQL"),
        (expression("a > 1) or (true"), "is not SQL"),
        (expression("a > 1; drop table m"), "second statement"),
        (expression("sum(a) > 1"), "aggregates rows"),
        (expression("row_number() over (order by a) > 1"), "window function"),
        (expression("a in (select 1)"), "no query"),
        (expression("unnest([a, 2]) > 1"), "unnest"),
        (expression("a > random()"), "depends on more than the row: random"),
        (expression("a > epoch(now())"), "depends on more than the row: now"),
        (expression("a > year(current_date)"), "depends on more than the row: current_date"),
        (expression("nosuch(a)"), "is refused by DuckDB"),
        (expression("a > 1", "x") + "}, {" + expression("a > 2", "x"), "two rules are called x"),
    ],
)
def test_a_model_test_that_cannot_be_enforced_is_refused_with_its_line(
    tmp_path: Path, test: str, what: str
) -> None:
    text = PAIR.format(tests=test if test.startswith("{") or ":" not in test else f"{{{test}}}")
    with pytest.raises(ConfigurationError) as caught:
        contract_of(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'schema.yml'}:3: "), str(caught.value)
    assert what in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_is_read_file_by_file_and_no_model_twice(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(PAIR.format(tests="").replace("name: m", "name: n"))
    (tmp_path / "notes.txt").write_text("not: [yaml")
    contract_of(tmp_path, FLIGHTS)
    assert list(load_contracts(tmp_path)) == ["n", "flight_features"]
    (tmp_path / "zz.yml").write_text(PAIR.format(tests="").replace("name: m", "name: n"))
    with pytest.raises(
        ConfigurationError, match=r"zz\.yml:2: model n is declared twice, first in .*other\.yaml"
    ):
        load_contracts(tmp_path)
    with pytest.raises(ConfigurationError, match="no such folder"):
        load_contracts(tmp_path / "absent")


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "schema.yml").write_bytes(b"models: \xff\n")
    with pytest.raises(ConfigurationError, match="is not YAML"):
        load_contracts(tmp_path)


def test_the_digest_is_of_the_meaning_not_the_writing(tmp_path: Path) -> None:
    digest = contract_of(tmp_path, FLIGHTS).digest
    rewritten = (
        FLIGHTS.replace("data_tests:", "tests:")
        .replace("DOUBLE", "float8  # a comment")
        .replace(
            "[not_null, {accepted_values: {values: [AA, B6]}}",
            "[{accepted_values: {arguments: {values: [AA, 'B6']}}}, not_null",
        )
        .replace("min: 0,", "min: 0.0,")
        .replace("One row per scheduled flight.", "Flights.")
    )
    assert rewritten.count("arguments") == 1
    assert contract_of(tmp_path, rewritten).digest == digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("max: 5000}", "max: 5001}"),
        ("DOUBLE", "FLOAT"),
        ("role: feature", "role: carried"),
        ("unit: miles", "unit: kilometers"),
        (", personal: true", ""),
        ("arrival > departure", "arrival >= departure"),
        ("[AA, B6]", "[AA, B7]"),
        ("max: 1000", "max: 1001"),
        ("flight_features", "other"),
    ],
)
def test_the_digest_changes_with_the_meaning(tmp_path: Path, before: str, after: str) -> None:
    assert before in FLIGHTS
    digest = contract_of(tmp_path, FLIGHTS).digest
    assert contract_of(tmp_path, FLIGHTS.replace(before, after)).digest != digest


ANY = """\
models:
  - name: m
    data_tests:
      - unique_combination_of_columns: {combination_of_columns: [n, s]}
      - expression_is_true: {expression: "n <> 3", name: not three}
    columns:
      - {name: n, data_type: INTEGER, data_tests: [not_null, {range: {min: -2, max: 4}}]}
      - {name: x, data_type: DOUBLE, data_tests: [not_null, {range: {max: 1}}]}
      - {name: s, data_type: VARCHAR, data_tests: [{string_length: {max: 1}}, {matches: {regex: "^[^b]*$"}}]}
"""
ROW = st.tuples(
    st.none() | st.integers(-4, 5),
    st.none() | st.floats(allow_nan=True),
    st.none() | st.text("abü🛫\n", max_size=2),
)


@pytest.fixture
def any_contract(tmp_path: Path) -> Contract:
    return contract_of(tmp_path, ANY)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=12))
def test_no_row_is_lost_or_doubled_and_each_verdict_is_right(any_contract: Contract, rows: list[Any]) -> None:
    schema = {"n": pl.Int32, "x": pl.Float64, "s": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    frame = frame.with_columns(
        pl.lit("f").alias("_source_file"), pl.int_range(len(rows)).alias("_source_row")
    )
    verdict = validate(frame, any_contract)
    both = pl.concat([verdict.valid, verdict.rejected.drop("_rules")]).sort("_source_row")
    assert both.equals(frame)
    expected: dict[int, str] = {}
    for i, (n, x, s) in enumerate(rows):
        broken = {
            "n: not_null": n is None,
            "n: range(-2, 4)": n is not None and not -2 <= n <= 4,
            "x: not_null": x is None or math.isnan(x),
            "x: range(, 1)": x is not None and not x <= 1,
            "s: string_length(, 1)": s is not None and len(s) > 1,
            "s: matches(^[^b]*$)": s is not None and "b" in s,
            "unique(n, s)": sum((n, s) == (m, t) for m, _, t in rows) > 1,
            "not three": n == 3,
        }
        if names := sorted(name for name, breaks in broken.items() if breaks):
            expected[i] = ";".join(names)
    assert broken_rows(verdict) == expected
    assert sum(verdict.broken.values()) == sum(len(names.split(";")) for names in expected.values())


def test_rows_alike_in_everything_are_all_kept(tmp_path: Path) -> None:
    frame = pl.DataFrame({"c": [1, 1, None, None], "_source_file": [None] * 4, "_source_row": [None] * 4})
    verdict = validate(frame, one_column(tmp_path, "BIGINT", "not_null"))
    assert (verdict.valid.height, verdict.rejected.height) == (2, 2)


def test_a_backend_that_hides_the_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pandera.config import CONFIG

    monkeypatch.setattr(CONFIG, "use_narwhals_backend", True)
    with pytest.raises(ConfigurationError, match="unset PANDERA_USE_NARWHALS_BACKEND"):
        validate(flights(), contract_of(tmp_path, FLIGHTS))


def test_not_null_is_known_by_its_rule(tmp_path: Path) -> None:
    assert one_column(tmp_path, "DOUBLE", "not_null").column("c").rules == (NotNull("c"),)
