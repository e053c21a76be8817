"""A sample's columns are declared as a capture will read them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import BatchPlatformError
from batch_platform.scaffold.sample import read_sample
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import source_from

CSV = """id,zip,amount,paid,day,at,moment,note,half
1,01067,1.5,true,2025-01-05,2025-01-05T10:00:00,2025-01-05T10:00:00Z,,1
2,1,2,false,2025-01-06,2025-01-05 10:00:00,2025-01-05T10:00:00+01:00,,
"""


def test_types_of_text_are_those_that_take_every_value(tmp_path: Path) -> None:
    (tmp_path / "a{1}.csv").write_text(CSV)
    found = read_sample(tmp_path / "a{1}.csv")
    assert found.columns == {
        "id": "BIGINT",
        "zip": "VARCHAR",
        "amount": "DOUBLE",
        "paid": "BOOLEAN",
        "day": "DATE",
        "at": "TIMESTAMP",
        "moment": "TIMESTAMPTZ",
        "note": "VARCHAR",
        "half": "BIGINT",
    }
    assert found.complete == frozenset(found.columns) - {"note", "half"} and found.keys == ("id",)
    spec = SourceSpec(files="*.csv", columns=found.columns)
    assert source_from(spec, base=tmp_path).read(None, None).table.num_rows == 2


def test_parquet_and_json_tell_their_types(tmp_path: Path) -> None:
    columns = {
        "id": pa.array([1, 1], pa.int16()),
        "part": ["a", "b"],
        "amount": pa.array([1, 2], pa.decimal128(5, 2)),
        "tags": [["x"], ["y"]],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    found = read_sample(tmp_path / "a.parquet")
    assert found.columns == {"id": "INTEGER", "part": "VARCHAR", "amount": "DECIMAL(5,2)"}
    assert list(found.unusable) == ["tags"] and found.unusable["tags"].startswith("list<")
    assert found.keys == ("part",)
    (tmp_path / "a.jsonl").write_text('{"id":1,"part":"a","x":0.5}\n{"id":1,"part":"b","x":null}\n')
    found = read_sample(tmp_path / "a.jsonl")
    assert found.columns == {"id": "BIGINT", "part": "VARCHAR", "x": "DOUBLE"} and found.complete == {"id", "part"}
    (tmp_path / "b.ndjson").write_text('{"o":{"x":1},"n":null,"y":true,"m":1}\n{"l":[1],"m":"x","o":"text"}\n')
    found = read_sample(tmp_path / "b.ndjson")
    assert found.columns == {"o": "VARCHAR", "n": "VARCHAR", "y": "BOOLEAN", "l": "VARCHAR"}
    assert found.unusable == {"m": "values of several kinds"}


def test_two_columns_identify_rows_where_none_does(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("day,hour,n\n1,1,5\n1,2,5\n2,1,5\n")
    assert read_sample(tmp_path / "a.csv").keys == ("day", "hour")
    (tmp_path / "b.csv").write_text("n\n5\n5\n")
    assert read_sample(tmp_path / "b.csv").keys == ()
    (tmp_path / "c.csv").write_text("n\n")
    assert read_sample(tmp_path / "c.csv").keys == ()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"x", "tells no format"),
        ("a.csv", b"", "empty file"),
        ("a.csv", b"a,b\n1\n", "row 1: 1 fields"),
        ("a.parquet", b"x", "no Parquet file"),
        ("a.jsonl", b"[]", "a list, not an object"),
        ("a.csv.gz", b"x", "damaged gzip"),
    ],
)
def test_an_unreadable_sample_is_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BatchPlatformError, match=said) as raised:
        read_sample(tmp_path / name)
    assert "\n" not in str(raised.value)
