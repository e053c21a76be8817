"""JSON lines: what is read is exact, with its positions, and whatever is wrong stops with its place."""

from __future__ import annotations

import gzip
import json
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

from batch_platform.errors import SourceError
from batch_platform_tests.snapshots.reading import read, refused

AB = {"a": "BIGINT", "b": "VARCHAR"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"b": st.one_of(st.none(), TEXT)}, optional={"a": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))}
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(
    contents=st.lists(ROWS, min_size=1, max_size=4),
    ascii_only=st.booleans(),
    ending=st.sampled_from(["\n", "\r\n", "\n\n", " \t\r\n\n"]),
    mark=st.booleans(),
    packed=st.booleans(),
)
def test_any_content_comes_back_with_its_rows_numbered_per_file(
    contents: Sequence[Sequence[dict[str, Any]]], ascii_only: bool, ending: str, mark: bool, packed: bool
) -> None:
    contents = [*contents, [{"a": 1, "b": "every field is named somewhere"}]]
    with tempfile.TemporaryDirectory() as folder:
        for number, rows in enumerate(contents):
            lines = ending.join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
            content = lines.encode("utf-8-sig" if mark else "utf-8")
            name = f"{number}.jsonl{'.gz' if packed else ''}"
            Path(folder, name).write_bytes(gzip.compress(content) if packed else content)
        extract = read(Path(folder), f"*.jsonl{'.gz' if packed else ''}", columns=AB)
        expected = [
            (row.get("a"), row["b"], f"{number}.jsonl{'.gz' if packed else ''}", position)
            for number, rows in enumerate(contents)
            for position, row in enumerate(rows, 1)
        ]
        assert list(zip(*extract.table.to_pydict().values(), strict=True)) == expected


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(TEXT, inner, max_size=2)),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from(["a", "b", "A", "c", "_source_row"]), JSON), max_size=4),
    cut=st.integers(0, 40),
    inserted=st.one_of(st.binary(max_size=3), st.sampled_from([b"{", b"\\u00", b"1e999", b"-", b"\xff", b"\n"])),
    columns=st.sampled_from([AB, None, {"a": "DOUBLE"}, {"a": "DECIMAL(4,2)", "b": "TIMESTAMPTZ"}]),
)
def test_whatever_a_file_holds_is_read_or_refused_in_one_line(
    rows: list[dict[str, Any]], cut: int, inserted: bytes, columns: dict[str, str] | None
) -> None:
    whole = "\n".join(map(json.dumps, rows)).encode()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in.jsonl").write_bytes(whole[:cut] + inserted + whole[cut:])
        try:
            extract = read(Path(folder), "in.jsonl", columns=columns)
        except SourceError as error:
            assert str(error).startswith("in.jsonl") and "\n" not in str(error)
        else:
            numbers = extract.table.column("_source_row").to_pylist()
            assert numbers == list(range(1, len(numbers) + 1))


def test_every_type_is_read(tmp_path: Path) -> None:
    columns = {
        "i": "INTEGER",
        "f": "DOUBLE",
        "t": "VARCHAR",
        "y": "BOOLEAN",
        "d": "DATE",
        "n": "TIMESTAMP",
        "z": "TIMESTAMPTZ",
        "m": "DECIMAL(5,2)",
        "o": "VARCHAR",
    }
    (tmp_path / "in.jsonl").write_text(
        '{"m":-1.5,"i":-7,"f":1e-3,"t":"007","y":true,"d":"2026-02-28","n":"2026-02-28 01:02:03.5",'
        '"z":"2026-02-28T01:00:00+02:00","o":{"x": [1.50, null, "é"]}}\n'
        '{"m":"2.50","f":NaN,"y":false,"o":"text","t":"null"}\n{}\n'
    )
    first, second, third = (
        read(tmp_path, "*.jsonl", columns=columns).table.drop_columns(["_source_file", "_source_row"]).to_pylist()
    )
    assert first == {
        "i": -7,
        "f": 0.001,
        "t": "007",
        "y": True,
        "d": date(2026, 2, 28),
        "n": datetime(2026, 2, 28, 1, 2, 3, 500_000),
        "z": datetime(2026, 2, 27, 23, tzinfo=UTC),
        "m": Decimal("-1.50"),
        "o": '{"x":[1.50,null,"é"]}',
    }
    assert (second["m"], second["y"], second["o"], second["t"]) == (Decimal("2.50"), False, "text", "null")
    assert second["f"] != second["f"]
    assert third == dict.fromkeys(columns)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("BIGINT", "1.0", "'1.0'"),
        ("BIGINT", "1e2", "'1e2'"),
        ("BIGINT", "9223372036854775808", "'9223372036854775808'"),
        ("BIGINT", '"1"', "'1'"),
        ("BIGINT", "true", "true"),
        ("BIGINT", "NaN", "'NaN'"),
        ("INTEGER", "3000000000", "'3000000000'"),
        ("INTEGER", "[1]", "a list"),
        ("DOUBLE", "1e400", "'1e400'"),
        ("DOUBLE", '"1.5"', "'1.5'"),
        ("BOOLEAN", "1", "1"),
        ("BOOLEAN", '"true"', "'true'"),
        ("VARCHAR", "7", "7"),
        ("VARCHAR", "false", "false"),
        ("DATE", '"2026-02-30"', "'2026-02-30'"),
        ("DATE", "20260228", "20260228"),
        ("TIMESTAMP", '"2026-02-28T00:00:00Z"', "'2026-02-28T00:00:00Z'"),
        ("TIMESTAMPTZ", '"2026-02-28T00:00:00"', "'2026-02-28T00:00:00'"),
        ("TIMESTAMPTZ", "1767225600", "1767225600"),
        ("DECIMAL(5,2)", "1.234", "'1.234'"),
        ("DECIMAL(5,2)", "1234.00", "'1234.00'"),
        ("DECIMAL(5,2)", '{"x":1}', "an object"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(tmp_path: Path, kind: str, value: str, shown: str) -> None:
    content = "\n\n".join(['{"v":null}'] * 70 + [f'{{"v":{value}}}', '{"v":"oops"}'])
    part = f"in.jsonl, row 71, column 'v': {shown} is not {kind}"
    refused(tmp_path, content.encode(), part, name="in.jsonl", columns={"v": kind})


def test_the_place_is_right_beyond_the_first_block(tmp_path: Path) -> None:
    rows = [b'{"a":%d,"b":"%s"}\n\n' % (n, b"x" * 100) for n in range(100_000)]
    rows[99_998] = b'{"a":"y"}\n'
    message = "in.jsonl, row 99999, column 'a': 'y' is not BIGINT"
    refused(tmp_path, b"".join(rows), message, name="in.jsonl", columns=AB)


def test_at_most_forty_characters_of_a_value_are_shown(tmp_path: Path) -> None:
    secret = "0123456789" * 4 + "SECRET"
    content = json.dumps({"a": secret, "b": "x"}).encode()
    message = refused(tmp_path, content, "is not BIGINT", name="in.jsonl", columns=AB)
    assert secret[:39] in message and secret[:40] not in message and "SECRET" not in message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b'{"a":1}\n[1]\n', "row 2: a list, not an object"),
        (b'{"a":1}\nnull\n', "row 2: null, not an object"),
        (b'{"a":1}\n7\n', "row 2: a number, not an object"),
        (b'{"a":1}\n"x"\n', "row 2: text, not an object"),
        (b'{"a":1}\n\n{"a":1\n', "row 2: no JSON at character 7: Expecting ',' delimiter"),
        (b'{"a":1,}\n', "row 1: no JSON at character"),
        (b"{'a':1}\n", "row 1: no JSON at character 2"),
        (b'{"a":01}\n', "row 1: no JSON at character"),
        (b'{"a":}\n', "row 1: no JSON at character 6"),
        (b'{"a":1}{"a":2}\n', "row 1: more than one value, from character 8"),
        (b'{"a":1} // c\n', "row 1: more than one value, from character 8"),
        (b'{\n"a":1\n}\n', "row 1: no JSON at character"),
        (b'{"a":1,"a":2}\n', "row 1: the field 'a' stands twice"),
        (b'{"a":1}\n{"a":1,"b":{"x":1,"x":1}}\n', "row 2: the field 'x' stands twice"),
        (b'{"a":1,"A":2}\n', "appears more than once"),
        (b'{"a":1,"b":"x"}\n{"B":"x"}\n', "appears more than once"),
        (b'{"a":1,"_source_row":2}\n', "the column name '_source_row' is reserved"),
        (b'{"a":1,"b":"x\ty"}\n', "row 1: no JSON at character"),
        (b'{"a":1,"b":"\\ud800"}\n', "row 1, column 'b': the text holds half of a surrogate pair"),
        (b'{"a":1,"b":"x","\\ud800":1}\n', "a field is called"),
        (b'{"a":1,"b":"\xff"}\n', "not UTF-8 at byte 12"),
        (b'{"a":1}\n\xc3', "not UTF-8 at byte 8"),
        ('{"a":1}\n'.encode("utf-16"), "not UTF-8 at byte 0"),
        (gzip.compress(b'{"a":1}\n', mtime=0), "not UTF-8 at byte 1"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "row 1: nested too deeply"),
        (
            b'{"a":1,"b":"x"}\n{"a":1,"b":' + b'{"x":' * 600 + b"1" + b"}" * 601,
            "row 2, column 'b': nested too deeply",
        ),
        (b'{"a":1}\n{"b":"' + b"x" * (17 << 20), "line 2 is longer than 8 MiB"),
        (b'{"a":1}\n{"a":2}\n', "no row names the declared column 'b'"),
    ],
)
def test_broken_lines_are_refused_with_their_place(tmp_path: Path, content: bytes, part: str) -> None:
    refused(tmp_path, content, part, name="in.jsonl", columns=AB)


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"a":1,"b":"x"}\n' * 1000)
    refused(tmp_path, packed[:-9], "truncated or damaged gzip", name="in.jsonl.gz", columns=AB)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("columns", [AB, None])
def test_a_file_without_objects_is_zero_rows(tmp_path: Path, content: bytes, columns: Any) -> None:
    (tmp_path / "in.jsonl").write_bytes(content)
    table = read(tmp_path, "*.jsonl", columns=columns).table
    assert table.num_rows == 0 and table.column_names == [*(columns or {}), "_source_file", "_source_row"]


def test_fields_that_are_not_declared_are_named(tmp_path: Path) -> None:
    (tmp_path / "in.ndjson").write_text('{"a":1,"b":"x","d":[1]}\n{"a":1,"c":{"x":1}}\n')
    assert read(tmp_path, "*.ndjson", columns=AB).extra_columns == ("c", "d")


def test_a_declared_field_may_be_in_another_file_alone(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text('{"a":1}\n')
    with pytest.raises(SourceError, match=r"1\.jsonl: no row names the declared column 'b'"):
        read(tmp_path, "*.jsonl", columns=AB)
    (tmp_path / "2.jsonl").write_text('{"b":null}\n')
    assert read(tmp_path, "*.jsonl", columns=AB).table.column("b").to_pylist() == [None, None]


def test_a_json_extension_needs_its_format(tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text('{"a":1,"b":"x"}\n')
    assert read(tmp_path, "in.json", format="jsonl", columns=AB).table.num_rows == 1


def test_types_follow_from_the_values(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text(
        '{"i":1,"f":1,"t":"2026-01-01","y":null,"n":null}\n{"i":9007199254740993,"f":2.5,"y":true}\n'
    )
    (tmp_path / "2.jsonl").write_text('{"late":"x"}\n')
    table = read(tmp_path, "*.jsonl").table
    assert table.schema.remove(table.schema.get_field_index("_source_file")).field("i").type == pa.int64()
    assert {field.name: str(field.type) for field in table.schema if not field.name.startswith("_")} == {
        "i": "int64",
        "f": "double",
        "t": "string",
        "y": "bool",
        "n": "string",
        "late": "string",
    }
    assert table.column("i").to_pylist() == [1, 9007199254740993, None]
    assert table.column("f").to_pylist() == [1.0, 2.5, None]
    assert table.column("late").to_pylist() == [None, None, "x"]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b'{"a":1}\n{"a":null}\n{"a":"x"}\n', "row 3, column 'a': 'x' is text, earlier values are number"),
        (b'{"a":true}\n{"a":1}\n', "row 2, column 'a': 1 is a number, earlier values are boolean"),
        (b'{"a":1}\n{"a":{"x":1}}\n', "row 2, column 'a': an object has no type"),
        (b'{"a":[1]}\n', "row 1, column 'a': a list has no type"),
        (b'{"a":1}\n{"a":9223372036854775809}\n', "row 2, column 'a': 9223372036854775809 would be rounded"),
        (b'{"a":0.5}\n{"a":9007199254740993}\n', "row 2, column 'a': 9007199254740993 would be rounded"),
        (b'{"a":9007199254740993.0}\n', "row 1, column 'a': 9007199254740993.0 would be rounded"),
        (b'{"a":0.5}\n{"a":9007199254740993e0}\n', "row 2, column 'a': 9007199254740993e0 would be rounded"),
        (b'{"a":1}\n{"a":1e400}\n', "row 2, column 'a': 1e400 would be rounded"),
    ],
)
def test_values_without_one_type_are_refused_where_none_is_declared(tmp_path: Path, content: bytes, part: str) -> None:
    refused(tmp_path, content, part, name="in.jsonl")


def test_large_fractions_are_doubles_where_no_type_is_declared(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"a":1e300}\n{"a":9007199254740992}\n{"a":Infinity}\n')
    assert read(tmp_path, "*.jsonl").table.column("a").to_pylist() == [1e300, 2.0**53, float("inf")]


def test_files_that_spell_a_field_in_two_ways_are_refused(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_text('{"a":1}\n')
    (tmp_path / "2.jsonl").write_text('{"A":1}\n')
    with pytest.raises(SourceError, match=r"2\.jsonl: the column 'A' is 'a' in another file"):
        read(tmp_path, "*.jsonl")
