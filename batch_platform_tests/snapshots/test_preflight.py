"""Preflight: files that cannot be right are told before any row is read, each with everything that differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import ContractError, PartitionKeyError, RowKeyError, SourceError, UnexpectedError
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import Cadence, Calendar
from batch_platform.snapshots.capture import capture
from batch_platform.snapshots.column_types import TYPES
from batch_platform.snapshots.definition import Snapshot
from batch_platform.snapshots.files import FilesSource
from batch_platform.snapshots.findings import Findings
from batch_platform.snapshots.preflight import preflight
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.telemetry.cost import Meter

DAYS = ["2025-01-06", "2025-01-07", "2025-01-08"]
CALENDAR = Calendar(Cadence.DAILY, DAYS[0], "UTC")
AB = {"a": "BIGINT", "b": "VARCHAR"}


def snapshot(base: Path, files: str, key: tuple[str, ...] = (), **fields: Any) -> Snapshot:
    spec = SourceSpec.model_validate({"files": files, **fields})
    known = spec.known_columns is not None
    return Snapshot("orders", FilesSource(spec, base), key, CALENDAR, columns_known=known)


def write(base: Path, contents: Mapping[str, str | bytes | pa.Table]) -> None:
    for name, content in contents.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, base / name)
        else:
            (base / name).write_bytes(content.encode() if isinstance(content, str) else content)


def told(found: Findings) -> list[str]:
    return found.lines()[1:]


def captured(wanted: Snapshot, lake: Lake, keys: list[str]) -> list[PartitionOutcome]:
    return capture(wanted, lake, keys, Run("a-run"), Meter(0.04))


def test_csv_is_judged_by_its_header(tmp_path: Path, lake: Lake) -> None:
    write(
        tmp_path,
        {
            f"{DAYS[0]}.csv": "a,b\nnot read,x\n",
            f"{DAYS[1]}.csv": "a,c,d\n",
            f"{DAYS[2]}.csv": "b,a\n",
        },
    )
    found = preflight(snapshot(tmp_path, "{partition_key}.csv", columns=AB), lake, DAYS)
    assert found.breaks and (found.partitions, found.files, found.opened) == (3, 3, 3)
    assert found.lines() == [
        "snapshots/orders: looked at 3 files of 3 partitions",
        f"breaks: {DAYS[1]}.csv: column 'b': declared VARCHAR, missing",
        f"note: {DAYS[1]}.csv: column 'c': not declared, left out",
        f"note: {DAYS[1]}.csv: column 'd': not declared, left out",
        f"note: {DAYS[2]}.csv: columns in another order, read by name",
    ]


def test_parquet_is_judged_by_its_footer(tmp_path: Path, lake: Lake) -> None:
    write(
        tmp_path,
        {
            f"{DAYS[0]}.parquet": pa.table({"a": pa.array([1], pa.int32()), "b": ["x"]}),
            f"{DAYS[1]}.parquet": pa.table({"a": ["1"], "c": [1]}),
            f"{DAYS[2]}.parquet": pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())}),
        },
    )
    found = preflight(snapshot(tmp_path, "{partition_key}.parquet", columns=AB), lake, DAYS)
    assert told(found) == [
        f"breaks: {DAYS[1]}.parquet: column 'a': declared BIGINT, found VARCHAR",
        f"breaks: {DAYS[1]}.parquet: column 'b': declared VARCHAR, missing",
        f"breaks: {DAYS[2]}.parquet: the source has no rows",
        f"note: {DAYS[0]}.parquet: column 'a': declared BIGINT, found INTEGER: cast as long as no value loses anything",
        f"note: {DAYS[1]}.parquet: column 'c': not declared, left out",
    ]


def test_json_is_judged_by_its_first_lines(tmp_path: Path, lake: Lake) -> None:
    write(
        tmp_path,
        {
            f"{DAYS[0]}.jsonl": '{"a":1}\n' * 200 + "broken, but not among the first lines",
            f"{DAYS[1]}.jsonl": '{"a":1,"c":[]}\n',
            f"{DAYS[2]}.jsonl": '{"b":"x"}\n{"a":"1"}\n',
        },
    )
    found = preflight(snapshot(tmp_path, "{partition_key}.jsonl", columns=AB), lake, DAYS)
    assert told(found) == [
        f"breaks: {DAYS[1]}.jsonl: column 'b': declared VARCHAR, no row names it",
        f"breaks: {DAYS[2]}.jsonl: '1' is not BIGINT",
        f"note: {DAYS[0]}.jsonl: column 'b': declared VARCHAR, not in the first 100 lines",
        f"note: {DAYS[1]}.jsonl: column 'c': not declared, left out",
    ]
    assert not preflight(snapshot(tmp_path, "{partition_key}.jsonl", columns=AB), lake, DAYS[:1]).breaks


def test_a_json_field_may_be_in_another_file_of_the_partition_alone(tmp_path: Path, lake: Lake) -> None:
    write(tmp_path, {f"{DAYS[0]}/1.jsonl": '{"a":1}\n', f"{DAYS[0]}/2.jsonl": '{"b":"x"}\n'})
    assert told(preflight(snapshot(tmp_path, "{partition_key}/*.jsonl", columns=AB), lake, DAYS[:1])) == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", "a,b\n", "no file matches"),
        (f"{DAYS[0]}.csv", "", "empty file"),
        (f"{DAYS[0]}.csv", b"a,\xff\n", "not UTF-8 at byte 2"),
        (f"{DAYS[0]}.csv", "a,b,B\n", "appears more than once"),
        (f"{DAYS[0]}.csv", "a,b,_source_row\n", "reserved"),
    ],
)
def test_missing_and_unreadable_files_are_findings(
    tmp_path: Path, lake: Lake, name: str, content: str | bytes, said: str
) -> None:
    write(tmp_path, {name: content})
    found = preflight(snapshot(tmp_path, "{partition_key}.csv", columns=AB), lake, DAYS[:1])
    (finding,) = found.differences
    assert finding.breaks and said in str(finding)
    assert found.breaks


def test_a_truncated_parquet_file_is_a_finding(tmp_path: Path, lake: Lake) -> None:
    write(tmp_path, {f"{DAYS[0]}.parquet": pa.table({"a": [1], "b": ["x"]})})
    path = tmp_path / f"{DAYS[0]}.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    (finding,) = preflight(snapshot(tmp_path, "{partition_key}.parquet", columns=AB), lake, DAYS[:1]).differences
    assert finding.breaks and "truncated, damaged or no Parquet file" in str(finding)


def test_without_declared_columns_the_table_is_the_measure(tmp_path: Path, lake: Lake) -> None:
    write(
        tmp_path,
        {
            f"{DAYS[0]}.parquet": pa.table({"a": [1], "b": ["x"]}),
            f"{DAYS[1]}.parquet": pa.table({"a": ["1"], "b": ["x"]}),
            f"{DAYS[2]}.parquet": pa.table({"a": [1], "c": [1]}),
        },
    )
    orders = snapshot(tmp_path, "{partition_key}.parquet")
    assert told(preflight(orders, lake, DAYS)) == []  # nothing is expected yet
    assert captured(orders, lake, DAYS[:1])[0].error is None
    assert told(preflight(orders, lake, DAYS)) == [
        f"breaks: {DAYS[1]}.parquet: column 'a': the table has BIGINT, found VARCHAR",
        f"note: {DAYS[2]}.parquet: column 'c': not in the table, added",
        f"note: {DAYS[2]}.parquet: column 'b': in the table, missing here: null",
    ]
    first, second, third = captured(orders, lake, DAYS)
    assert first.error is None and isinstance(second.error, ContractError)
    assert third.metadata["added_columns"] == ["c"] and third.metadata["absent_columns"] == ["b"]


def test_the_key_must_be_among_the_columns(tmp_path: Path, lake: Lake) -> None:
    write(tmp_path, {f"{DAYS[0]}.csv": "a,b\n1,x\n"})
    orders = snapshot(tmp_path, "{partition_key}.csv", key=("order_id",))
    assert told(preflight(orders, lake, DAYS[:1])) == [f"breaks: {DAYS[0]}.csv: column 'order_id': in the key, missing"]
    (outcome,) = captured(orders, lake, DAYS[:1])
    assert isinstance(outcome.error, RowKeyError) and [check.passed for check in outcome.checks] == [False]


def test_a_declaration_that_contradicts_the_table_breaks_every_partition(tmp_path: Path, lake: Lake) -> None:
    write(tmp_path, dict.fromkeys([f"{day}.csv" for day in DAYS], "a,b\n1,x\n"))
    captured(snapshot(tmp_path, "{partition_key}.csv", columns=AB), lake, DAYS[:1])
    other = snapshot(tmp_path, "{partition_key}.csv", columns={"a": "DOUBLE"})
    assert told(preflight(other, lake, DAYS)) == [
        "breaks: snapshots/orders[2025-01-06] (and 2 more): column 'a': was BIGINT, is now DOUBLE",
        "breaks: snapshots/orders[2025-01-06] (and 2 more): column 'b': was captured, is no longer declared",
        f"note: {DAYS[0]}.csv (and 2 more): column 'b': not declared, left out",
    ]
    for outcome in captured(other, lake, DAYS):
        assert isinstance(outcome.error, ContractError) and "'a'" in str(outcome.error) and "'b'" in str(outcome.error)


class Unreadable(FilesSource):
    """Files that may be looked at, and of which only the good ones may be read."""

    def read(self, partition_key: str | None, window: Any) -> Any:
        assert partition_key not in DAYS[1:]
        return super().read(partition_key, window)


def test_a_run_refuses_what_breaks_before_it_reads_and_does_the_rest(tmp_path: Path, lake: Lake) -> None:
    write(
        tmp_path,
        {f"{DAYS[0]}.csv": "a,b\n1,x\n", f"{DAYS[1]}.csv": "c\n1\n", f"{DAYS[2]}/unrelated.csv": "a,b\n"},
    )
    spec = SourceSpec.model_validate({"files": "{partition_key}.csv", "columns": AB})
    orders = replace(snapshot(tmp_path, "*.csv"), source=Unreadable(spec, tmp_path))
    good, broken, missing = captured(orders, lake, DAYS)
    assert good.error is None and Table(lake, "snapshots/orders").partitions() == {DAYS[0]}
    assert str(broken.error) == (
        f"snapshots/orders[{DAYS[1]}]: {DAYS[1]}.csv: column 'a': declared BIGINT, missing; "
        f"{DAYS[1]}.csv: column 'b': declared VARCHAR, missing (correct the files or `columns`)"
    )
    assert type(broken.error) is SourceError is type(missing.error)
    assert str(missing.error).startswith(f"no file matches '{DAYS[2]}.csv'")


def test_keys_that_are_no_partitions_are_findings(tmp_path: Path, lake: Lake) -> None:
    found = preflight(snapshot(tmp_path, "{partition_key}.csv", columns=AB), lake, ["../../etc/passwd"])
    assert found.breaks
    assert isinstance(found.refusals()["../../etc/passwd"], PartitionKeyError)


def test_of_many_files_the_first_the_last_and_some_between_are_looked_at(tmp_path: Path, lake: Lake) -> None:
    write(tmp_path, {f"{DAYS[0]}/{number:02}.csv": "a,b\n" for number in range(50)})
    write(tmp_path, {f"{DAYS[0]}/49.csv": "a\n"})
    found = preflight(snapshot(tmp_path, "{partition_key}/*.csv", columns=AB), lake, DAYS[:1], most_files=5)
    assert found.lines()[0] == "snapshots/orders: looked at 5 of 50 files of 1 partitions"
    assert [finding.file for finding in found.differences] == [f"{DAYS[0]}/49.csv"]


def test_of_many_partitions_the_first_the_last_and_some_between_are_looked_into(tmp_path: Path, lake: Lake) -> None:
    """The files of all are counted, and partitions without any are told, whether they would be looked into or not."""
    keys = CALENDAR.keys_between(DAYS[0], "2025-02-15")
    write(tmp_path, {f"{key}/{number}.csv": "a,b\n" for key in keys[:-1] for number in range(2)})
    write(tmp_path, {f"{keys[0]}/0.csv": "a\n", f"{keys[1]}/0.csv": "a\n", f"{keys[-2]}/0.csv": "a\n"})
    found = preflight(snapshot(tmp_path, "{partition_key}/*.csv", columns=AB), lake, keys, most_files=5)
    assert found.lines()[0] == f"snapshots/orders: looked at 5 of 80 files of {len(keys)} partitions"
    assert list(found.refusals()) == [keys[0], keys[-2], keys[-1]]


def test_a_source_that_cannot_be_looked_at_has_no_findings(lake: Lake) -> None:
    class Other:
        def read(self, partition_key: str | None, window: Any) -> Any:
            raise AssertionError

    found = preflight(Snapshot("orders", Other(), (), CALENDAR), lake, DAYS)
    assert found == Findings("snapshots/orders", (), 3, unseen="Other") and not found.breaks
    assert found.lines() == ["snapshots/orders: nothing to look at beforehand in Other"]


def test_a_table_of_every_type_is_found_as_it_was_declared(tmp_path: Path, lake: Lake) -> None:
    columns = {name: name for name in (*TYPES, "DECIMAL(12,2)")}
    write(
        tmp_path, dict.fromkeys([f"{day}.jsonl" for day in DAYS], "{" + ",".join(f'"{c}":null' for c in columns) + "}")
    )
    orders = snapshot(tmp_path, "{partition_key}.jsonl", columns=columns)
    assert [outcome.error for outcome in captured(orders, lake, DAYS)] == [None] * 3
    assert told(preflight(orders, lake, DAYS)) == []
    assert [outcome.error for outcome in captured(orders, lake, DAYS)] == [None] * 3


def test_a_fault_that_nobody_foresaw_is_that_files_alone(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: Any, shown: str, spec: SourceSpec) -> Any:
        raise RuntimeError(f"of {shown}")

    write(tmp_path, dict.fromkeys([f"{day}.csv" for day in DAYS], "a,b\n1,x\n"))
    monkeypatch.setattr("batch_platform.snapshots.file_shape.csv_columns", fails)
    found = preflight(snapshot(tmp_path, "{partition_key}.csv", columns=AB), lake, DAYS)
    assert [finding.partition for finding in found.differences] == DAYS
    assert isinstance(found.refusals()[DAYS[0]], UnexpectedError)
