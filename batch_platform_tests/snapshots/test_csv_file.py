"""CSV files: what is read is exact, with its positions, and whatever is wrong stops with its place."""

from __future__ import annotations

import csv
import gzip
import hashlib
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform_tests.snapshots.reading import read, refused

AB = {"a": "BIGINT", "b": "VARCHAR"}


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
        "m,i,f,t,y,d,n,z\n-1.5,-7,1e-3,007,true,2026-02-28,2026-02-28 01:02:03.5,2026-02-28T01:00:00+02:00\n,,,,,,,\n"
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
    refused(tmp_path, b"k,v\n" + rows, f"in.csv, row 71, column 'v': {value!r} is not {kind}", columns={"v": kind})


def test_the_place_is_right_beyond_the_first_block(tmp_path: Path) -> None:
    rows = [b'%d,"two\nlines %d"\n\n' % (n, n) for n in range(500_000)]
    rows[499_998] = b"x,y\n"
    refused(tmp_path, b"a,b\n" + b"".join(rows), "in.csv, row 499999, column 'a': 'x' is not BIGINT", columns=AB)


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
def test_broken_csv_is_refused_without_declared_columns_too(tmp_path: Path, content: bytes, part: str) -> None:
    refused(tmp_path, content, part)


def test_a_quote_within_an_unquoted_field_is_text(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text('a,b\n1,5" pipe\n2,y\n')
    assert read(tmp_path, columns=AB).table.column("b").to_pylist() == ['5" pipe', "y"]


def test_a_row_longer_than_a_block_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, b'a,b\n1,x\n2,"' + b"y" * (20 << 20), "after row 1: ", "longer than 8 MiB", columns=AB)


def test_the_digest_of_a_packed_file_is_that_of_its_stored_bytes(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n1,x\n")
    (tmp_path / "in.csv.gz").write_bytes(packed)
    (file,) = read(tmp_path, "*.csv.gz", columns=AB).files
    assert (file.size_bytes, file.sha256) == (len(packed), hashlib.sha256(packed).hexdigest())
