"""The store: names that cannot escape, files that appear whole, and no credentials."""

from __future__ import annotations

import os
import pickle
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import ConfigurationError, LakeError
from batch_platform.lake.data_file import ROW_GROUP_ROWS, parquet_bytes
from batch_platform.lake.store import Lake, quote_identifier
from batch_platform.predictions.shards import SHARD_ROWS

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
    lake.put("snapshots/x", "one.parquet", parquet_bytes(pa.table({"a": range(SHARD_ROWS + 1)})))
    found = pq.read_metadata(Path(lake.uri("snapshots/x")) / "one.parquet")
    assert [found.row_group(index).num_rows for index in range(found.num_row_groups)] == [65_536] * 4 + [1]
    assert SHARD_ROWS % ROW_GROUP_ROWS == 0


@pytest.mark.parametrize("folder", ["with space", "hash#", "question?", "ümlaut", "key=value", "semi;colon"])
def test_a_lake_may_lie_in_any_folder(tmp_path: Path, folder: str) -> None:
    from batch_platform.lake.table import Table
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
