"""Commits: all or nothing, whoever else writes, and whenever the writer or the disk gives up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from batch_platform.errors import LakeError, ProvenanceError
from batch_platform.lake.commit import Commit, replace_partitions
from batch_platform.lake.creation import LOG_RETENTION
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import digest_table
from batch_platform.lake.provenance import WHOLE_TABLE, InputRead, Ledger, PartitionRecord, SourceRead
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.lake.disks import small_disk
from batch_platform_tests.lake.writers import (
    SPAWN,
    commit_rows,
    commit_with_limited_file_size,
    live_content,
    provenance_of,
    race,
    record_of,
    signed_rows,
    write_then_wait,
)

MON, TUE, WED = "2025-01-06", "2025-01-07", "2025-01-08"
A, B = pa.table({"a": [1, 2, 3]}), pa.table({"a": [4, 5]})


@pytest.fixture
def table(lake: Lake) -> Table:
    return Table(lake, "snapshots/flights")


def commit_one(table: Table, key: str, rows: pa.Table, record: PartitionRecord) -> Commit:
    return replace_partitions(table, rows.schema, {key: [table.write(key, rows)]}, provenance_of({key: record}))


def assert_whole(table: Table, keys: set[str]) -> None:
    """Each partition holds one writer's rows, once, in one file, and its record tells of those very rows."""
    assert table.partitions() == keys
    records = table.records()
    for key in keys:
        rows = live_content(table, key)
        (writer,) = set(rows["writer"].to_pylist())
        assert sorted(rows["row"].to_pylist()) == list(range(writer + 2))
        assert len(table.files([key])) == 1
        assert records[key].record.digest == digest_table(rows).hex
        assert records[key].record.ledger.rows == rows.num_rows


def test_a_file_is_invisible_until_its_commit_and_then_all_of_it_is_seen(table: Table) -> None:
    commit_rows(table, {MON: A, TUE: A})
    before = table.open()
    files = {key: [table.write(key, B), table.write(key, A.slice(0, 1))] for key in (MON, TUE)}
    assert table.read().num_rows == 6
    rows = pa.concat_tables([B, A.slice(0, 1)])
    done = replace_partitions(table, rows.schema, files, provenance_of({key: record_of(rows) for key in (MON, TUE)}))
    assert done == Commit(2, frozenset({MON, TUE}))
    assert sorted(live_content(table, MON)["a"].to_pylist()) == [1, 4, 5]
    assert table.read().num_rows == 6
    assert before is not None
    assert before.to_pyarrow_dataset().to_table().num_rows == 6, "a reader in the middle of its work is not disturbed"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells which files were synced by the names in /proc")
def test_a_commit_outlasts_a_loss_of_power(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def sync(opened: int, real: Callable[[int], None] = os.fsync) -> None:
        synced.append(str(Path(f"/proc/self/fd/{opened}").readlink()).removeprefix(table.uri))
        real(opened)

    monkeypatch.setattr(os, "fsync", sync)
    commit_rows(table, {MON: A})
    entries = [f"/_delta_log/{version:020}.json" for version in (0, 1)]
    assert {*entries, "/_delta_log", "", f"/partition_key={MON}"} <= set(synced)
    [data] = [path for path in synced if path.endswith(".parquet.partial") or ".partial" in path]
    assert synced.index(data) < synced.index(entries[1]), "the rows are safe before the commit that names them"


def test_replacing_keeps_other_partitions_and_old_versions(table: Table) -> None:
    commit_rows(table, {MON: A, TUE: B})
    commit_rows(table, {MON: B})
    assert live_content(table, MON) == B
    assert live_content(table, TUE) == B
    assert table.read([MON], version=1)["a"].to_pylist() == [1, 2, 3]
    assert table.read(version=0).num_rows == 0


def test_the_same_content_again_commits_nothing(table: Table) -> None:
    first = commit_rows(table, {MON: A, TUE: B})
    assert commit_rows(table, {MON: A}, run_id="another") == Commit(first.version, frozenset())
    assert commit_rows(table, {MON: A.take([2, 0, 1])}) == Commit(first.version, frozenset()), "row order"
    assert commit_rows(table, {MON: A, TUE: A}) == Commit(first.version + 1, frozenset({TUE}))
    assert table.records()[MON].version == first.version, "the record of an unchanged partition stays where it is"


def test_content_that_returns_to_what_it_was_is_a_change_each_time(table: Table) -> None:
    """The earlier file still stands under the same name: it is added again, not taken for live."""
    versions = [commit_rows(table, {MON: rows}).version for rows in (A, B, A, B, A)]
    assert versions == [1, 2, 3, 4, 5]
    assert live_content(table, MON) == A
    assert len(table.files()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"ledger": Ledger(4, {"kept": 3, "quarantined": 1})},
        {"sources": (SourceRead("in.csv", "1" * 64, 1),)},
        {"rejected": "1" * 32},
    ],
)
def test_another_ledger_or_source_of_the_same_rows_is_recorded(table: Table, changes: dict[str, object]) -> None:
    commit_rows(table, {MON: A})
    record = record_of(A, **changes)
    assert commit_one(table, MON, A, record) == Commit(2, frozenset({MON}))
    assert table.records()[MON].record == record
    assert live_content(table, MON) == A
    assert '"add"' not in Path(table.uri, "_delta_log", f"{2:020}.json").read_text(), "the live file stays as it is"
    assert commit_one(table, MON, A, record) == Commit(2, frozenset())


def test_an_empty_partition_is_computed_and_a_missing_one_is_not(table: Table) -> None:
    commit_rows(table, {MON: A.slice(0, 0), TUE: A})
    assert table.partitions() == {MON, TUE}
    assert live_content(table, MON) == A.slice(0, 0)
    assert commit_rows(table, {MON: A.slice(0, 0)}).changed == frozenset()
    commit_rows(table, {TUE: A.slice(0, 0)})
    assert table.read().num_rows == 0
    assert table.partitions() == {MON, TUE}


@pytest.mark.parametrize(("read", "version"), [(InputRead(8, "one"), 0), (InputRead(8, "another"), 1)])
def test_the_same_rows_from_inputs_of_other_content_are_recorded_as_made_from_these(
    table: Table, read: InputRead, version: int
) -> None:
    rows = signed_rows(1)
    files = {"2025-01-05": [table.write("2025-01-05", rows)]}

    def commit(read: InputRead) -> Commit:
        records = {"2025-01-05": record_of(rows, inputs={"snapshots/orders": read})}
        return replace_partitions(table, rows.schema, files, provenance_of(records))

    first = commit(InputRead(7, "one"))
    assert commit(read).version == first.version + version
    found = table.records(["2025-01-05"])["2025-01-05"].record
    assert found.inputs["snapshots/orders"].digest == read.digest
    assert found.digest == digest_table(rows).hex


def test_no_partitions_at_all_change_nothing_and_create_nothing(table: Table) -> None:
    assert replace_partitions(table, A.schema, {}, provenance_of({})) == Commit(-1, frozenset())
    assert not Path(table.uri).exists()


def test_a_table_without_partitions_is_replaced_as_a_whole(table: Table) -> None:
    commit_rows(table, {WHOLE_TABLE: A})
    assert commit_rows(table, {WHOLE_TABLE: B}) == Commit(2, frozenset({WHOLE_TABLE}))
    assert table.read() == table.read([WHOLE_TABLE]) == B
    assert table.records()[WHOLE_TABLE].record.digest == digest_table(B).hex


@pytest.mark.parametrize(("first", "then"), [(WHOLE_TABLE, MON), (MON, WHOLE_TABLE)])
def test_a_table_has_partitions_or_has_none(table: Table, first: str, then: str) -> None:
    commit_rows(table, {first: A})
    with pytest.raises(LakeError, match="partitions in one run"):
        commit_rows(table, {then: B})
    with pytest.raises(LakeError, match="has partitions or has none"):
        commit_rows(table, {first: B, then: B})
    assert table.read()["a"].to_pylist() == [1, 2, 3]


def test_a_new_column_is_null_in_older_partitions(table: Table) -> None:
    commit_rows(table, {MON: A})
    wider = B.append_column("b", pa.array(["x", None]))
    commit_rows(table, {TUE: wider})
    assert table.read([MON])["b"].to_pylist() == [None] * 3
    assert live_content(table, TUE).select(["a", "b"]) == wider
    assert set(table.records()) == {MON, TUE}, "the commit that changes the schema carries no record, and hides none"
    required = pa.table(
        [pa.array([1]), ["y"], [2]], pa.schema([A.schema[0], ("b", pa.string()), pa.field("c", pa.int64(), False)])
    )
    commit_rows(table, {WED: required})
    assert table.read([MON])["c"].to_pylist() == [None] * 3, "no column is required: older rows lack it"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (pa.table({"a": ["1"]}), "was int64 and is now string"),
        (pa.table({"a": pa.array([1], pa.int32())}), "was int64 and is now int32"),
        (pa.table({"b": [1]}), "'a' is no longer written"),
        (pa.table({"a": [1], "A": [1]}), "more than one column"),
        (pa.table({"a": [1], "partition_key": [MON]}), "more than one column"),
    ],
)
def test_an_incompatible_schema_is_refused(table: Table, rows: pa.Table, problem: str) -> None:
    commit_rows(table, {MON: A})
    with pytest.raises(LakeError, match=problem):
        commit_rows(table, {TUE: rows})
    assert table.version() == 1


@pytest.mark.parametrize("narrow", [pa.int32(), pa.float32(), pa.decimal128(3, 2), pa.timestamp("us")])
def test_a_wider_type_is_refused_because_it_would_break_the_whole_table(table: Table, narrow: pa.DataType) -> None:
    wide = {"int32": pa.int64(), "float": pa.float64(), "timestamp[us]": pa.timestamp("us", "UTC")}
    commit_rows(
        table,
        {
            MON: pa.table({"a": pa.array([1], pa.int64()).cast(narrow, safe=False)})
            if not pa.types.is_decimal(narrow)
            else pa.table({"a": pa.array([1], narrow)})
        },
    )
    with pytest.raises(LakeError, match="cast it"):
        commit_rows(table, {TUE: pa.table({"a": pa.array([1], wide.get(str(narrow), pa.decimal128(9, 2)))})})
    assert table.read().num_rows == 1


def test_files_of_other_partitions_are_refused(table: Table) -> None:
    stray = table.write(TUE, A)
    for files in (
        {MON: [stray]},
        {MON: [DataFile(stray.path, MON, stray.size_bytes, 3)]},
        {MON: [DataFile(f"partition_key={MON}/deeper/x.parquet", MON, 1, 1)]},
        {MON: [DataFile(f"partition_key={MON}/../partition_key={TUE}/x.parquet", MON, 1, 1)]},
        {MON: [DataFile("x.parquet", MON, 1, 1)]},
        {WHOLE_TABLE: [DataFile("../x.parquet", WHOLE_TABLE, 1, 1)]},
    ):
        with pytest.raises(LakeError, match="outside partition"):
            replace_partitions(table, A.schema, files, provenance_of({key: record_of(A) for key in files}))
    assert table.version() == -1


def test_files_and_records_must_name_the_same_partitions(table: Table) -> None:
    with pytest.raises(LakeError, match="different partitions"):
        replace_partitions(table, A.schema, {MON: [table.write(MON, A)]}, provenance_of({TUE: record_of(A)}))
    with pytest.raises(LakeError, match="has no file"):
        replace_partitions(table, A.schema, {MON: []}, provenance_of({MON: record_of(A)}))


def test_a_file_that_is_named_twice_is_refused(table: Table) -> None:
    """It would be added once, though the record counts it twice; empty files have nothing to count."""
    rows = pa.concat_tables([A, A])
    provenance = provenance_of({MON: record_of(rows)})
    with pytest.raises(LakeError, match="named twice"):
        replace_partitions(table, A.schema, {MON: [table.write(MON, A)] * 2}, provenance)
    empty = A.slice(0, 0)
    replace_partitions(table, A.schema, {MON: [table.write(MON, empty)] * 2}, provenance_of({MON: record_of(empty)}))
    assert len(table.files()) == 1


def test_a_file_that_is_gone_or_cut_short_is_refused(table: Table) -> None:
    """A commit that named it would break every later read of the table."""
    commit_rows(table, {MON: A})
    for spoil in (os.remove, lambda path: os.truncate(path, 100)):
        file = table.write(TUE, B)
        spoil(f"{table.uri}/{file.path}")
        with pytest.raises(LakeError, match=r"does not exist|has 100 bytes"):
            replace_partitions(table, B.schema, {TUE: [file]}, provenance_of({TUE: record_of(B)}))
    assert live_content(table, MON) == table.read().drop_columns(["partition_key"]) == A


def test_incomplete_provenance_and_unbalanced_ledgers_are_refused(table: Table) -> None:
    files = {MON: [table.write(MON, A)]}
    with pytest.raises(ProvenanceError, match="run_id is missing"):
        replace_partitions(table, A.schema, files, provenance_of({MON: record_of(A)}, run_id=""))
    with pytest.raises(
        ProvenanceError, match=r"flights\[2025-01-06\]: the row ledger does not balance: 3 rows = 2 kept"
    ):
        replace_partitions(table, A.schema, files, provenance_of({MON: record_of(A, ledger=Ledger(3, {"kept": 2}))}))
    assert table.version() == -1


def test_types_that_the_lake_cannot_hold_are_refused_with_the_table_and_column(table: Table) -> None:
    for rows in (pa.table({"a": pa.nulls(1)}), pa.table({"a": [{"x": 1}]})):
        with pytest.raises(LakeError, match="flights: column 'a'"):
            replace_partitions(table, rows.schema, {MON: [table.write(MON, A)]}, provenance_of({MON: record_of(A)}))


def test_the_log_is_kept_across_checkpoints(table: Table) -> None:
    commit_rows(table, {MON: A, TUE: B})
    delta = table.open()
    assert delta is not None
    kept = delta.metadata().configuration
    assert kept["delta.logRetentionDuration"] == LOG_RETENTION
    assert kept["delta.enableExpiredLogCleanup"] == "false"
    delta.create_checkpoint()
    delta.cleanup_metadata()
    commit_rows(table, {MON: B})
    assert {key: found.version for key, found in table.records().items()} == {MON: 2, TUE: 1}
    assert table.read([MON], version=1).num_rows == 3


@pytest.mark.parametrize("key", [MON, f"{MON}-13:00"])
def test_compacted_partitions_are_replaced_like_any_other(table: Table, key: str) -> None:
    """Other writers percent-encode the names of folders; nothing may stay behind under such a name."""
    rows = pa.concat_tables([A, B])
    files = {key: [table.write(key, A), table.write(key, B)]}
    replace_partitions(table, rows.schema, files, provenance_of({key: record_of(rows)}))
    delta = table.open()
    assert delta is not None
    assert delta.optimize.compact()["numFilesAdded"] == 1
    assert sorted(live_content(table, key)["a"].to_pylist()) == [1, 2, 3, 4, 5]
    assert [Path(path).is_file() for path in table.files([key])] == [True]
    assert commit_rows(table, {key: rows}).changed == frozenset(), "compaction changes no content"
    commit_rows(table, {key: B})
    assert live_content(table, key) == B


def test_a_foreign_commit_without_a_record_is_replaced(table: Table) -> None:
    commit_rows(table, {MON: A})
    foreign = pa.table({"a": [9], "partition_key": [TUE]})
    write_deltalake(table.uri, foreign, mode="append")
    assert set(table.records()) == {MON}
    commit_rows(table, {TUE: B})
    assert live_content(table, TUE) == B


def test_racing_writers_leave_one_whole_version_of_each_partition(lake: Lake) -> None:
    """Four processes: the same first-ever partitions, overlapping sets, new ones mixed with existing ones."""
    days = [f"2025-01-{day:02}" for day in range(6, 12)]
    together = [set(days)] * 4
    overlapping = [set(days[n : n + 3]) for n in range(4)]
    rounds = {f"snapshots/same_{n}": together for n in range(5)}
    rounds |= {f"snapshots/overlap_{n}": overlapping for n in range(5)}
    rounds |= {f"snapshots/mixed_{n}": overlapping for n in range(5)}
    for name in rounds:
        if "mixed" in name:
            commit_rows(Table(lake, name), {key: signed_rows(9) for key in days[::2]})
    race(
        lake,
        {name: [{key: signed_rows(n) for key in keys} for n, keys in enumerate(plan)] for name, plan in rounds.items()},
    )
    for name in rounds:
        assert_whole(Table(lake, name), set(days))


def test_racing_writers_of_the_same_content_and_of_new_columns_all_succeed(lake: Lake) -> None:
    """Equal content ends as one file and one record; a column that two writers add is added once."""
    commit_rows(Table(lake, "snapshots/wider"), {MON: signed_rows(7)})
    wider = [signed_rows(n).append_column("more", pa.array([n] * (n + 2))) for n in range(3)]
    race(
        lake,
        {
            "snapshots/equal": [{MON: signed_rows(5), TUE: signed_rows(6)}] * 3,
            "snapshots/wider": [{TUE: rows} for rows in wider],
            "snapshots/disjoint": [{f"2025-01-0{n + 1}": signed_rows(n)} for n in range(3)],
        },
    )
    equal = Table(lake, "snapshots/equal")
    assert_whole(equal, {MON, TUE})
    delta = equal.open()
    assert delta is not None
    assert sum("batch_platform" in entry for entry in delta.history()) == 1, "two of the three had nothing to commit"
    assert_whole(Table(lake, "snapshots/disjoint"), {"2025-01-01", "2025-01-02", "2025-01-03"})
    more = live_content(Table(lake, "snapshots/wider"), TUE)
    assert more["more"].to_pylist() == more["writer"].to_pylist()
    assert more.num_rows == more["writer"][0].as_py() + 2


def test_a_writer_killed_before_its_commit_leaves_the_last_good_version(lake: Lake, table: Table) -> None:
    commit_rows(table, {MON: A})
    receive, send = SPAWN.Pipe()
    victim = SPAWN.Process(target=write_then_wait, args=(lake, table.name, {MON: B, TUE: B}, send), daemon=True)
    victim.start()
    try:
        assert receive.poll(60)
        assert receive.recv() == "written"
    finally:
        victim.kill()
        victim.join()
    assert victim.exitcode == -9
    written = {path.name for path in Path(table.uri).rglob("*.parquet")}
    assert table.version() == 1
    assert live_content(table, MON) == A
    assert table.partitions() == {MON}
    assert commit_rows(table, {MON: B, TUE: B}).changed == {MON, TUE}
    assert live_content(table, MON) == live_content(table, TUE) == B
    assert {path.name for path in Path(table.uri).rglob("*.parquet")} == written, "the rerun uses the files it finds"


def noise(megabytes: float) -> pa.Table:
    """Rows that do not compress."""
    count = int(megabytes * (1 << 20)) // 1024
    return pa.table({"a": range(count), "b": [os.urandom(1024) for _ in range(count)]})


def assert_untouched(table: Table, rows: pa.Table) -> None:
    assert table.version() == 1
    assert table.partitions() == {MON}
    assert live_content(table, MON) == rows
    assert not [path for path in Path(table.uri).rglob("*") if path.name.endswith(".partial")]


def test_a_file_that_outgrows_its_limit_is_one_clear_error(lake: Lake, table: Table) -> None:
    good = noise(0.01)
    commit_rows(table, {MON: good})
    receive, send = SPAWN.Pipe(duplex=False)
    contents = {MON: noise(0.5), TUE: noise(0.5)}
    writer = SPAWN.Process(target=commit_with_limited_file_size, args=(lake, table.name, contents, send), daemon=True)
    writer.start()
    assert receive.poll(60)
    kind, message = receive.recv()
    writer.join()
    assert (kind, writer.exitcode) == ("LakeError", 0)
    assert "the disk is full (free space and run the partition again)" in message
    assert_untouched(table, good)
    assert commit_rows(table, contents).changed == {MON, TUE}


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    """Full while the files are written, then full when the commit itself is written."""
    with small_disk(tmp_path / "disk", 4) as disk:
        table = Table(Lake(str(disk / "lake")), "snapshots/flights")
        good, big, small = noise(0.1), noise(8), noise(0.2)
        commit_rows(table, {MON: good})
        with pytest.raises(LakeError, match="the disk is full"):
            commit_rows(table, {MON: small, TUE: big})
        assert_untouched(table, good)

        files = {MON: [table.write(MON, small)]}
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as sink, pytest.raises(OSError, match="No space"):
            while True:
                sink.write(b"\0" * 4096)
        with pytest.raises(LakeError) as caught:
            replace_partitions(table, small.schema, files, provenance_of({MON: record_of(small)}))
        assert "\n" not in str(caught.value)
        assert_untouched(table, good)
        ballast.unlink()
        assert commit_rows(table, {MON: small}) == Commit(2, frozenset({MON}))
        assert live_content(table, MON) == small


def test_a_store_that_refuses_is_a_lake_error(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file where the folder should be")
    table = Table(Lake(str(tmp_path / "lake")), "snapshots/flights")
    with pytest.raises(LakeError, match="cannot write"):
        table.write(MON, A)
    (tmp_path / "lake").unlink()
    commit_rows(table, {MON: A})
    newest = sorted(Path(table.uri, "_delta_log").glob("*.json"))[-1]
    newest.write_text('{"add": {')
    with pytest.raises(LakeError, match="flights: cannot be opened"):
        commit_rows(table, {MON: B})


def test_commits_name_every_partition_once_in_one_log_entry(table: Table) -> None:
    keys = [f"2025-{month:02}-{day:02}" for month in range(1, 4) for day in range(1, 29)]
    commit_rows(table, dict.fromkeys(keys, A))
    assert table.version() == 1
    assert {found.version for found in table.records().values()} == {1}
    assert set(table.records()) == set(keys)
    assert DeltaTable(table.uri).to_pyarrow_table().num_rows == 3 * len(keys)
