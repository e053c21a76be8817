"""Contracts as values: what they say, and the schemas they are compiled to."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import pytest

from batch_platform.contracts.contract import Role
from batch_platform.contracts.rules import NotNull, Range
from batch_platform.contracts.set_rules import Unique
from batch_platform.contracts.table_rules import RowCount
from batch_platform.errors import ConfigurationError
from batch_platform_tests.contracts.examples import (
    FLIGHTS,
    contract_of,
    flights,
    one_column,
)


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


def test_pandera_alone_rejects_what_the_contract_rejects(tmp_path: Path) -> None:
    from pandera.errors import SchemaErrors

    contract = contract_of(tmp_path, FLIGHTS)
    bare = flights().drop("_source_file", "_source_row")
    assert contract.pandera_schema().validate(bare).equals(bare)
    with pytest.raises(SchemaErrors):
        contract.pandera_schema().validate(bare.with_columns(carrier=pl.lit("XX")), lazy=True)


def test_not_null_is_known_by_its_rule(tmp_path: Path) -> None:
    assert one_column(tmp_path, "DOUBLE", "not_null").column("c").rules == (NotNull("c"),)


def test_equal_contracts_share_one_compiled_schema(tmp_path: Path) -> None:
    contract = contract_of(tmp_path, FLIGHTS)
    again = contract_of(tmp_path, FLIGHTS)
    assert contract is not again and contract == again and hash(contract) == hash(again)
    assert contract.pandera_schema() is again.pandera_schema()
    other = contract_of(tmp_path, FLIGHTS.replace("max: 5000", "max: 10"))
    assert other != contract and other.pandera_schema() is not contract.pandera_schema()
    (one,) = contract.pandera_schema(contract.row_rules[:1]).checks
    assert one.name == "carrier: not_null"
