"""Objects as files: read whole, recorded with their digest, and refused when they change meanwhile."""

from __future__ import annotations

import gzip
import hashlib
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import SourceError
from batch_platform.lake.store import Lake
from batch_platform.partitions import Cadence, Calendar
from batch_platform.snapshots import object_file
from batch_platform.snapshots.definition import Snapshot
from batch_platform.snapshots.files import FilesSource
from batch_platform.snapshots.listing import Listed, listed
from batch_platform.snapshots.object_file import fetched
from batch_platform.snapshots.preflight import preflight
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform_tests.snapshots.asking import DAY, KEY, ask, refused
from batch_platform_tests.snapshots.test_listing import Bucket, bucket

__all__ = ["bucket"]

TABLE = pa.table({"id": pa.array(range(1000), pa.int64()), "name": [f"name {i}" for i in range(1000)]})


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(TABLE, sink)
    return sink.getvalue()


def text(lines: int = 1000) -> bytes:
    return b"id,name\n" + b"".join(f"{i},name {i}\n".encode() for i in range(lines))


CONTENTS = {
    "parquet": parquet(),
    "csv": text(),
    "csv.gz": gzip.compress(text()),
    "jsonl": b"".join(f'{{"id": {i}, "name": "name {i}"}}\n'.encode() for i in range(1000)),
}


@pytest.mark.parametrize("ending", CONTENTS)
def test_objects_of_every_format_are_read_with_size_and_digest(bucket: Bucket, ending: str) -> None:
    content = CONTENTS[ending]
    bucket.put(f"{KEY}/a.{ending}", content)
    extract = ask({"files": f"{bucket.address}/{{partition_key}}/*.{ending}"})
    path = f"{bucket.address}/{KEY}/a.{ending}"
    assert extract.table.select(["id", "name"]).equals(TABLE)
    assert {*extract.table.column("_source_file").to_pylist()} == {path}
    assert [(file.path, file.size_bytes, file.sha256) for file in extract.files] == [
        (path, len(content), hashlib.sha256(content).hexdigest())
    ]


def test_several_objects_are_one_partition_in_the_order_of_their_paths(bucket: Bucket) -> None:
    for name, value in (("b", 2), ("a", 1)):
        bucket.put(f"{name}.csv", f"id\n{value}\n".encode())
    assert ask({"files": f"{bucket.address}/*.csv"}).table.column("id").to_pylist() == [1, 2]


def test_no_object_is_told_with_the_pattern(bucket: Bucket) -> None:
    refused(
        SourceError,
        f"no object matches '{bucket.address}/{KEY}/*.csv'",
        source={"files": f"{bucket.address}/{{partition_key}}/*.csv"},
    )


def test_a_damaged_object_is_told(bucket: Bucket) -> None:
    bucket.put("a.parquet", parquet()[:-7])
    refused(
        SourceError, "a.parquet: truncated, damaged or no Parquet file", source={"files": f"{bucket.address}/*.parquet"}
    )


def listing(bucket: Bucket) -> Listed:
    (file,) = listed(SourceSpec(files=f"{bucket.address}/*.csv"), Path(), None, None)
    return file


@pytest.mark.parametrize("change", ["longer", "shorter", "gone"])
def test_an_object_that_changed_since_it_was_listed_is_refused(bucket: Bucket, change: str) -> None:
    bucket.put("a.csv", text())
    file = listing(bucket)
    if change == "gone":
        bucket.remove("a.csv")
    else:
        bucket.put("a.csv", text(2000 if change == "longer" else 10))
    with pytest.raises(SourceError, match="changed while it was read"), fetched(file):
        pass


def test_an_object_that_changes_between_two_pieces_is_refused(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("a.csv", text())
    file = listing(bucket)
    monkeypatch.setattr(object_file, "_PIECE_BYTES", 1 << 10)
    opened = object_file.opened

    def changing(file: Listed) -> Any:
        found = opened(file)
        found.read(0)
        bucket.put("a.csv", text(1001))
        return found

    monkeypatch.setattr(object_file, "opened", changing)
    with pytest.raises(SourceError, match="changed while it was read"), fetched(file):
        pass


def test_large_objects_go_through_a_temporary_file(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_file, "_IN_MEMORY_BYTES", 100)
    monkeypatch.setattr(object_file, "_PIECE_BYTES", 1000)
    bucket.put("a.parquet", parquet())
    assert ask({"files": f"{bucket.address}/*.parquet"}).table.num_rows == 1000


@pytest.mark.parametrize("ending", CONTENTS)
def test_objects_are_looked_at_before_they_are_read(bucket: Bucket, lake: Lake, ending: str) -> None:
    bucket.put(f"{KEY}.{ending}", CONTENTS[ending])
    columns = {"id": "BIGINT", "other": "VARCHAR"}
    spec = SourceSpec(files=f"{bucket.address}/{{partition_key}}.{ending}", columns=columns)
    calendar = Calendar(Cadence.DAILY, KEY, "Europe/Berlin")
    findings = preflight(Snapshot("orders", FilesSource(spec, Path()), (), calendar, columns_known=True), lake, [KEY])
    lines = findings.lines()
    assert lines[0] == "snapshots/orders: looked at 1 files of 1 partitions"
    assert any("column 'other': declared VARCHAR" in line for line in lines)
    assert any("column 'name': not declared" in line for line in lines)
    assert DAY.start is not None
