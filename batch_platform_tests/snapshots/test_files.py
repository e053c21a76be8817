"""The files source: the right files, in their order, with their digests, and none that changes meanwhile."""

from __future__ import annotations

import hashlib
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError, PartitionKeyError, SourceError
from batch_platform.partitions import Window
from batch_platform.snapshots.files import unchanging
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, source_from

KEY = "2026-11-20"
WINDOW = Window(
    datetime(2026, 11, 20, tzinfo=ZoneInfo("Asia/Tokyo")),
    datetime(2026, 11, 21, tzinfo=ZoneInfo("Asia/Tokyo")),
)
AB = {"a": "BIGINT", "b": "VARCHAR"}


def read(base: Path, files: str = "*.csv", *, key: str | None = KEY, **fields: Any) -> Extract:
    spec = SourceSpec.model_validate({"files": files, **fields})
    return source_from(spec, base=base).read(key, WINDOW if key is not None else None)


def test_files_are_read_in_order_of_their_paths_with_positions_and_digests(tmp_path: Path) -> None:
    contents = {"in/b.csv": "a,b\n3,z\n", "in/a.csv": "a,b\n1,x\n2,y\n", "in/c.csv": "a,b\n"}
    (tmp_path / "in").mkdir()
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    extract = read(tmp_path, "in/*.csv", columns=AB)
    assert extract.table.to_pydict() == {
        "a": [1, 2, 3],
        "b": ["x", "y", "z"],
        "_source_file": ["in/a.csv", "in/a.csv", "in/b.csv"],
        "_source_row": [1, 2, 1],
    }
    assert [file.path for file in extract.files] == ["in/a.csv", "in/b.csv", "in/c.csv"]
    for file in extract.files:
        assert file.size_bytes == len(contents[file.path])
        assert file.sha256 == hashlib.sha256(contents[file.path].encode()).hexdigest()
    assert extract.extra_columns == ()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{partition_key}.csv", "2026-11-20.csv"),
        ("{start:%Y/%m/%d}/*.csv", "2026/11/20/x.csv"),
        ("{start:%Y%m%dT%H}-{end:%Y%m%dT%H}.csv", "20261120T00-20261121T00.csv"),
        ("**/day={partition_key}/*.csv", "p/q/day=2026-11-20/x.csv"),
        ("{{braces}}/{partition_key}.csv", "{braces}/2026-11-20.csv"),
    ],
)
def test_placeholders_stand_for_the_partition(tmp_path: Path, pattern: str, name: str) -> None:
    for path in (tmp_path / name, tmp_path / "2026-11-21" / "other.csv"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a,b\n1,x\n")
    assert [file.path for file in read(tmp_path, pattern, columns=AB).files] == [name]


def test_absolute_patterns_are_allowed_and_shown_absolute_outside_the_base(tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, elsewhere):
        folder.mkdir()
        (folder / "x.csv").write_text("a,b\n1,x\n")
    inside = read(project, f"{project}/*.csv", columns=AB)
    outside = read(project, f"{elsewhere}/*.csv", columns=AB)
    assert [file.path for file in inside.files + outside.files] == ["x.csv", f"{elsewhere}/x.csv"]


@pytest.mark.parametrize("key", ["../x", "a/b", "a\\b", "..", ".", "", " ", "a..b", "a\0b", "a\nb", "/etc/passwd"])
def test_a_key_that_is_like_a_path_is_refused(tmp_path: Path, key: str) -> None:
    (tmp_path / "x.csv").write_text("a,b\n")
    with pytest.raises(PartitionKeyError, match="cannot stand in a path"):
        read(tmp_path, "in/{partition_key}/*.csv", key=key)


@pytest.mark.parametrize("key", ["*", "?", "[a-z]", "**", "20*", "[!x]"])
def test_a_key_with_wildcards_stands_for_itself(tmp_path: Path, key: str) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")
    with pytest.raises(SourceError, match="no file matches"):
        read(tmp_path, "{partition_key}.csv", key=key)
    (tmp_path / f"{key}.csv").write_text("a,b\n2,y\n")
    assert read(tmp_path, "{partition_key}.csv", key=key).table.column("a").to_pylist() == [2]


@settings(max_examples=100, deadline=None)
@given(key=st.text(max_size=12))
def test_no_key_leads_out_of_its_folder(key: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder, "base", "in")
        base.mkdir(parents=True)
        for outside in (base.parent / "x.csv", base.parent.parent / "x.csv", base / "x.csv"):
            outside.write_text("a,b\n1,x\n")
        with pytest.raises((SourceError, PartitionKeyError)):
            read(base, "{partition_key}/x.csv", key=key)


def test_a_placeholder_needs_a_partition(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"placeholder \{start\}, but the snapshot has no partitions"):
        read(tmp_path, "{start:%Y}.csv", key=None)


def test_without_partitions_the_pattern_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,x\n")
    assert read(tmp_path, key=None, columns=AB).table.num_rows == 1


def test_no_match_names_the_pattern_and_the_nearest_folder(tmp_path: Path) -> None:
    (tmp_path / "in" / "2026").mkdir(parents=True)
    with pytest.raises(SourceError) as raised:
        read(tmp_path, "in/{start:%Y}/{start:%m}/part-*.csv")
    assert "'in/2026/11/part-*.csv'" in str(raised.value)
    assert f"the nearest folder that exists is {tmp_path}/in/2026)" in str(raised.value)


def test_folders_are_no_files_and_links_to_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SourceError, match="no file matches"):
        read(tmp_path)
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"gone\.csv: is no regular file"):
        read(tmp_path)


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(SourceError, match="no regular file"):
        read(tmp_path)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(SourceError, match=r"x\.csv: cannot be opened: No such file"),
        unchanging(tmp_path / "x.csv", "x.csv"),
    ):
        pass


@pytest.mark.parametrize("change", ["append", "replace", "remove", "touch"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, change: str, fails: bool) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,x\n")
    with pytest.raises(SourceError, match=r"x\.csv: changed while it was read"), unchanging(path, "x.csv"):
        if change == "append":
            with path.open("a") as file:
                file.write("2,y\n")
        elif change == "replace":
            status = path.stat()
            (tmp_path / "new").write_text("a,b\n1,y\n")
            os.utime(tmp_path / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
            (tmp_path / "new").rename(path)
        elif change == "remove":
            path.unlink()
        else:
            os.utime(path, ns=(1, 1))
        if fails:
            raise SourceError("a quote is never closed")


def test_types_are_inferred_where_none_are_declared(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("i,f,t,d,n,e\n1,1.5,x,2026-01-01,2026-01-01 10:00:00,\n")
    (tmp_path / "2.csv").write_text("f,i,t,d,n,e\n2.5,2,y,2026-01-02,2026-01-01 10:00:00.25,\n")
    (tmp_path / "3.csv").write_text("i,f,t,d,n,e\n")
    table = read(tmp_path).table
    assert {name: table.schema.field(name).type for name in "iftdne"} == {
        "i": pa.int64(),
        "f": pa.float64(),
        "t": pa.string(),
        "d": pa.date32(),
        "n": pa.timestamp("us"),
        "e": pa.string(),
    }
    assert table.column("i").to_pylist() == [1, 2]
    assert table.column("e").to_pylist() == [None, None]


@pytest.mark.parametrize(
    ("second", "part"),
    [
        ("a,b\nx,1\n", "2.csv: column 'a' is string here and int64 in 1.csv"),
        ("a\n1\n", "2.csv: only one of this file and 1.csv has the column 'b'"),
        ("a,b,c\n1,1,1\n", "2.csv: only one of this file and 1.csv has the column 'c'"),
    ],
)
def test_inferred_files_that_disagree_are_both_named(tmp_path: Path, second: str, part: str) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,\n")
    (tmp_path / "2.csv").write_text(second)
    with pytest.raises(SourceError) as raised:
        read(tmp_path)
    assert part in str(raised.value)


def test_parquet_files_that_disagree_are_both_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(SourceError, match=r"2\.parquet: column 'a' is string here and int64 in 1\.parquet"):
        read(tmp_path, "*.parquet")


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,x\n2,y\n")
    first, second = read(tmp_path, columns=AB), read(tmp_path, columns=AB)
    assert first.table.equals(second.table) and first.files == second.files
