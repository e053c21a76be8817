"""Validation: which rows of a partition are valid, which are rejected and why, and what stops it as a whole."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.validation import validate
from batch_platform.errors import ConfigurationError, ContractError
from batch_platform_tests.contracts.examples import (
    FLIGHTS,
    NOON,
    PAIR,
    broken_rows,
    contract_of,
    flights,
    one_column,
    rows_of,
)


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
        with pytest.raises(ContractError, match=rf"features/m: the partition has {rows} rows.*row_count\(1, 3\)"):
            validate(frame, contract)


def test_all_differences_of_the_columns_come_in_one_line(tmp_path: Path) -> None:
    frame = (
        flights()
        .drop("departure", "_source_row")
        .with_columns(extra=pl.lit(1), flight_number=pl.lit("1"), arrival=pl.col("arrival").dt.replace_time_zone(None))
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
def test_only_a_lossless_cast_is_made(tmp_path: Path, found: Any, data_type: str, fits: Any, changes: Any) -> None:
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
        "from batch_platform_tests.contracts.declared import load_contracts\n"
        "from batch_platform.contracts.validation import validate\n"
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
    frame = frame.with_columns(pl.lit("f").alias("_source_file"), pl.int_range(len(rows)).alias("_source_row"))
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
