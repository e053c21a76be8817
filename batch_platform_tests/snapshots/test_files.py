"""The files source: what is read is exact, with its positions, and whatever is wrong stops with its place."""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
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
from batch_platform.snapshots.sources import Extract, SourceSpec, source_from

KEY = "2026-11-20"
WINDOW = Window(
    datetime(2026, 11, 20, tzinfo=ZoneInfo("Asia/Tokyo")),
    datetime(2026, 11, 21, tzinfo=ZoneInfo("Asia/Tokyo")),
)
AB = {"a": "BIGINT", "b": "VARCHAR"}


def read(base: Path, files: str = "*.csv", *, key: str | None = KEY, **fields: Any) -> Extract:
    spec = SourceSpec.model_validate({"files": files, **fields})
    return source_from(spec, base=base).read(key, WINDOW if key is not None else None)


def refused(base: Path, content: bytes, *parts: str, name: str = "in.csv", **fields: Any) -> str:
    """The message with which `content` is refused; it must be one line, name the file, and hold `parts`."""
    (base / name).write_bytes(content)
    with pytest.raises(SourceError) as raised:
        read(base, name, **fields)
    message = str(raised.value)
    assert message.startswith(name) and "\n" not in message
    # A parser's own error may quote whole rows: it must not show in a log as the cause.
    assert raised.value.__cause__ is None and (
        raised.value.__suppress_context__ or not raised.value.__context__
    )
    for part in parts:
        assert part in message
    return message


def write_parquet(base: Path, columns: Mapping[str, Any], name: str = "in.parquet", **options: Any) -> None:
    pq.write_table(pa.table(columns), base / name, **options)


# --- finding the files ---


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


@pytest.mark.parametrize(
    "key", ["../x", "a/b", "a\\b", "..", ".", "", " ", "a..b", "a\0b", "a\nb", "/etc/passwd"]
)
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
    with pytest.raises(
        ConfigurationError, match=r"placeholder \{start\}, but the snapshot has no partitions"
    ):
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


# --- CSV ---

VALUES = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))
ROWS = st.lists(st.tuples(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), VALUES), max_size=12)


@settings(max_examples=100, deadline=None)
@given(
    contents=st.lists(ROWS, min_size=1, max_size=4),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    style=st.sampled_from([("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]),
    packed=st.booleans(),
)
def test_any_content_comes_back_with_its_rows_numbered_per_file(
    contents: Sequence[Sequence[tuple[int | None, str | None]]],
    delimiter: str,
    style: tuple[str, Any],
    packed: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number, rows in enumerate(contents):
            path = Path(folder, f"{number}.csv")
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter=delimiter, lineterminator=style[0], quoting=style[1])
                writer.writerow(["a", "b"])
                writer.writerows(rows)
            if packed:
                path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
            names.append(path.name + (".gz" if packed else ""))
        pattern = "*.csv.gz" if packed else "*.csv"
        extract = read(Path(folder), pattern, columns=AB, delimiter=delimiter)
        expected = [
            (a, b, names[number], position)
            for number, rows in enumerate(contents)
            for position, (a, b) in enumerate(rows, 1)
        ]
        assert list(zip(*extract.table.to_pydict().values(), strict=True)) == expected


def test_every_type_is_read_from_text(tmp_path: Path) -> None:
    columns = {
        "i": "INTEGER",
        "f": "DOUBLE",
        "t": "VARCHAR",
        "y": "BOOLEAN",
        "d": "DATE",
        "n": "TIMESTAMP",
        "z": "TIMESTAMPTZ",
        "m": "DECIMAL(5,2)",
    }
    (tmp_path / "in.csv").write_text(
        "m,i,f,t,y,d,n,z\n"
        "-1.5,-7,1e-3,007,true,2026-02-28,2026-02-28 01:02:03.5,2026-02-28T01:00:00+02:00\n"
        ",,,,,,,\n"
    )
    table = read(tmp_path, columns=columns).table
    assert table.drop_columns(["_source_file", "_source_row"]).to_pylist() == [
        {
            "i": -7,
            "f": 0.001,
            "t": "007",
            "y": True,
            "d": date(2026, 2, 28),
            "n": datetime(2026, 2, 28, 1, 2, 3, 500_000),
            "z": datetime(2026, 2, 27, 23, tzinfo=UTC),
            "m": Decimal("-1.50"),
        },
        dict.fromkeys(columns),
    ]
    assert table.schema.field("z").type == pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("BIGINT", "1.0"),
        ("BIGINT", "0x1F"),
        ("BIGINT", "9223372036854775808"),
        ("BIGINT", " 1"),
        ("INTEGER", "3000000000"),
        ("INTEGER", "NA"),
        ("DOUBLE", "1_5"),
        ("DOUBLE", "1e400"),
        ("BOOLEAN", "yes"),
        ("DATE", "2026-02-30"),
        ("DATE", "28.02.2026"),
        ("TIMESTAMP", "2026-02-28T00:00:00Z"),
        ("TIMESTAMP", "2026-02-28T00:00:00.1234567"),
        ("TIMESTAMPTZ", "2026-02-28T00:00:00"),
        ("DECIMAL(5,2)", "1.234"),
        ("DECIMAL(5,2)", "1234.00"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(tmp_path: Path, kind: str, value: str) -> None:
    rows = b"".join(b"x,\n" for _ in range(70)) + f"x,{value}\nx,oops\n".encode()
    refused(
        tmp_path, b"k,v\n" + rows, f"in.csv, row 71, column 'v': {value!r} is not {kind}", columns={"v": kind}
    )


def test_the_place_is_right_beyond_the_first_block(tmp_path: Path) -> None:
    rows = [b'%d,"two\nlines %d"\n\n' % (n, n) for n in range(500_000)]
    rows[499_998] = b"x,y\n"
    refused(
        tmp_path, b"a,b\n" + b"".join(rows), "in.csv, row 499999, column 'a': 'x' is not BIGINT", columns=AB
    )


def test_at_most_forty_characters_of_a_value_are_shown(tmp_path: Path) -> None:
    secret = "0123456789" * 4 + "SECRET"
    message = refused(tmp_path, f"a,b\n{secret},x\n".encode(), "is not BIGINT", columns=AB)
    assert secret[:39] in message and secret[:40] not in message and "SECRET" not in message


def test_null_values_replace_the_empty_field(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('a,b\nNA,NA\n1,""\n2,n/a\n')
    columns = read(tmp_path, columns=AB, null_values=["NA", "n/a"]).table.to_pydict()
    assert columns["a"] == [None, 1, 2]
    assert columns["b"] == [None, "", None]
    refused(tmp_path, b"a,b\n,x\n", "row 1, column 'a': '' is not BIGINT", columns=AB, null_values=["NA"])


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b", b"\xef\xbb\xbfa,b\r\n", b"\n\na,b\n\n"])
@pytest.mark.parametrize("columns", [AB, None])
def test_a_header_alone_is_zero_rows(tmp_path: Path, content: bytes, columns: Any) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    table = read(tmp_path, columns=columns).table
    assert table.num_rows == 0
    assert table.column_names == ["a", "b", "_source_file", "_source_row"]
    assert table.schema.field("_source_row").type == pa.int64()


def test_undeclared_columns_are_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("z,a,b,y\n9,1,x,8\n")
    (tmp_path / "2.csv").write_text("b,a\nx,1\n")
    extract = read(tmp_path, columns=AB)
    assert extract.table.column_names == ["a", "b", "_source_file", "_source_row"]
    assert extract.table.column("b").to_pylist() == ["x", "x"]
    assert extract.extra_columns == ("y", "z")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "empty file"),
        (b"\n\n", "empty file"),
        (b"a,c\n1,2\n", "missing column 'b'; the file has 'a', 'c'"),
        (b"1,x\n2,y\n", "missing column 'a', 'b'; the file has '1', 'x'"),
        (b"a;b\n1;x\n", "missing column 'a', 'b'; the file has 'a;b'"),
        (b"a,b,b\n1,x,y\n", "the column 'b' appears more than once"),
        (b"a,b,B\n1,x,y\n", "the column 'b' appears more than once"),
        (b"a,b,_source_row\n1,x,1\n", "the column name '_source_row' is reserved"),
        (b"a,b\n1,x\n2\n", "in.csv, row 2: 1 fields, but the header has 2"),
        (b"a,b\n\n1,x\n\n2,y,z\n", "in.csv, row 2: 3 fields, but the header has 2"),
        (b'a,b\n1,"x\n2,y\n', "in.csv, row 1: a quote is never closed"),
        (b"a,b\n1,x\n2,\xe9t\xe9\n", "not UTF-8 at byte 10"),
        (b"a,b,c\n1,x,\xff\n", "not UTF-8 at byte 10"),
        (b"a,b\n1,x\xc3", "not UTF-8 at byte 7"),
        ("a,b\n1,x\n".encode("utf-16"), "not UTF-8 at byte 0"),
        (gzip.compress(b"a,b\n1,x\n", mtime=0), "not UTF-8 at byte 1"),
    ],
)
def test_broken_csv_is_refused_with_its_place(tmp_path: Path, content: bytes, part: str) -> None:
    refused(tmp_path, content, part, columns=AB)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"1,2.5\n3,4.5\n", "the header looks like data: '1', '2.5'"),
        (b"a,,c\n1,2,3\n", "field 2 of the header is blank"),
        (b"a,b\n1,12:30\n", "column 'b' has the unsupported type time32[s]"),
        (b"a,b\n1,x\n2\n", "row 2: 1 fields"),
        (b"a,b\n1,x\n2,\xff\n", "not UTF-8 at byte 10"),
        (b'a,b\n1,"x\n', "a quote is never closed"),
    ],
)
def test_broken_csv_is_refused_without_declared_columns_too(
    tmp_path: Path, content: bytes, part: str
) -> None:
    refused(tmp_path, content, part)


def test_a_quote_within_an_unquoted_field_is_text(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('a,b\n1,5" pipe\n2,y\n')
    assert read(tmp_path, columns=AB).table.column("b").to_pylist() == ['5" pipe', "y"]


def test_a_row_longer_than_a_block_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, b'a,b\n1,x\n2,"' + b"y" * (20 << 20), "after row 1: ", "longer than 8 MiB", columns=AB)


def test_bytes_that_are_not_utf8_are_placed_beyond_the_first_block(tmp_path: Path) -> None:
    content = b"a,b\n" + "1,é\n".encode() * 2_000_000 + b"1,\xff\n"
    refused(tmp_path, content, f"not UTF-8 at byte {len(content) - 2}", columns=AB)


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + b"".join(b"%d,x\n" % n for n in range(10_000)))
    for content in (
        packed[: len(packed) // 2],
        packed[:-4],
        b"a,b\n1,x\n",
        packed[:2000] + b"\0\0\0" + packed[2003:],
    ):
        refused(tmp_path, content, "truncated or damaged gzip", name="in.csv.gz", columns=AB)


def test_the_digest_of_a_packed_file_is_that_of_its_stored_bytes(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n1,x\n")
    (tmp_path / "in.csv.gz").write_bytes(packed)
    (file,) = read(tmp_path, "*.csv.gz", columns=AB).files
    assert (file.size_bytes, file.sha256) == (len(packed), hashlib.sha256(packed).hexdigest())


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


# --- Parquet ---


def test_parquet_comes_back_with_its_positions_across_row_groups(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"a": range(200_000), "b": ["x"] * 200_000}, row_group_size=30_000)
    table = read(tmp_path, "*.parquet", columns=AB).table
    assert table.column("a").to_pylist() == list(range(200_000))
    assert table.column("_source_row").to_pylist() == list(range(1, 200_001))
    assert set(table.column("_source_file").to_pylist()) == {"in.parquet"}


def test_parquet_types_are_brought_to_those_of_the_lake(tmp_path: Path) -> None:
    at = datetime(2026, 1, 1, 12)
    write_parquet(
        tmp_path,
        {
            "dictionary": pa.array(["x", None]).dictionary_encode(),
            "large": pa.array(["x", None], pa.large_string()),
            "unsigned": pa.array([2**32 - 1, None], pa.uint32()),
            "naive": pa.array([at, None], pa.timestamp("ns")),
            "zoned": pa.array([at, None], pa.timestamp("ms", tz="Asia/Tokyo")),
            "vector": pa.array([[1.0, 2.0], None], pa.large_list(pa.float32())),
            "nothing": pa.nulls(2),
        },
    )
    table = read(tmp_path, "*.parquet").table.drop_columns(["_source_file", "_source_row"])
    assert dict(zip(table.column_names, table.schema.types, strict=True)) == {
        "dictionary": pa.string(),
        "large": pa.string(),
        "unsigned": pa.int64(),
        "naive": pa.timestamp("us"),
        "zoned": pa.timestamp("us", tz="UTC"),
        "vector": pa.list_(pa.float32()),
        "nothing": pa.string(),
    }
    assert table.to_pylist()[0] == {
        "dictionary": "x",
        "large": "x",
        "unsigned": 2**32 - 1,
        "naive": at,
        "zoned": at.replace(tzinfo=UTC),
        "vector": [1.0, 2.0],
        "nothing": None,
    }


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([1, None], pa.int64()), "INTEGER", [1, None]),
        (pa.array([1.0, None]), "BIGINT", [1, None]),
        (pa.array([1, 2], pa.int32()), "DOUBLE", [1.0, 2.0]),
        (pa.array([1, 2], pa.int64()), "DECIMAL(5,2)", [Decimal("1.00"), Decimal("2.00")]),
        (pa.array([0.1, 2.5]), "DECIMAL(5,2)", [Decimal("0.10"), Decimal("2.50")]),
        (pa.array([Decimal("1.50")], pa.decimal128(20, 4)), "DECIMAL(5,2)", [Decimal("1.50")]),
        (pa.array([datetime(2026, 1, 1)]), "DATE", [date(2026, 1, 1)]),
        (pa.array([date(2026, 1, 1)]), "TIMESTAMP", [datetime(2026, 1, 1)]),
        (pa.array([b"x", None]), "VARCHAR", ["x", None]),
        (pa.array([3, 4], pa.int64()).dictionary_encode(), "INTEGER", [3, 4]),
        (pa.nulls(2), "DATE", [None, None]),
    ],
)
def test_parquet_values_are_cast_where_nothing_is_lost(
    tmp_path: Path, values: Any, kind: str, expected: list[Any]
) -> None:
    write_parquet(tmp_path, {"v": values})
    assert read(tmp_path, "*.parquet", columns={"v": kind}).table.column("v").to_pylist() == expected


@pytest.mark.parametrize(
    ("bad", "kind", "shown"),
    [
        (pa.array([1] * 9 + [2**31], pa.int64()), "INTEGER", "2147483648"),
        (pa.array([1.0] * 9 + [1.5]), "BIGINT", "1.5"),
        (pa.array([1.0] * 9 + [float("nan")]), "BIGINT", "nan"),
        (pa.array([1] * 9 + [2**53 + 1]), "DOUBLE", "9007199254740993"),
        (pa.array([0.5] * 9 + [0.125]), "DECIMAL(5,2)", "0.125"),
        (pa.array([1] * 9 + [1000]), "DECIMAL(5,2)", "1000"),
        (
            pa.array([Decimal("1.00")] * 9 + [Decimal("12345678901234567.89")]),
            "DOUBLE",
            "12345678901234567.89",
        ),
        (pa.array([Decimal("1.50")] * 9 + [Decimal("1.55")]), "DECIMAL(5,1)", "1.55"),
        (pa.array([datetime(2026, 1, 1)] * 9 + [datetime(2026, 1, 1, 1)]), "DATE", "2026-01-01 01:00:00"),
        (pa.array([0] * 9 + [1], pa.timestamp("ns")), "TIMESTAMP", "1970-01-01 00:00:00.000000001"),
        (pa.array([b"x"] * 9 + [b"\xff"]), "VARCHAR", "\\xff"),
    ],
)
def test_parquet_values_that_would_lose_are_named_with_their_place(
    tmp_path: Path, bad: Any, kind: str, shown: str
) -> None:
    write_parquet(tmp_path, {"v": bad})
    with pytest.raises(SourceError) as raised:
        read(tmp_path, "*.parquet", columns={"v": kind})
    assert str(raised.value).startswith("in.parquet, row 10, column 'v': ")
    assert shown in str(raised.value) and f"is not {kind}" in str(raised.value)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array(["1"]), "BIGINT"),
        (pa.array([1]), "VARCHAR"),
        (pa.array([True]), "INTEGER"),
        (pa.array([1]), "BOOLEAN"),
        (pa.array([datetime(2026, 1, 1)]), "TIMESTAMPTZ"),
        (pa.array([datetime(2026, 1, 1, tzinfo=UTC)]), "TIMESTAMP"),
        (pa.array([1]), "TIMESTAMP"),
        (pa.array([{"x": 1}]), "VARCHAR"),
    ],
)
def test_parquet_columns_of_another_kind_are_refused(tmp_path: Path, values: Any, kind: str) -> None:
    write_parquet(tmp_path, {"v": values})
    with pytest.raises(SourceError, match=rf"in\.parquet: column 'v' is .*; expected {kind}"):
        read(tmp_path, "*.parquet", columns={"v": kind})


@pytest.mark.parametrize(
    "values",
    [
        pa.array([{"x": 1}]),
        pa.array([[{"x": 1}]]),
        pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([1], pa.time64("us")),
    ],
)
def test_nested_and_unsupported_types_are_refused_unless_left_out(tmp_path: Path, values: Any) -> None:
    write_parquet(tmp_path, {"a": [1], "nested": values})
    with pytest.raises(SourceError, match=r"in\.parquet: column 'nested' has the unsupported type"):
        read(tmp_path, "*.parquet")
    assert read(tmp_path, "*.parquet", columns={"a": "BIGINT"}).extra_columns == ("nested",)


def test_a_nanosecond_that_would_be_lost_is_refused_without_declared_columns(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"at": pa.array([0, 1], pa.timestamp("ns"))})
    with pytest.raises(SourceError, match=r"row 2, column 'at': .* is not timestamp\[us\]"):
        read(tmp_path, "*.parquet")


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"x\xff"))
    write_parquet(tmp_path, {"t": broken})
    with pytest.raises(SourceError, match="row 2, column 't'"):
        read(tmp_path, "*.parquet")


def test_broken_parquet_is_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"a": list(range(1000)), "b": ["x"] * 1000})
    whole = (tmp_path / "in.parquet").read_bytes()
    scrambled = whole[:4] + b"\xff" * 200 + whole[204:]
    for content in (b"", b"a,b\n1,x\n", whole[:-20], whole[:100], scrambled):
        refused(tmp_path, content, "truncated, damaged or no Parquet file", name="in.parquet", columns=AB)


def test_parquet_columns_are_checked_like_those_of_csv(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"a": [1], "A": [2]})
    with pytest.raises(SourceError, match="appears more than once"):
        read(tmp_path, "*.parquet")
    write_parquet(tmp_path, {"a": [1]})
    with pytest.raises(SourceError, match="missing column 'b'; the file has 'a'"):
        read(tmp_path, "*.parquet", columns=AB)


def test_parquet_files_that_disagree_are_both_named(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"a": [1]}, "1.parquet")
    write_parquet(tmp_path, {"a": ["x"]}, "2.parquet")
    with pytest.raises(SourceError, match=r"2\.parquet: column 'a' is string here and int64 in 1\.parquet"):
        read(tmp_path, "*.parquet")


def test_column_names_with_dots_are_names(tmp_path: Path) -> None:
    write_parquet(tmp_path, {"a.b": [1], "a": [2]})
    table = read(tmp_path, "*.parquet", columns={"a.b": "BIGINT"}).table
    assert table.column("a.b").to_pylist() == [1]


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b\n1,x\n2,y\n")
    first, second = read(tmp_path, columns=AB), read(tmp_path, columns=AB)
    assert first.table.equals(second.table) and first.files == second.files
