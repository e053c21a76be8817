"""The delta source: rows by key, by watermark, by version and by change, on a disk and in an object store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from batch_platform.errors import ConfigurationError, SourceError
from batch_platform.partitions import Window
from batch_platform.settings import LAKE_OPTIONS, SOURCE_OPTIONS
from batch_platform_tests.conftest import BUCKET, s3_options
from batch_platform_tests.snapshots.asking import DAY, ask, refused

START = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = [Window(START + timedelta(days=day), START + timedelta(days=day + 1)) for day in range(-1, 4)]


def rows(ids: Sequence[int], day: str = "2026-01-05") -> pa.Table:
    at = datetime.fromisoformat(f"{day}T12:00:00+00:00")
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "day": [day] * len(ids),
            "date": pa.array([date.fromisoformat(day)] * len(ids), pa.date32()),
            "at": pa.array([at] * len(ids), pa.timestamp("us", "UTC")),
            "wall": pa.array([at.replace(tzinfo=None)] * len(ids), pa.timestamp("us")),
        }
    )


def committed_at(path: Path, *moments: datetime) -> None:
    """Let the table's commits bear these times, whenever they were made."""
    for version, moment in enumerate(moments):
        log = path / "_delta_log" / f"{version:020}.json"
        actions = [json.loads(line) for line in log.read_text().splitlines()]
        for action in actions:
            if "commitInfo" in action:
                action["commitInfo"]["timestamp"] = int(moment.timestamp() * 1000)
        log.write_text("".join(json.dumps(action) + "\n" for action in actions))


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A table of three commits with the change feed on: one of each of three days, the last of which corrects."""
    path = tmp_path / "orders"
    feed = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(path, rows([1, 2]), partition_by=["day"], configuration=feed)
    write_deltalake(path, rows([3], "2026-01-06"), mode="append")
    DeltaTable(path).update(predicate="id = 1", updates={"id": "11"})
    committed_at(path, *(START + timedelta(days=day, hours=12) for day in range(3)))
    return path


def of(base: Path, **fields: Any) -> dict[str, Any]:
    return {"source": {"delta": {"table": "orders", **fields}}, "base": base}


@pytest.mark.parametrize("name", ["day", "date"])
def test_rows_of_the_key_are_read_and_the_version_is_named(orders: Path, name: str) -> None:
    extract = ask(**of(orders.parent, partition=name))
    assert extract.table.column("id").to_pylist() == [2, 11]
    assert extract.table.schema.names == ["id", "day", "date", "at", "wall", "_source_file", "_source_row"]
    assert {*extract.table.column("_source_file").to_pylist()} == {"delta:orders@2"}
    assert [file.path for file in extract.files] == ["delta:orders@2"]


@pytest.mark.parametrize("mark", [{"watermark": "at"}, {"watermark": "wall", "zone": "UTC"}, {"watermark": "date"}])
def test_rows_of_the_window_are_read(orders: Path, mark: dict[str, str]) -> None:
    assert ask(**of(orders.parent, **mark), window=DAY).table.column("id").to_pylist() == [2, 11]


def test_a_table_is_read_whole_where_nothing_says_otherwise(orders: Path) -> None:
    for key in (None, "2026-01-05"):
        assert ask(**of(orders.parent), key=key).table.column("id").to_pylist() == [2, 3, 11]


def test_the_version_of_the_windows_end_is_read(orders: Path) -> None:
    found = [ask(**of(orders.parent, as_of="window_end"), window=window) for window in WEEK[1:]]
    assert [extract.files[0].path for extract in found] == [f"delta:orders@{version}" for version in (0, 1, 2, 2)]
    assert [extract.table.column("id").to_pylist() for extract in found] == [[1, 2], [1, 2, 3], [2, 3, 11], [2, 3, 11]]
    early = of(orders.parent, as_of="window_end")
    refused(SourceError, "the table did not exist at 2026-01-05T00:00:00+00:00", **early, window=WEEK[0])


def test_the_changes_of_the_window_are_read_with_their_kind(orders: Path) -> None:
    found = [ask(**of(orders.parent, changes=True), window=window) for window in WEEK]
    changed = [
        [(row["id"], row["_change_type"], row["_commit_version"]) for row in extract.table.to_pylist()]
        for extract in found
    ]
    assert changed == [
        [],
        [(1, "insert", 0), (2, "insert", 0)],
        [(3, "insert", 1)],
        [(11, "update_postimage", 2), (1, "update_preimage", 2)],
        [],
    ]
    paths = [extract.files[0].path for extract in found]
    assert paths == [f"delta:orders@{versions}" for versions in ("2", "0", "1", "2", "2")]
    whole = Window(WEEK[0].start, WEEK[-1].end)
    extract = ask(**of(orders.parent, changes=True), window=whole)
    assert extract.files[0].path == "delta:orders@0-2" and extract.table.num_rows == 5
    assert extract.table.schema.field("_commit_timestamp").type == pa.timestamp("us", "UTC")
    assert extract.table.column("_commit_timestamp")[0].as_py() == START + timedelta(hours=12)


def test_clocks_that_go_back_do_not_lose_a_commit(orders: Path) -> None:
    committed_at(orders, *(START + timedelta(hours=hours) for hours in (12, 36, 13)))
    found = [ask(**of(orders.parent, changes=True), window=window).table.num_rows for window in WEEK]
    assert found == [0, 2, 3, 0, 0]


def test_declared_columns_are_cast_and_others_are_named(orders: Path) -> None:
    asked = of(orders.parent, partition="day")
    asked["source"]["columns"] = {"at": "TIMESTAMPTZ", "id": "INTEGER"}
    extract = ask(**asked)
    assert extract.table.schema.names == ["at", "id", "_source_file", "_source_row"]
    assert extract.table.schema.field("id").type == pa.int32()
    assert extract.extra_columns == ("date", "day", "wall")


def test_a_table_in_an_object_store_is_read(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = s3_options(s3_endpoint)
    address = f"s3://{BUCKET}/{tmp_path.name}/orders"
    write_deltalake(address, rows([1]), storage_options=options)
    monkeypatch.delenv(LAKE_OPTIONS, raising=False)
    monkeypatch.setenv(SOURCE_OPTIONS, ",".join(f"{name}={value}" for name, value in options.items()))
    extract = ask({"delta": {"table": address, "partition": "day"}})
    assert extract.table.column("id").to_pylist() == [1]
    assert extract.files[0].path == f"delta:{address}@0"


def test_null_watermarks_are_told_unless_they_are_to_be_skipped(orders: Path) -> None:
    odd = rows([4]).set_column(3, "at", pa.nulls(1, pa.timestamp("us", "UTC")))
    write_deltalake(orders, odd, mode="append")
    refused(SourceError, "some rows have no watermark: 'at' is null", **of(orders.parent, watermark="at"), window=DAY)
    skipping = of(orders.parent, watermark="at", null_watermarks="skipped")
    assert ask(**skipping, window=DAY).table.column("id").to_pylist() == [2, 11]


@pytest.mark.parametrize(
    ("fields", "key", "kind", "part"),
    [
        ({"table": "nothing"}, "k", SourceError, "delta:nothing: there is no Delta table"),
        ({"partition": "nope"}, "k", SourceError, "missing column 'nope'; the table has 'id', 'day'"),
        ({"watermark": "nope"}, "k", SourceError, "missing column 'nope'"),
        ({"watermark": "id"}, "k", ConfigurationError, "the watermark is BIGINT"),
        ({"watermark": "wall"}, "k", ConfigurationError, "declare `zone`"),
        ({"partition": "at"}, "2026-01-05", ConfigurationError, "column 'at' is timestamp"),
        ({"partition": "date"}, "tomorrow", ConfigurationError, "'tomorrow' is no such value"),
        ({"partition": "day"}, None, ConfigurationError, "but the snapshot has no partitions"),
        ({"watermark": "at"}, None, ConfigurationError, "but the snapshot has no partitions"),
        ({"changes": True}, None, ConfigurationError, "but the snapshot has no partitions"),
        ({"as_of": "window_end"}, None, ConfigurationError, "but the snapshot has no partitions"),
    ],
)
def test_what_the_table_does_not_have_is_told(
    orders: Path, fields: dict[str, Any], key: str | None, kind: type[SourceError], part: str
) -> None:
    refused(kind, part, **of(orders.parent, **fields), key=key)


def test_a_table_without_change_feed_is_told(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "orders", rows([1]))
    refused(SourceError, "the table has no change data feed", "enableChangeDataFeed", **of(tmp_path, changes=True))


def test_a_log_that_forgot_the_window_is_told(orders: Path) -> None:
    DeltaTable(orders).create_checkpoint()
    for version in range(2):
        (orders / "_delta_log" / f"{version:020}.json").unlink()
    for fields in ({"changes": True}, {"as_of": "window_end"}):
        refused(SourceError, "the table's log begins with version 2 of", **of(orders.parent, **fields), window=WEEK[1])


def test_a_damaged_file_is_told(orders: Path) -> None:
    for file in orders.rglob("*.parquet"):
        file.write_bytes(b"PAR1")
    refused(SourceError, "delta:orders: the table cannot be read", **of(orders.parent, partition="day"))
