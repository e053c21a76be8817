"""Tables: what is read is what was written, from the right version and files, with honest statistics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import LakeError, PartitionKeyError
from batch_platform.lake.data_file import file_name, parquet_bytes, statistics
from batch_platform.lake.log import live_rows
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.lake.writers import commit_rows, live_content

MON, TUE = "2025-01-06", "2025-01-07"
A, B = pa.table({"a": [1, 2, 3]}), pa.table({"a": [4, 5]})


@pytest.fixture
def table(lake: Lake) -> Table:
    return Table(lake, "snapshots/flights")


def test_a_table_that_was_never_committed(table: Table) -> None:
    assert table.open() is None
    assert table.version() == -1
    assert table.partitions() == set()
    assert table.files() == []
    assert table.records() == {}
    with pytest.raises(LakeError, match="flights: has never been computed"):
        table.read()


def test_reading_chosen_partitions_and_columns(table: Table) -> None:
    wide = A.append_column("b", pa.array(["x", "y", None]))
    commit_rows(table, {MON: wide, TUE: wide.slice(0, 1)})
    assert table.read([TUE]).to_pylist() == [{"a": 1, "b": "x", "partition_key": TUE}]
    assert table.read([MON, TUE], columns=["b"]).column_names == ["b"]
    assert table.read(["2025-01-09"]).num_rows == 0
    assert table.read([]).num_rows == 0
    with pytest.raises(LakeError, match=r"flights: cannot be read.*nothing_of_the_kind"):
        table.read(columns=["nothing_of_the_kind"])


def test_old_versions_stay_readable_and_unknown_ones_are_refused(table: Table) -> None:
    commit_rows(table, {MON: A})
    commit_rows(table, {MON: B})
    assert table.read(version=1)["a"].to_pylist() == [1, 2, 3]
    old = table.open(1)
    assert old is not None
    assert old.version() == 1
    for version in (99, -1):
        with pytest.raises(LakeError, match="flights: cannot be opened"):
            table.open(version)


def test_deletion_vectors_are_refused(table: Table) -> None:
    """The list of files would show rows that are deleted."""
    table_path = Path(table.uri)
    DeltaTable.create(str(table_path), pa.schema([("a", pa.int64())]))
    first = table_path / "_delta_log" / f"{0:020}.json"
    entries = [json.loads(line) for line in first.read_text().splitlines()]
    for entry in entries:
        if "protocol" in entry:
            features = ["deletionVectors"]
            entry["protocol"] = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": features,
                "writerFeatures": features,
            }
    first.write_text("\n".join(json.dumps(entry) for entry in entries))
    with pytest.raises(LakeError, match="deletion vectors"):
        table.open()


@pytest.mark.parametrize("key", [MON, "2025-01-06-13:00"])
def test_every_reader_finds_the_same_rows(table: Table, key: str) -> None:
    """Old versions, replaced files and files that wait for a commit stay unseen by all of them."""
    commit_rows(table, {key: B, TUE: A})
    commit_rows(table, {key: A})
    table.write(key, pa.table({"a": [99]}))
    expected = sorted((key, n) for key in (key, TUE) for n in (1, 2, 3))
    assert sorted(zip(*table.read().select(["partition_key", "a"]).to_pydict().values(), strict=True)) == expected
    assert sorted(pl.read_delta(table.uri).select("partition_key", "a").rows()) == expected
    found = duckdb.sql(f"select partition_key, a from read_parquet({table.files()}, hive_partitioning=true)").fetchall()
    assert sorted((str(day), n) for day, n in found) == expected
    assert [Path(file).is_file() for file in table.files([key])] == [True]


@pytest.mark.parametrize(
    "key", ["../x", "a/b", "..", ".", "a/../../../x", "a\\b", "a b", "a%2Fb", "a\0", "ü", "k" * 200]
)
def test_a_key_that_is_no_folder_name_is_refused(table: Table, key: str) -> None:
    with pytest.raises(PartitionKeyError, match="not a partition key"):
        table.write(key, A)
    assert not Path(table.uri).exists()


def test_a_file_is_named_after_rows_order_types_and_positions() -> None:
    forms = [
        A,
        A.take([1, 0, 2]),
        A.cast(pa.schema([("a", pa.int32())])),
        A.slice(1),
        A.append_column("_source_row", pa.array([1, 2, 3])),
        A.append_column("_source_row", pa.array([1, 2, 4])),
    ]
    names = [file_name(parquet_bytes(form)) for form in (*forms, pa.concat_tables([A.slice(0, 2), A.slice(2)]))]
    assert len(set(names)) == len(forms) and names[-1] == names[0]


def test_a_damaged_file_is_mended_by_writing_the_partition_again(table: Table) -> None:
    """The record says "unchanged", and that must then be true of the file, too."""
    commit_rows(table, {MON: A})
    (file,) = table.files([MON])
    version, content = table.version(), Path(file).read_bytes()
    Path(file).write_bytes(content[:40])
    commit_rows(table, {MON: A})
    assert (table.version(), Path(file).read_bytes()) == (version, content)
    assert table.read([MON]).num_rows == A.num_rows


@given(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=6),
    st.lists(st.none() | st.text(max_size=40), max_size=6),
    st.lists(st.none() | st.dates(), max_size=6),
)
def test_statistics_are_exact_or_absent(numbers: list[Any], texts: list[Any], days: list[Any]) -> None:
    """A bound that is too narrow makes readers skip files that hold the rows they look for."""
    for values, kind in ((numbers, pa.int64()), (texts, pa.string()), (days, pa.date32())):
        found = json.loads(statistics(pa.table({"a": pa.array(values, kind)})))
        present = [value for value in values if value is not None]
        assert found["numRecords"] == len(values)
        if "minValues" not in found:
            assert not present or kind == pa.string()
            continue
        assert found["nullCount"] == {"a": len(values) - len(present)}
        encoded = [value.encode() if isinstance(value, str) else value for value in present]
        for bounds, pick in ((found["minValues"], min), (found["maxValues"], max)):
            bound = present[encoded.index(pick(encoded))]
            assert bounds["a"] == (bound.isoformat() if kind == pa.date32() else bound)


def test_filters_find_every_row_despite_statistics(table: Table) -> None:
    """Also where one file has bounds for a column and another has none, and where a column is all null."""
    at = pa.timestamp("us", "UTC")
    rows = pa.table(
        {
            "n": [-(2**62), 0, 2**62],
            "f": [float("nan"), 1.5, None],
            "t": ["", "é" * 20, "z" * 50],
            "d": pa.array([None, None, 20_000], pa.date32()),
            "b": [True, False, None],
            "at": pa.array([0, 1, 10**15 + 999], at),
            "none": pa.array([None, None, 7], pa.int64()),
            "list": [[1], None, []],
        }
    )
    bounded = Table(table.lake, "snapshots/bounded")
    plain = rows.select(["n", "t"])
    commit_rows(bounded, {MON: plain.slice(0, 2), TUE: plain, "2025-01-08": plain.slice(0, 0)})
    delta = bounded.open()
    assert delta is not None
    for text, expected in (("", 2), ("é" * 20, 2), ("z" * 50, 1)):
        assert delta.to_pyarrow_dataset().to_table(filter=pa.compute.field("t") == text).num_rows == expected
    commit_rows(table, {MON: rows, TUE: rows.slice(0, 1), "2025-01-08": rows.slice(0, 0)})
    delta = table.open()
    assert delta is not None
    dataset, column = delta.to_pyarrow_dataset(), pa.compute.field
    for condition, expected in (
        (column("n") >= 0, 2),
        (column("n") == -(2**62), 2),
        (column("f") == 1.5, 1),
        (column("t") == "z" * 50, 1),
        (column("t") == "", 2),
        (column("d") == pa.scalar(20_000, pa.date32()), 1),
        (column("b"), 2),
        (column("at") == pa.scalar(10**15 + 999, at), 1),
        (column("at") <= pa.scalar(1, at), 3),
        (column("none") == 7, 1),
        (column("none").is_null(), 3),
        (column("f").is_null(), 1),
    ):
        assert dataset.to_table(filter=condition).num_rows == expected, str(condition)
    frame = pl.scan_delta(table.uri)
    for text, expected in (("n >= 0", 2), ("f = 1.5", 1), (f"t = '{'z' * 50}'", 1), ("none is null", 3), ("b", 2)):
        assert len(pl.SQLContext(x=frame, eager=True).execute(f"select * from x where {text}")) == expected, text


def test_a_row_range_of_a_file_is_read_across_row_groups(table: Table) -> None:
    file = table.write(MON, A)
    assert table.read_file(file.path, ["a"], 1, 2)["a"].to_pylist() == [2, 3]
    assert table.read_files([file, table.write(TUE, B)], ["a"])["a"].to_pylist() == [1, 2, 3, 4, 5]
    with pytest.raises(LakeError, match="cannot be read"):
        table.read_file("partition_key=x/none.parquet", ["a"], 0, 1)


def test_a_file_is_closed_once_it_is_read_and_when_it_cannot_be(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    file = table.write(MON, A)
    opened: list[pa.NativeFile] = []
    open_input = Lake.open_input

    def recorded(lake: Lake, name: str, path: str) -> pa.NativeFile:
        opened.append(open_input(lake, name, path))
        return opened[-1]

    monkeypatch.setattr(Lake, "open_input", recorded)
    table.read_file(file.path, ["a"], 0, 3)
    with pytest.raises(LakeError, match="no column 'b'"):
        table.read_file(file.path, ["b"], 0, 3)
    (Path(table.uri) / file.path).write_bytes(b"PAR1")
    with pytest.raises(LakeError, match="cannot be read"):
        table.read_file(file.path, ["a"], 0, 3)
    assert [source.closed for source in opened] == [True] * 3


def test_sizes_come_from_the_log(table: Table) -> None:
    commit_rows(table, {MON: A, TUE: B})
    assert [rows for _, rows in live_rows(table.open())[MON]] == [3]
    assert live_content(table, TUE).num_rows == sum(rows for _, rows in live_rows(table.open())[TUE])
    delta = table.open()
    assert delta is not None
    commit_rows(table, {"2025-01-06-13:00": A})
    delta = table.open()
    assert delta is not None
    delta.optimize.compact()
    assert [rows for _, rows in live_rows(table.open())["2025-01-06-13:00"]] == [3]
