"""A vacuum deletes what no version ever named and no run needs, and nothing else, whoever else is at work."""

from __future__ import annotations

import os
import time
import traceback
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_platform.errors import LakeError
from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.lease import EXPIRY, lease
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.lake.vacuum import Vacuumed, vacuum, vacuum_spill
from batch_platform_tests.lake.writers import SPAWN, commit_rows, provenance_of, record_of, signed_rows

MON, TUE = "2025-01-06", "2025-01-07"
A, B, C = (pa.table({"a": range(n)}) for n in (3, 5, 7))
NAME = "predictions/flights"
WEEK = timedelta(days=7)


def later() -> datetime:
    """A moment at which all that was just written is older than a week, and no lease is held."""
    return datetime.now(UTC) + WEEK + timedelta(minutes=1)


def now() -> datetime:
    return datetime.now(UTC)


def on_disk(table: Table) -> set[str]:
    return {entry.path for entry in table.lake.list(table.name) if not entry.path.startswith("_delta_log")}


def assert_every_version_reads(table: Table) -> None:
    for version in range(table.version() + 1):
        table.read(version=version)


@pytest.fixture
def table(any_lake: Lake) -> Table:
    return Table(any_lake, NAME)


def test_leftovers_go_and_every_version_still_reads(table: Table) -> None:
    for rows in (A, B, A, C):
        commit_rows(table, {MON: rows})
    kept = on_disk(table)
    orphan = table.write(TUE, B)
    lake = table.lake
    lake.put(NAME, f"partition_key={TUE}/.{'0' * 32}.partial", pa.py_buffer(b"half"))
    lake.put_text(NAME, f"_receipts/{TUE}/shard.json", f'{{"path":"{orphan.path}"}}')
    lake.put_text(NAME, "_leases/run-gone-00000000.json", '{"holder": "x", "refreshed": "2025-01-01T00:00:00+00:00"}')
    lake.put_text(NAME, "_profiles/2025-01-06.json", "{}")
    assert vacuum(lake, NAME, WEEK, clock=now) == Vacuumed(NAME), "all of it is young"
    shown = vacuum(lake, NAME, WEEK, dry_run=True, clock=later)
    assert shown.files == 4 and shown.size_bytes > orphan.size_bytes
    assert len(on_disk(table)) == len(kept) + 5
    assert vacuum(lake, NAME, WEEK, clock=later) == shown
    assert on_disk(table) == kept | {"_profiles/2025-01-06.json"}
    assert vacuum(lake, NAME, WEEK, clock=later) == Vacuumed(NAME)
    assert_every_version_reads(table)


def test_profiles_go_unless_any_record_ever_named_them(lake: Lake) -> None:
    table = Table(lake, NAME)
    profiles = [f"_profiles/{MON}/{digit * 32}.json" for digit in "abc"]
    for path, rows in zip(profiles, (A, B, C), strict=True):
        lake.put_text(NAME, path, "{}")
        if rows is not C:
            file = table.write(MON, rows)
            records = {MON: record_of(rows, profile=path)}
            replace_partitions(table, rows.schema, {MON: [file]}, provenance_of(records))
    foreign = f"_profiles/{MON}/notes.json"
    lake.put_text(NAME, foreign, "{}")
    assert vacuum(lake, NAME, WEEK, clock=now) == Vacuumed(NAME), "all of it is young"
    assert vacuum(lake, NAME, WEEK, clock=later).files == 1
    assert {path for path in on_disk(table) if path.startswith("_profiles")} == {*profiles[:2], foreign}


def test_profiles_stay_where_records_are_gone_from_the_log(lake: Lake) -> None:
    """A checkpoint names every file, but no profile."""
    table, profile = Table(lake, NAME), f"_profiles/{MON}/{'a' * 32}.json"
    lake.put_text(NAME, profile, "{}")
    for rows in (A, B):
        commit_rows(table, {MON: rows})
    delta = table.open()
    assert delta is not None
    delta.create_checkpoint()
    (Path(table.uri) / "_delta_log" / f"{0:020}.json").unlink()
    orphan = table.write(TUE, C)
    assert vacuum(lake, NAME, WEEK, clock=later).files == 1
    assert profile in on_disk(table) and orphan.path not in on_disk(table)


def test_what_a_receipt_that_stays_names_stays(lake: Lake) -> None:
    """So a run that was killed an hour ago still finds the shards it had finished."""
    table = Table(lake, NAME)
    commit_rows(table, {MON: A})
    named, unnamed = table.write(TUE, B), table.write(TUE, C)
    for file in (named, unnamed):
        os.utime(f"{table.uri}/{file.path}", (0, 0))
    lake.put_text(NAME, f"_receipts/{TUE}/shard.json", f'{{"scored": {{"path": "{named.path}"}}}}')
    assert vacuum(lake, NAME, WEEK, clock=now).files == 1
    assert lake.size(NAME, named.path) is not None and lake.size(NAME, unnamed.path) is None
    assert vacuum(lake, NAME, WEEK, clock=later).files == 2


def test_receipts_go_before_the_files_that_they_name(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after any deletion, it leaves no receipt that names what is gone; the next one goes on."""
    table = Table(lake, NAME)
    commit_rows(table, {MON: A})
    for number, rows in enumerate((B, C)):
        file = table.write(TUE, rows)
        lake.put_text(NAME, f"_receipts/{TUE}/shard-{number}.json", f'{{"path": "{file.path}"}}')
    gone: list[str] = []
    remove = Lake.remove

    def killed(lake: Lake, table: str, *paths: str) -> None:
        if not paths[0].startswith("_leases"):
            if len(gone) % 2:
                gone.append("killed")
                raise KeyboardInterrupt
            gone.extend(paths)
        remove(lake, table, *paths)

    monkeypatch.setattr(Lake, "remove", killed)
    while not gone or gone[-1] == "killed":
        try:
            vacuum(lake, NAME, WEEK, clock=later)
            break
        except KeyboardInterrupt:
            receipts = [e.path for e in lake.list(NAME, "_receipts")]
            for receipt in receipts:
                assert all(lake.size(NAME, p) for p in on_disk(table) if p in (lake.read_text(NAME, receipt) or ""))
            if receipts:
                assert len(on_disk(table)) - len(receipts) == 3
    deleted = [path.split("/")[0] for path in gone if path != "killed"]
    assert deleted == ["_receipts"] * 2 + [f"partition_key={TUE}"] * 2
    assert_every_version_reads(table)


def test_a_table_that_a_run_works_on_is_passed_by(table: Table) -> None:
    table.write(TUE, B)
    with lease(table.lake, NAME, "run", clock=later):
        for dry_run in (True, False):
            found = vacuum(table.lake, NAME, WEEK, dry_run=dry_run, clock=later)
            assert found == Vacuumed(NAME, skipped="a run works on it")
    assert vacuum(table.lake, NAME, WEEK, clock=later).files == 1


def test_checkpoints_name_files_too(lake: Lake) -> None:
    table = Table(lake, NAME)
    for rows in (A, B, C):
        commit_rows(table, {MON: rows})
    delta = table.open()
    assert delta is not None
    delta.create_checkpoint()
    for version in range(3):
        (Path(table.uri) / "_delta_log" / f"{version:020}.json").unlink()
    orphan = table.write(TUE, B)
    assert vacuum(lake, NAME, WEEK, clock=later).files == 1
    assert lake.size(NAME, orphan.path) is None
    assert table.read(version=3).num_rows == 7


def test_a_log_that_cannot_be_read_as_a_whole_protects_everything(lake: Lake) -> None:
    table = Table(lake, NAME)
    for rows in (A, B):
        commit_rows(table, {MON: rows})
    table.write(TUE, C)
    first, second = (Path(table.uri) / "_delta_log" / f"{version:020}.json" for version in (0, 1))
    before, text = on_disk(table), second.read_text()
    second.write_text(text[: text.index('"path"') + 20])
    with pytest.raises(LakeError, match="cannot be read"):
        vacuum(lake, NAME, WEEK, clock=later)
    second.write_text(text)
    first.rename(first.with_suffix(".aside"))
    with pytest.raises(LakeError, match=r"its log has no beginning|cannot be opened"):
        vacuum(lake, NAME, WEEK, clock=later)
    assert on_disk(table) == before


def test_files_that_are_not_the_platforms_stay(lake: Lake) -> None:
    table = Table(lake, NAME)
    commit_rows(table, {MON: A})
    for path in ("notes.txt", "with space.parquet", "_symlink_format_manifest/x.parquet", ".hidden.parquet"):
        file = Path(table.uri) / path
        file.parent.mkdir(exist_ok=True)
        file.write_text("x")
    before = on_disk(table)
    vacuum(lake, NAME, WEEK, clock=later)
    assert on_disk(table) == before


def test_a_file_that_is_written_again_is_young_again(lake: Lake) -> None:
    """A run that finds its file, left by one that was killed long ago, commits it soon."""
    table = Table(lake, NAME)
    file = table.write(MON, A)
    os.utime(f"{table.uri}/{file.path}", (0, 0))
    assert table.write(MON, A) == file
    assert vacuum(lake, NAME, timedelta(hours=1), clock=now).files == 0


def test_a_commit_whose_file_was_vacuumed_asks_to_be_run_again(lake: Lake) -> None:
    table = Table(lake, NAME)
    file = table.write(MON, A)
    assert vacuum(lake, NAME, WEEK, clock=later).files == 1
    with pytest.raises(LakeError, match="run the partition again") as caught:
        replace_partitions(table, A.schema, {MON: [file]}, provenance_of({MON: record_of(A)}))
    assert caught.value.transient
    commit_rows(table, {MON: A})


def test_folders_of_spilled_rows_go_when_nothing_was_written_there_for_long(tmp_path: Path) -> None:
    for name in ("spill-old", "spill-used", "spill-young", "other-old"):
        (tmp_path / name / "deeper").mkdir(parents=True)
        (tmp_path / name / "deeper" / "rows.tmp").write_bytes(b"x" * 10)
    (tmp_path / "spill-link").symlink_to(tmp_path / "other-old")
    for name in ("spill-old", "spill-used", "other-old"):
        for place in (f"{name}/deeper/rows.tmp", f"{name}/deeper", name):
            os.utime(tmp_path / place, (0, 0))
    os.utime(tmp_path / "spill-used" / "deeper" / "rows.tmp")
    assert vacuum_spill(tmp_path, WEEK, dry_run=True) == Vacuumed(str(tmp_path), 1, 10)
    assert vacuum_spill(tmp_path, WEEK) == Vacuumed(str(tmp_path), 1, 10)
    assert {path.name for path in tmp_path.iterdir()} == {"spill-used", "spill-young", "other-old", "spill-link"}
    assert vacuum_spill(tmp_path / "nowhere", WEEK) == Vacuumed(str(tmp_path / "nowhere"))


DAY = timedelta(days=1)
ACTIONS = st.one_of(
    st.tuples(st.just("commit"), st.sampled_from([MON, TUE]), st.integers(0, 5)),
    st.tuples(st.just("write"), st.sampled_from([MON, TUE]), st.integers(0, 5)),
    st.tuples(st.just("receipt"), st.sampled_from([MON, TUE]), st.integers(0, 5)),
    st.tuples(st.just("partial"), st.sampled_from([MON, TUE]), st.integers(0, 5)),
    st.tuples(st.just("wait"), st.just(""), st.integers(1, 5)),
    st.tuples(st.just("vacuum"), st.booleans(), st.integers(1, 7)),
    st.tuples(st.just("checkpoint"), st.just(""), st.just(0)),
)


class World:
    """A table whose files age when the world waits, and a model of what a vacuum may take."""

    def __init__(self, lake: Lake) -> None:
        self.table = Table(lake, NAME)
        self.written: dict[str, DataFile] = {}
        self.named: set[str] = set()

    def act(self, kind: str, what: str | bool, number: int) -> None:
        getattr(self, kind)(what, number)
        assert_every_version_reads(self.table)

    def commit(self, key: str, number: int) -> None:
        commit_rows(self.table, {key: signed_rows(number)})
        self.named |= {file.removeprefix(f"{self.table.uri}/") for file in self.table.files()}

    def write(self, key: str, number: int) -> None:
        self.table.write(key, signed_rows(number))

    def partial(self, key: str, number: int) -> None:
        self.table.lake.put(NAME, f"partition_key={key}/.{number:032}.partial", pa.py_buffer(bytes([number])))

    def receipt(self, key: str, number: int) -> None:
        path = self.table.write(key, signed_rows(number)).path
        self.table.lake.put_text(NAME, f"_receipts/{key}/{number}.json", f'{{"path": "{path}"}}')

    def checkpoint(self, _: str, __: int) -> None:
        delta = self.table.open()
        if delta is not None:
            delta.create_checkpoint()

    def wait(self, _: str, days: int) -> None:
        for path in Path(self.table.uri).rglob("*"):
            if path.is_file():
                aged = path.stat().st_mtime - days * DAY.total_seconds()
                os.utime(path, (aged, aged))

    def vacuum(self, held: bool, days: int) -> None:
        before = {entry.path: entry for entry in self.table.lake.list(NAME)}
        limit = datetime.now(UTC) - days * DAY
        if held:
            with lease(self.table.lake, NAME, "run"):
                assert vacuum(self.table.lake, NAME, days * DAY).skipped
        else:
            vacuum(self.table.lake, NAME, days * DAY)
        after = {entry.path for entry in self.table.lake.list(NAME)}
        young = {path for path, entry in before.items() if entry.modified >= limit}
        receipts = [Path(self.table.uri) / path for path in young if path.startswith("_receipts")]
        meant = "".join(receipt.read_text() for receipt in receipts)
        stays = young | self.named | {path for path in before if path.startswith("_delta_log") or path in meant}
        assert after == (set(before) if held else set(before) & stays)


@pytest.mark.slow
@given(st.lists(ACTIONS, max_size=14))
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_whatever_happens_exactly_the_leftovers_go(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str | bool, int]]
) -> None:
    world = World(Lake(str(tmp_path_factory.mktemp("world"))))
    for action in actions:
        world.act(*action)


def commit_over_and_over(lake: Lake, writer: int, report: Connection) -> None:
    """Write, wait, commit, leave orphans, each step under a lease; and say how often a file was gone."""
    table, gone = Table(lake, NAME), 0
    try:
        for number in range(12):
            rows = pa.table({"writer": [writer] * 3, "number": [number] * 3})
            with lease(lake, NAME, f"run-{writer}"):
                table.write(TUE, pa.table({"orphan": [writer, number]}))
                file = table.write(f"2025-01-{10 + writer}", rows)
                time.sleep(0.02 * (number % 3))
                files = {f"2025-01-{10 + writer}": [file]}
                records = {key: record_of(rows) for key in files}
                try:
                    replace_partitions(table, rows.schema, files, provenance_of(records))
                except LakeError as error:
                    assert error.transient, error
                    gone += 1
        report.send(gone)
    except Exception:
        report.send(traceback.format_exc())


@pytest.mark.slow
def test_vacuums_over_and_over_take_nothing_from_runs_that_commit(lake: Lake) -> None:
    """The limit of age is nothing at all here: only the leases stand between the vacuum and files yet to be named."""
    receivers, processes = [], []
    for writer in range(4):
        receive, send = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=commit_over_and_over, args=(lake, writer, send), daemon=True)
        process.start()
        receivers.append(receive)
        processes.append(process)
    deleted = skipped = 0
    try:
        deadline = time.monotonic() + 120
        while any(process.is_alive() for process in processes) and time.monotonic() < deadline:
            found = vacuum(lake, NAME, timedelta(0))
            deleted, skipped = deleted + found.files, skipped + bool(found.skipped)
        told = [receive.recv() for receive in receivers if receive.poll(1)]
    finally:
        for process in processes:
            process.kill()
            process.join()
    assert told == [0, 0, 0, 0], "no file was gone at its commit"
    assert skipped
    table = Table(lake, NAME)
    vacuum(lake, NAME, timedelta(0), clock=lambda: datetime.now(UTC) + EXPIRY)
    assert table.version() == 48
    assert_every_version_reads(table)
    assert table.read()["number"].to_pylist() == [11] * 12
    assert not [path for path in on_disk(table) if TUE in path], "and all orphans are gone at last"
