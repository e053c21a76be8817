"""The function source: tables and frames of every kind, and user code that fails or gives nonsense."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from batch_platform.errors import ConfigurationError, SourceError
from batch_platform_tests.snapshots.asking import ask, refused

CODE = """
import pandas as pd
import polars as pl
import pyarrow as pa

ROWS = {"id": [2, 1], "name": ["b", None]}

def asked(partition_key, start, end, **options):
    given = {"key": partition_key, "start": None if start is None else start.isoformat(), "options": repr(options)}
    return pa.table({name: [value] for name, value in given.items()})

def table(partition_key, start, end): return pa.table(ROWS)
def batch(partition_key, start, end): return pa.RecordBatch.from_pydict(ROWS)
def reader(partition_key, start, end): return pa.table(ROWS).to_reader()
def polars(partition_key, start, end): return pl.DataFrame(ROWS)
def pandas(partition_key, start, end): return pd.DataFrame(ROWS)
def indexed(partition_key, start, end): return pd.DataFrame(ROWS).set_index("id")
def nothing(partition_key, start, end): return None
def text(partition_key, start, end): return "id,name"
def series(partition_key, start, end): return pl.Series([1])
def mixed(partition_key, start, end): return pd.DataFrame({"a": [1, "x"]})
def nested(partition_key, start, end): return pa.table({"a": [{"b": 1}]})
def fails(partition_key, start, end): raise KeyError("no such\\nkey")
def away(partition_key, start, end): raise ConnectionError("refused")
def fails_late(partition_key, start, end):
    def batches():
        yield pa.RecordBatch.from_pydict({"id": [1]})
        raise ValueError("half way")
    return pa.RecordBatchReader.from_batches(pa.schema({"id": pa.int64()}), batches())
VALUE = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module `readings_of_a_test` of the user's, and one that does not import."""
    (tmp_path / "readings_of_a_test.py").write_text(CODE)
    (tmp_path / "broken_of_a_test.py").write_text("import nowhere_to_be_found\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "readings_of_a_test", raising=False)


def of(name: str, **fields: Any) -> dict[str, Any]:
    return {"function": {"call": f"readings_of_a_test:{name}", **fields}}


@pytest.mark.parametrize("name", ["table", "batch", "reader", "polars", "pandas", "indexed"])
def test_every_kind_of_table_gives_the_same_rows_in_an_order_of_their_own(name: str) -> None:
    extract = ask(of(name))
    path = f"function:readings_of_a_test:{name}"
    assert sorted(extract.table.column_names) == ["_source_file", "_source_row", "id", "name"]
    assert {row["id"]: row["name"] for row in extract.table.to_pylist()} == {1: None, 2: "b"}
    assert extract.table.column("_source_file").to_pylist() == [path, path]
    assert extract.table.column("_source_row").to_pylist() == [1, 2]
    assert extract.table.schema.field("name").type == pa.string()
    assert [file.path for file in extract.files] == [path]
    assert extract.files[0].sha256 == ask(of("table")).files[0].sha256


def test_it_is_called_with_the_partition_and_its_options() -> None:
    row = ask(of("asked", options={"region": "eu", "depth": [1, 2]})).table.to_pylist()[0]
    assert (row["key"], row["start"]) == ("2026-01-05", "2026-01-05T00:00:00+01:00")
    assert row["options"] == "{'region': 'eu', 'depth': [1, 2]}"


def test_without_partitions_it_is_called_with_none() -> None:
    columns = {"columns": {"start": "VARCHAR", "key": "VARCHAR"}}
    row = ask(of("asked") | columns, key=None).table.to_pylist()[0]
    assert (row["key"], row["start"]) == (None, None)


def test_declared_columns_are_cast_and_others_are_named() -> None:
    extract = ask(of("table") | {"columns": {"id": "INTEGER"}})
    assert extract.table.schema.field("id").type == pa.int32()
    assert extract.extra_columns == ("name",)


@pytest.mark.parametrize(
    ("name", "columns", "parts"),
    [
        ("nothing", None, ["it returned NoneType", "return a table or reader of pyarrow"]),
        ("text", None, ["it returned str"]),
        ("series", None, ["function:readings_of_a_test:series"]),
        ("mixed", None, ["function:readings_of_a_test:mixed"]),
        ("nested", None, ["column 'a' has the unsupported type struct"]),
        ("fails", None, ["function:readings_of_a_test:fails: it raised KeyError: 'no such"]),
        ("fails_late", None, ["it raised", "half way"]),
        ("table", {"name": "BIGINT"}, ["column 'name' is string; expected BIGINT"]),
        ("table", {"other": "BIGINT"}, ["missing column 'other'; the source has 'id', 'name'"]),
    ],
)
def test_what_fails_or_is_no_table_is_told(name: str, columns: dict[str, str] | None, parts: list[str]) -> None:
    refused(SourceError, *parts, source=of(name) | ({"columns": columns} if columns else {}))


def test_what_may_pass_by_itself_is_told_as_such_and_keeps_its_traceback() -> None:
    refused(SourceError, "it raised ConnectionError: refused", transient=True, source=of("away"))
    with pytest.raises(SourceError) as raised:
        ask(of("fails"))
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("call", "part"),
    [
        ("nowhere_to_be_found:f", "nowhere_to_be_found does not import: ModuleNotFoundError"),
        ("broken_of_a_test:f", "broken_of_a_test does not import: ModuleNotFoundError"),
        ("readings_of_a_test:absent", "'absent' is not there"),
        ("readings_of_a_test:VALUE", "'VALUE' is no function"),
    ],
)
def test_a_function_that_is_not_there_is_told(call: str, part: str) -> None:
    refused(ConfigurationError, part, source={"function": {"call": call}})
