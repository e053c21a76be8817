"""The files sink: whole files in three formats, on a disk and in an object store."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import DeliveryError, LakeError
from batch_platform.lake.store import Lake
from batch_platform.settings import Settings
from batch_platform.sinks.declared import FilesSink
from batch_platform.sinks.files import FilesTarget
from batch_platform_tests.sinks.conftest import free_port
from batch_platform_tests.sinks.rows import MON, SCHEMA, delivery, killed_in_mid_delivery, nothing_known, row, rows

CSV = FilesSink("exports/{partition}.csv")
ALL = pa.concat_tables([rows(1, 2), nothing_known(3)])


def target(declared: FilesSink, settings: Settings) -> FilesTarget:
    return FilesTarget(declared, settings.project, settings.lake)


def test_a_csv_keeps_every_type_and_tells_nulls_from_empty_texts(settings: Settings) -> None:
    assert target(CSV, settings).deliver(delivery(ALL), iter(ALL.to_batches(max_chunksize=1))) == 3
    file = settings.project / f"exports/{MON}.csv"
    told = pacsv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    newlines = pacsv.ParseOptions(newlines_in_values=True)
    found = pacsv.read_csv(file, parse_options=newlines, convert_options=told)
    assert found.column_names == SCHEMA.names
    assert found["carrier"].to_pylist() == ['say "a, b"\nc', "", None]
    assert found["embedding"].to_pylist() == ["[0.5,null,1.5]", "[0.5,null,1.5]", None]
    moments = "2025-01-06,2025-01-06 23:59:59.123456Z,2025-01-06 23:59:59.123456"
    assert f'2,"",0.25,0.6666666666666666,true,{moments},12345678.90,"[0.5,null,1.5]","AP8="' in file.read_text()


def test_parquet_holds_the_rows_as_they_are(settings: Settings) -> None:
    target(FilesSink("{partition}.parquet"), settings).deliver(delivery(ALL), iter(ALL.to_batches(max_chunksize=1)))
    found = pq.read_table(settings.project / f"{MON}.parquet", partitioning=None)
    assert found.equals(ALL.combine_chunks())


def test_json_lines_hold_plain_values(settings: Settings, tmp_path: Path) -> None:
    path = f"{tmp_path}/elsewhere/{{partition}}.jsonl"
    target(FilesSink(path), settings).deliver(delivery(ALL), iter(ALL.to_batches()))
    found = [json.loads(line) for line in (tmp_path / f"elsewhere/{MON}.jsonl").read_text().splitlines()]
    plain = {
        "day": "2025-01-06", "scheduled": "2025-01-06T23:59:59.123456+00:00", "code": "AP8=",
        "wall_clock": "2025-01-06T23:59:59.123456", "fare": "12345678.90",
    }  # fmt: skip
    assert found == [row(1) | plain, row(2) | plain, dict.fromkeys(SCHEMA.names) | {"flight_id": 3}]


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_partition_without_rows_is_a_file_without_rows(ending: str, settings: Settings) -> None:
    empty = SCHEMA.empty_table()
    assert target(FilesSink(f"{{partition}}.{ending}"), settings).deliver(delivery(empty), iter([])) == 0
    file = settings.project / f"{MON}.{ending}"
    assert (pq.read_metadata(file).num_rows == 0) if ending == "parquet" else (file.read_text().count("\n") < 2)


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_delivery_replaces_the_file_and_twice_gives_the_same_bytes(ending: str, settings: Settings) -> None:
    sink = target(FilesSink(f"{{partition}}.{ending}"), settings)
    file = settings.project / f"{MON}.{ending}"
    sink.deliver(delivery(ALL), iter(ALL.to_batches()))
    large = file.read_bytes()
    few = rows(1)
    contents = set()
    for _ in range(2):
        sink.deliver(delivery(few), iter(few.to_batches()))
        contents.add(file.read_bytes())
    assert len(contents) == 1
    assert contents != {large}
    assert list(settings.project.iterdir()) == [file]


def test_rows_that_cannot_be_read_leave_the_earlier_file(settings: Settings) -> None:
    sink = target(CSV, settings)
    sink.deliver(delivery(rows(1)), iter(rows(1).to_batches()))
    before = (settings.project / f"exports/{MON}.csv").read_bytes()

    def torn() -> Iterator[pa.RecordBatch]:
        yield from rows(2).to_batches()
        raise LakeError("cut short")

    with pytest.raises(LakeError, match="cut short"):
        sink.deliver(delivery(rows(2)), torn())
    assert [file.read_bytes() for file in (settings.project / "exports").iterdir()] == [before]


def test_a_delivery_that_is_killed_leaves_the_earlier_file_and_the_next_one_cleans_up(settings: Settings) -> None:
    sink, folder = target(CSV, settings), settings.project / "exports"
    sink.deliver(delivery(rows(1)), iter(rows(1).to_batches()))
    before = (folder / f"{MON}.csv").read_bytes()
    many = rows(*range(20))
    killed_in_mid_delivery(CSV, settings, many)
    assert (folder / f"{MON}.csv").read_bytes() == before
    left = [file for file in folder.iterdir() if file.name.endswith(".partial")]
    assert len(left) == 1
    os.utime(left[0], (time.time() - 7200,) * 2)
    sink.deliver(delivery(many), iter(many.to_batches()))
    assert [file.name for file in folder.iterdir()] == [f"{MON}.csv"]
    assert pl.read_csv(folder / f"{MON}.csv").height == 20


def test_a_folder_that_cannot_be_written_is_told(settings: Settings) -> None:
    settings.project.mkdir(parents=True)
    (settings.project / "exports").write_text("a file")
    with pytest.raises(DeliveryError, match=rf"sink 'files', predictions/flights\[{MON}\]: cannot write") as caught:
        target(CSV, settings).deliver(delivery(ALL), iter(ALL.to_batches()))
    assert not caught.value.transient


def test_a_file_in_an_object_store_is_replaced(s3_lake: Lake, tmp_path: Path) -> None:
    folder = "predictions/exports"
    sink = FilesTarget(FilesSink(f"{s3_lake.root}/{folder}/{{partition}}.parquet"), tmp_path, s3_lake)
    for content in (ALL, rows(1), rows(1)):
        sink.deliver(delivery(content), iter(content.to_batches()))
        with s3_lake.open_input(folder, f"{MON}.parquet") as source:
            assert pq.read_table(source).equals(content.combine_chunks())


def test_an_object_store_that_is_away_is_told_and_may_pass(s3_lake: Lake, tmp_path: Path) -> None:
    options = {**s3_lake.options, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "max_retries": "0"}
    sink = FilesTarget(FilesSink("s3://bucket/{partition}.csv"), tmp_path, Lake("s3://bucket/x", options))
    with pytest.raises(DeliveryError, match="cannot write the file") as caught:
        sink.deliver(delivery(ALL), iter(ALL.to_batches()))
    assert caught.value.transient
