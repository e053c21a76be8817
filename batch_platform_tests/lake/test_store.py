"""The store: names that cannot escape, files that appear whole, and no credentials."""

from __future__ import annotations

import errno
import os
import pickle
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import ConfigurationError, LakeError
from batch_platform.lake.data_file import parquet_bytes
from batch_platform.lake.row_groups import ROW_GROUP_ROWS
from batch_platform.lake.store import Lake, quote_identifier
from batch_platform.lake.table import Table

ROWS = pa.table({"a": [1, 2]})
CONTENT = parquet_bytes(ROWS)


@pytest.mark.parametrize(
    "name",
    [
        "flights",
        "/flights",
        "a/b/c",
        "../x",
        "a/..",
        "a/../b",
        "A/b",
        "a/b\n",
        "a/b;drop",
        "1a/b",
        "a/",
        "a//b",
        "ä/b",
        "",
    ],
)
def test_only_an_asset_key_names_a_table(lake: Lake, name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a table name"):
        lake.uri(name)


def test_a_table_lies_where_its_asset_key_says() -> None:
    assert Lake("/lake/").uri("snapshots/flights_2") == "/lake/snapshots/flights_2"
    assert Lake("s3://bucket/prefix").uri("models/x") == "s3://bucket/prefix/models/x"
    assert Lake("/lake").is_local
    assert not Lake("s3://bucket/prefix").is_local


@pytest.mark.parametrize(
    "option",
    [
        "AWS_SECRET_ACCESS_KEY",
        "aws_access_key_id",
        "AWS_SESSION_TOKEN",
        "azure_storage_account_key",
        "AZURE_STORAGE_KEY",
        "azure_storage_sas_key",
        "azure_storage_sas_token",
        "google_service_account_key",
        "google_application_credentials",
        "password",
    ],
)
def test_credentials_are_refused_without_being_repeated(option: str) -> None:
    with pytest.raises(ConfigurationError, match=option) as caught:
        Lake("s3://bucket", {option: "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_ordinary_options_are_accepted_and_not_shown() -> None:
    names = ["AWS_ENDPOINT_URL", "AWS_REGION", "aws_conditional_put", "aws_sse_kms_key_id", "AWS_ALLOW_HTTP", "timeout"]
    lake = Lake("s3://bucket", dict.fromkeys(names, "http://user:hunter2@host"))
    assert "hunter2" not in repr(lake)
    assert pickle.loads(pickle.dumps(lake)) == lake


def test_a_text_is_put_read_listed_and_removed(any_lake: Lake) -> None:
    """Side files of a table: the last writer wins, and what is not there is empty rather than an error."""
    table, path = "predictions/x", "_receipts/2026-01-05-13:00/3f+2a.json"
    assert any_lake.read_text(table, path) is None
    assert any_lake.list(table, "_receipts") == any_lake.list(table) == []
    any_lake.remove(table, path)
    any_lake.put_text(table, path, '{"a": "ü"}')
    any_lake.put_text(table, path, "second")
    any_lake.put_text(table, "_receipts/first.json", "", durable=False)
    assert any_lake.read_text(table, path) == "second"
    found = any_lake.list(table, "_receipts")
    assert [(entry.path, entry.size_bytes) for entry in found] == [(path, 6), ("_receipts/first.json", 0)]
    assert all(abs((datetime.now(UTC) - entry.modified).total_seconds()) < 60 for entry in found)
    assert any_lake.list(table, "_receipts/2026-01-05-13:00") == found[:1]
    assert any_lake.tables() == [table]
    any_lake.remove(table, path, "_receipts/first.json", path)
    assert any_lake.list(table) == [] and any_lake.read_text(table, path) is None


@pytest.mark.parametrize(
    "path", ["", "/x", "x/", "a//b", "..", "_receipts/../../x", "a b", "a\\b", "ü", "a\0", "a%2Fb", "n" * 201, "a/\nb"]
)
def test_no_text_is_put_outside_the_tables_folder(lake: Lake, path: str) -> None:
    for act in (
        lambda: lake.put_text("predictions/x", path, "text"),
        lambda: lake.read_text("predictions/x", path),
        lambda: lake.remove("predictions/x", "fine.json", path),
        lambda: lake.list("predictions/x", path or "/"),
    ):
        with pytest.raises(LakeError, match="no path in a table's folder"):
            act()
    assert not Path(lake.root).exists()


def test_a_text_that_cannot_be_written_leaves_the_earlier_one(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.put_text("predictions/x", "_receipts/a.json", "first")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LakeError, match="the disk is full"):
        lake.put_text("predictions/x", "_receipts/a.json", "second")
    assert [entry.path for entry in lake.list("predictions/x")] == ["_receipts/a.json"]
    assert lake.read_text("predictions/x", "_receipts/a.json") == "first"


def test_a_text_of_broken_bytes_is_read_and_not_an_error(lake: Lake) -> None:
    lake.put("predictions/x", "_receipts/a.json", pa.py_buffer(b"{\xff\x00"))
    assert lake.read_text("predictions/x", "_receipts/a.json") == "{\ufffd\0"


def test_a_data_file_is_intact_or_it_is_not(any_lake: Lake) -> None:
    """Cut short, filled with zeros at its size, of one flipped bit, of another name, gone."""
    file = Table(any_lake, "predictions/x").write("2026-01-05", pa.table({"a": range(1000)}))
    assert any_lake.intact("predictions/x", file)
    with any_lake.open_input("predictions/x", file.path) as source:
        content = bytes(source.read())
    assert not any_lake.intact("predictions/x", replace(file, path=file.path.replace(".parquet", "0.parquet")))
    flipped = bytes([content[0] ^ 1]) + content[1:]
    for damage in (content[:-1], b"", b"\0" * len(content), flipped, content + b"\0"):
        any_lake.remove("predictions/x", file.path)
        any_lake.put("predictions/x", file.path, pa.py_buffer(damage))
        assert not any_lake.intact("predictions/x", file)
    Table(any_lake, "predictions/x").write("2026-01-05", pa.table({"a": range(1000)}))
    assert any_lake.intact("predictions/x", file), "writing it again mends it, in every store"
    any_lake.remove("predictions/x", file.path)
    assert not any_lake.intact("predictions/x", file)


def test_a_file_that_exists_is_kept(lake: Lake) -> None:
    """Names stand for content, so writing again must neither change nor touch a file that readers hold open."""
    lake.put("snapshots/x", "one.parquet", CONTENT)
    file = Path(lake.uri("snapshots/x")) / "one.parquet"
    before = file.stat()
    lake.put("snapshots/x", "one.parquet", CONTENT)
    after = file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in file.parent.iterdir()] == ["one.parquet"]


@pytest.mark.parametrize("damage", [b"", CONTENT.to_pybytes()[:-10], b"x" * CONTENT.size])
def test_a_file_that_was_damaged_is_restored(lake: Lake, damage: bytes) -> None:
    """Materializing again must mend what it reports as there: cut short, emptied, or overwritten at the same size."""
    lake.put("snapshots/x", "one.parquet", CONTENT)
    file = Path(lake.uri("snapshots/x")) / "one.parquet"
    file.write_bytes(damage)
    lake.put("snapshots/x", "one.parquet", CONTENT)
    assert pq.read_table(file) == ROWS


def test_a_files_name_reaches_the_disk_with_its_content(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def recorded(number: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    monkeypatch.setattr(os, "fsync", recorded)
    lake.put("snapshots/x", "one.parquet", CONTENT)
    assert synced == ["file", "folder"]


def test_an_open_file_that_is_cut_short_ends_early_and_not_the_process(lake: Lake) -> None:
    lake.put("snapshots/x", "one.parquet", parquet_bytes(pa.table({"a": range(10_000)})))
    with lake.open_input("snapshots/x", "one.parquet") as source:
        os.truncate(Path(lake.uri("snapshots/x")) / "one.parquet", 0)
        assert source.read(100) == b""


def test_row_groups_are_small_enough_for_a_shard_to_read_its_own_rows_only(lake: Lake) -> None:
    lake.put("snapshots/x", "one.parquet", parquet_bytes(pa.table({"a": range(4 * ROW_GROUP_ROWS + 1)})))
    found = pq.read_metadata(Path(lake.uri("snapshots/x")) / "one.parquet")
    assert [found.row_group(index).num_rows for index in range(found.num_row_groups)] == [65_536] * 4 + [1]


@pytest.mark.parametrize("folder", ["with space", "hash#", "question?", "ümlaut", "key=value", "semi;colon"])
def test_a_lake_may_lie_in_any_folder(tmp_path: Path, folder: str) -> None:
    from batch_platform_tests.lake.writers import commit_rows

    table = Table(Lake(str(tmp_path / folder)), "snapshots/x")
    commit_rows(table, {"2025-01-06": ROWS})
    assert table.read().num_rows == 2
    assert all(Path(file).is_file() for file in table.files())


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("")
    with pytest.raises(LakeError, match="cannot write"):
        Lake(str(tmp_path / "lake")).put("snapshots/x", "one.parquet", CONTENT)


def test_a_quoted_identifier_cannot_end_early() -> None:
    assert quote_identifier('a"; drop table x; --') == '"a""; drop table x; --"'
