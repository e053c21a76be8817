"""What every store must do, told once for all of them: a folder on a disk and an S3 server on loopback."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from batch_platform.errors import LakeError
from batch_platform.lake.commit import Commit, replace_partitions
from batch_platform.lake.data_file import parquet_bytes
from batch_platform.lake.digest import digest_table
from batch_platform.lake.provenance import WHOLE_TABLE
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.conftest import BUCKET, s3_options
from batch_platform_tests.lake.writers import (
    commit_rows,
    live_content,
    provenance_of,
    race,
    record_of,
    signed_rows,
)

MON, TUE = "2025-01-06", "2025-01-07"
HOUR = "2025-01-06-13:00"
A, B = pa.table({"a": [1, 2, 3]}), pa.table({"a": [4, 5]})
MOMENT = dt.datetime(2025, 3, 9, 6, 59, 59, 999_999)
VALUES: dict[str, tuple[pa.DataType, Any]] = {
    "timestamp": (pa.timestamp("us"), MOMENT),
    "zoned": (pa.timestamp("us", "America/New_York"), MOMENT.replace(tzinfo=dt.UTC)),
    "nanoseconds": (pa.timestamp("ns"), 1_736_121_600_000_001_000),
    "date": (pa.date32(), dt.date(1900, 2, 28)),
    "decimal": (pa.decimal128(38, 9), Decimal("-12345678901234567890.123456789")),
    "list": (pa.list_(pa.string()), ["a", None, ""]),
    "nested": (pa.list_(pa.list_(pa.float32())), [[1.5], [], None]),
    "boolean": (pa.bool_(), False),
    "binary": (pa.binary(), b"\x00\xff"),
    "unsigned": (pa.uint32(), 2**32 - 1),
    "small": (pa.int8(), -128),
    "half": (pa.float16(), 0.5),
    "single": (pa.float32(), 0.1),
    "double": (pa.float64(), float("nan")),
    "category": (pa.dictionary(pa.int32(), pa.string()), "ü"),
    "text": (pa.large_string(), "x" * 100),
}


@pytest.fixture
def table(any_lake: Lake) -> Table:
    return Table(any_lake, "snapshots/flights")


def test_a_partition_lives_its_life(table: Table) -> None:
    """Created, repeated, replaced, emptied, brought back; its neighbor and its past stay what they were."""
    assert table.open() is None
    assert commit_rows(table, {MON: A, HOUR: B}) == Commit(1, frozenset({MON, HOUR}))
    assert commit_rows(table, {MON: A}) == Commit(1, frozenset())
    for version, rows in enumerate((B, A.slice(0, 0), A), start=2):
        assert commit_rows(table, {MON: rows}) == Commit(version, frozenset({MON}))
        assert live_content(table, MON) == rows
        assert live_content(table, HOUR) == B
        assert table.partitions() == {MON, HOUR}
        assert len(table.files([MON])) == 1
        assert table.records([MON])[MON].record.digest == digest_table(rows).hex
    assert table.read([MON], version=2)["a"].to_pylist() == [4, 5]
    assert commit_rows(table, {HOUR: A}) == Commit(5, frozenset({HOUR}))
    assert live_content(table, HOUR) == A


def test_a_table_without_partitions(table: Table) -> None:
    commit_rows(table, {WHOLE_TABLE: A})
    commit_rows(table, {WHOLE_TABLE: B})
    assert table.read([WHOLE_TABLE]) == B
    assert len(table.files()) == 1


def test_a_column_is_added(table: Table) -> None:
    commit_rows(table, {MON: A})
    wider = B.append_column("b", pa.array(["x", None]))
    commit_rows(table, {TUE: wider})
    assert live_content(table, TUE).select(["a", "b"]) == wider
    assert table.read([MON])["b"].null_count == 3
    assert set(table.records()) == {MON, TUE}


def test_every_type_comes_back_as_the_same_content(table: Table) -> None:
    """Full, all-null and zero-row partitions, as the digest, which is the data version, sees them."""
    rows = pa.table({name: pa.array([value, None], kind) for name, (kind, value) in VALUES.items()})
    commit_rows(table, {MON: rows, TUE: rows.slice(1), "2025-01-08": rows.slice(0, 0)})
    for key, expected in ((MON, rows), (TUE, rows.slice(1)), ("2025-01-08", rows.slice(0, 0))):
        assert digest_table(live_content(table, key)) == digest_table(expected)
    assert commit_rows(table, {MON: rows}).changed == frozenset()
    found = live_content(table, MON).to_pylist()
    assert found[0]["zoned"] == MOMENT.replace(tzinfo=dt.UTC)
    assert found[0]["decimal"] == VALUES["decimal"][1]
    assert found[0]["list"] == ["a", None, ""]
    assert set(found[1].values()) == {None}


def test_files_without_a_commit_are_invisible_and_found_again(table: Table) -> None:
    commit_rows(table, {MON: A})
    waiting = table.write(MON, B)
    assert live_content(table, MON) == A
    assert table.lake.size(table.name, waiting.path) == waiting.size_bytes
    assert table.write(MON, B) == waiting
    assert table.read_file(waiting.path, ["a"], 1, 1)["a"].to_pylist() == [5]
    replace_partitions(table, B.schema, {MON: [waiting]}, provenance_of({MON: record_of(B)}))
    assert live_content(table, MON) == B


def test_a_file_that_does_not_exist_is_not_committed(table: Table) -> None:
    file = table.write(MON, A)
    other = table.write(MON, B)
    missing = type(file)(file.path.replace(".parquet", "0.parquet"), MON, other.size_bytes, 2)
    with pytest.raises(LakeError, match="does not exist"):
        replace_partitions(table, A.schema, {MON: [missing]}, provenance_of({MON: record_of(A)}))
    assert table.lake.size(table.name, missing.path) is None
    assert table.partitions() == set()


def test_a_write_that_fails_in_the_middle_leaves_no_file(table: Table) -> None:
    """The rows of the second row group have no form in Parquet; a later run must not find half a file."""
    count = (1 << 20) + 1
    at = pa.concat_arrays([pa.nulls(count - 1, pa.timestamp("ns")), pa.array([1], pa.timestamp("ns"))])
    with pytest.raises(LakeError, match="no Parquet form"):
        parquet_bytes(pa.table({"at": at}))
    content = parquet_bytes(A)
    assert table.lake.size(table.name, "half.parquet") is None
    table.lake.put(table.name, "half.parquet", content)
    assert table.lake.size(table.name, "half.parquet") == content.size


def test_a_file_of_many_pieces_arrives_whole(table: Table) -> None:
    """Larger than what is sent at a time, of bytes that do not compress."""
    rows = pa.table({"a": [hashlib.shake_256(bytes([n])).digest(1 << 20) for n in range(11)]})
    commit_rows(table, {MON: rows})
    assert digest_table(live_content(table, MON)) == digest_table(rows)


@pytest.mark.slow
def test_racing_writers_leave_one_whole_version_of_each_partition(any_lake: Lake) -> None:
    """Three processes create the same first-ever partitions and overlapping ones at once."""
    days = [f"2025-01-{day:02}" for day in range(6, 11)]
    sets = {"snapshots/same": [set(days)] * 3, "snapshots/overlap": [set(days[n : n + 3]) for n in range(3)]}
    race(
        any_lake,
        {name: [{key: signed_rows(n) for key in keys} for n, keys in enumerate(plan)] for name, plan in sets.items()},
    )
    for name in sets:
        table = Table(any_lake, name)
        records = table.records()
        assert set(records) == table.partitions() == set(days)
        for key in days:
            rows = live_content(table, key)
            (writer,) = set(rows["writer"].to_pylist())
            assert sorted(rows["row"].to_pylist()) == list(range(writer + 2))
            assert records[key].record.digest == digest_table(rows).hex


def test_an_unreachable_store_is_an_error_and_not_an_empty_table(s3_endpoint: str) -> None:
    """Taking it for a table that was never computed would compute everything anew."""
    quick = {"max_retries": "0", "retry_timeout": "1s", "connect_timeout": "1s"}
    gone = Table(Lake(f"s3://{BUCKET}/x", {**s3_options("http://127.0.0.1:9"), **quick}), "snapshots/flights")
    no_bucket = Table(Lake("s3://nobody-made-this/x", {**s3_options(s3_endpoint), **quick}), "snapshots/flights")
    for act in (gone.version, gone.partitions, gone.records, lambda: gone.write(MON, A)):
        with pytest.raises(LakeError) as caught:
            act()
        assert "\n" not in str(caught.value)
    with pytest.raises(LakeError):
        commit_rows(no_bucket, {MON: A})
