"""Storage types: which values survive, which are refused, and which schema may follow which."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from batch_platform.errors import LakeError
from batch_platform.lake.digest import digest_table
from batch_platform.lake.schema import added_columns, storable, storage_schema

DECIMAL = Decimal("1.25")


@pytest.mark.parametrize(
    ("column", "stored"),
    [
        (pa.array([200], pa.uint8()), pa.int16()),
        (pa.array([2**32 - 1], pa.uint32()), pa.int64()),
        (pa.array([2**40], pa.uint64()), pa.int64()),
        (pa.array([1.5], pa.float16()), pa.float32()),
        (pa.array([1.5], pa.float32()), pa.float32()),
        (pa.array(["x"]).dictionary_encode(), pa.dictionary(pa.int32(), pa.string())),
        (pa.array([7]).dictionary_encode(), pa.int64()),
        (pa.array(["x"], pa.large_string()), pa.string()),
        (pa.array(["x"], pa.string_view()), pa.string()),
        (pa.array([b"x"], pa.large_binary()), pa.binary()),
        (pa.array([dt.date(2025, 1, 6)], pa.date64()), pa.date32()),
        (pa.array([1000], pa.timestamp("ns")), pa.timestamp("us")),
        (pa.array([1], pa.timestamp("s", "Europe/Berlin")), pa.timestamp("us", "UTC")),
        (pa.array([DECIMAL], pa.decimal32(5, 2)), pa.decimal128(5, 2)),
        (pa.array([DECIMAL], pa.decimal256(30, 2)), pa.decimal128(30, 2)),
        (pa.array([[1, 2]], pa.list_(pa.uint8(), 2)), pa.list_(pa.int16())),
        (pa.array([["x"]], pa.large_list(pa.large_string())), pa.list_(pa.string())),
    ],
)
def test_a_change_of_storage_is_no_change_of_content(column: pa.Array, stored: pa.DataType) -> None:
    rows = pa.table({"a": column})
    kept = storable(rows)
    assert kept.schema.field("a").type == stored
    assert digest_table(kept).hex == digest_table(rows).hex
    assert storable(kept) is kept
    plain = kept.schema if not pa.types.is_dictionary(stored) else pa.schema([("a", stored.value_type)])
    assert storage_schema(kept.schema) == plain


@pytest.mark.parametrize(
    "column",
    [pa.array([2**63], pa.uint64()), pa.array([1], pa.timestamp("ns")), pa.array([DECIMAL], pa.decimal256(50, 2))],
)
def test_a_value_that_would_not_survive_is_refused(column: pa.Array) -> None:
    with pytest.raises(LakeError, match="column 'a'"):
        storable(pa.table({"a": column}))


@pytest.mark.parametrize("names", [["a", "a"], ["a", "A"], ["partition_key"], ["Partition_Key"]])
def test_names_that_readers_take_for_one_are_refused(names: list[str]) -> None:
    with pytest.raises(LakeError, match="more than one column"):
        storage_schema(pa.schema([(name, pa.int64()) for name in names]))


def test_columns_are_stored_without_constraints_and_metadata() -> None:
    field = pa.field("a", pa.int64(), nullable=False, metadata={"k": "v"})
    stored = storage_schema(pa.schema([field], metadata={"pandas": "{}"}))
    assert stored.equals(pa.schema([("a", pa.int64())]), check_metadata=True)


@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        ({"a": pa.int64()}, {"a": pa.string()}, "was int64 and is now string"),
        ({"a": pa.int64()}, {"a": pa.int32()}, "was int64 and is now int32"),
        ({"a": pa.list_(pa.int64())}, {"a": pa.list_(pa.string())}, "is now list"),
        ({"a": pa.int64(), "b": pa.int64()}, {"a": pa.int64()}, "'b' is no longer written"),
    ],
)
def test_a_column_keeps_its_type_and_is_not_dropped(was: dict[str, Any], now: dict[str, Any], problem: str) -> None:
    with pytest.raises(LakeError, match=problem):
        added_columns(pa.schema(list(was.items())), pa.schema(list(now.items())))


def test_new_columns_are_named_in_their_order() -> None:
    stored = pa.schema([("a", pa.list_(pa.field("element", pa.int64()))), ("partition_key", pa.string())])
    new = pa.schema([("z", pa.int64()), ("a", pa.list_(pa.int64())), ("b", pa.string())])
    assert [field.name for field in added_columns(stored, new)] == ["z", "b"]
