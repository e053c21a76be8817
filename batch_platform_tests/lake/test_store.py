"""The store: names that cannot escape, files that appear whole, and no credentials."""

from __future__ import annotations

import errno
import os
import pickle
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import ConfigurationError, LakeError
from batch_platform.lake.store import ROW_GROUP_ROWS, Lake, quote_identifier
from batch_platform.predictions.shards import SHARD_ROWS

ROWS = pa.table({"a": [1, 2]})


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
    size = lake.write_parquet("snapshots/x", "one.parquet", ROWS)
    file = Path(lake.uri("snapshots/x")) / "one.parquet"
    before = file.stat()
    assert lake.write_parquet("snapshots/x", "one.parquet", ROWS) == size == before.st_size
    assert file.stat() == before
    assert [path.name for path in file.parent.iterdir()] == ["one.parquet"]


def test_a_file_that_appears_while_another_is_written_is_kept(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second must not replace what a commit may already name."""
    size = lake.write_parquet("snapshots/x", "one.parquet", ROWS)
    file = Path(lake.uri("snapshots/x")) / "one.parquet"
    before = file.stat()
    monkeypatch.setattr(Lake, "size", lambda *_: None)  # as a writer sees it that looked a moment earlier
    assert lake.write_parquet("snapshots/x", "one.parquet", pa.table({"a": range(1000)})) == size
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert pq.read_table(file) == ROWS
    assert [path.name for path in file.parent.iterdir()] == ["one.parquet"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EXDEV])
def test_a_disk_without_hard_links_will_do(lake: Lake, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    lake.write_parquet("snapshots/x", "one.parquet", ROWS)
    [file] = Path(lake.uri("snapshots/x")).iterdir()
    assert file.name == "one.parquet" and pq.read_table(file) == ROWS


def test_a_link_that_fails_for_another_reason_is_an_error(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(LakeError, match="the disk is full"):
        lake.write_parquet("snapshots/x", "one.parquet", ROWS)
    assert list(Path(lake.uri("snapshots/x")).iterdir()) == []


def test_a_files_name_reaches_the_disk_with_its_content(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def recorded(number: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        fsync(number)

    monkeypatch.setattr(os, "fsync", recorded)
    lake.write_parquet("snapshots/x", "one.parquet", ROWS)
    assert synced == ["file", "folder"]


def test_an_open_file_that_is_cut_short_ends_early_and_not_the_process(lake: Lake) -> None:
    lake.write_parquet("snapshots/x", "one.parquet", pa.table({"a": range(10_000)}))
    with lake.open_input("snapshots/x", "one.parquet") as source:
        os.truncate(Path(lake.uri("snapshots/x")) / "one.parquet", 0)
        assert source.read(100) == b""


def test_row_groups_are_small_enough_for_a_shard_to_read_its_own_rows_only(lake: Lake) -> None:
    lake.write_parquet("snapshots/x", "one.parquet", pa.table({"a": range(SHARD_ROWS + 1)}))
    found = pq.read_metadata(Path(lake.uri("snapshots/x")) / "one.parquet")
    assert [found.row_group(index).num_rows for index in range(found.num_row_groups)] == [65_536] * 4 + [1]
    assert SHARD_ROWS % ROW_GROUP_ROWS == 0


def test_equal_rows_give_equal_bytes(lake: Lake) -> None:
    for name in ("one.parquet", "two.parquet"):
        lake.write_parquet("snapshots/x", name, ROWS)
    one, two = (Path(lake.uri("snapshots/x")) / name for name in ("one.parquet", "two.parquet"))
    assert one.read_bytes() == two.read_bytes()
    assert pq.read_table(one) == ROWS


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
        Lake(str(tmp_path / "lake")).write_parquet("snapshots/x", "one.parquet", ROWS)


def test_a_quoted_identifier_cannot_end_early() -> None:
    assert quote_identifier('a"; drop table x; --') == '"a""; drop table x; --"'
