"""Capturing: the same bytes change nothing, a bad day harms no other, and the log names every byte that was read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import ContractError, LakeError, PartitionKeyError, RowKeyError, SourceError
from batch_platform.lake.provenance import METADATA_KEY, Ledger, Provenance, SourceRead
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import Cadence, Calendar, Window
from batch_platform.snapshots.capture import KEY_CHECK, Snapshot, capture
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract, source_from
from batch_platform.telemetry.cost import Meter

CALENDAR = Calendar(Cadence.DAILY, "2025-01-06")
DAYS = ["2025-01-06", "2025-01-07", "2025-01-08"]
COLUMNS = {"flight": "VARCHAR", "number": "INTEGER", "delay_minutes": "DOUBLE"}
NAME = "snapshots/flights"
HEADER = "flight,number,delay_minutes\n"
GOOD = HEADER + "B6,2,4.5\nAA,7,\nAA,1,-3\n"


def snapshot(folder: Path, *, empty_allowed: bool = False, key: Sequence[str] = ("flight", "number")) -> Snapshot:
    """Flights in one CSV file a day, in `folder`."""
    spec = SourceSpec(files="{partition_key}.csv", columns=COLUMNS)
    return Snapshot("flights", source_from(spec, base=folder), tuple(key), CALENDAR, empty_allowed)


def deliver(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for day, text in files.items():
        (folder / f"{day}.csv").write_text(text)


def captured(what: Snapshot, lake: Lake, keys: Sequence[str]) -> list[PartitionOutcome]:
    return capture(what, lake, keys, Run("a-run"), Meter(0.04))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A folder with a good file for every day."""
    deliver(tmp_path / "inbox", dict.fromkeys(DAYS, GOOD))
    return tmp_path / "inbox"


def log(lake: Lake) -> Provenance:
    """The newest record in the table's own log."""
    delta = Table(lake, NAME).open()
    assert delta is not None
    return Provenance.from_json(delta.history(1)[0][METADATA_KEY])


def test_rows_lie_in_key_order_and_every_one_knows_its_file_and_row(inbox: Path, lake: Lake) -> None:
    (outcome,) = captured(snapshot(inbox), lake, DAYS[:1])
    rows = Table(lake, NAME).read(DAYS[:1])
    assert list(zip(*(rows.column(name).to_pylist() for name in COLUMNS), strict=True)) == [
        ("AA", 1, -3.0),
        ("AA", 7, None),
        ("B6", 2, 4.5),
    ]
    assert rows.column("_source_file").to_pylist() == [f"{DAYS[0]}.csv"] * 3
    assert rows.column("_source_row").to_pylist() == [3, 2, 1]
    assert outcome.rows == 3 and [(check.name, check.passed) for check in outcome.checks] == [(KEY_CHECK, True)]


def test_the_log_accounts_for_every_row_and_byte(inbox: Path, lake: Lake) -> None:
    outcomes = captured(snapshot(inbox), lake, DAYS)
    record = log(lake)
    assert (record.stage, record.run_id, record.engine) == ("snapshots", "a-run", "local")
    assert record.package_version and record.git_commit and record.seconds > 0 and record.cost >= 0
    assert set(record.partitions) == set(DAYS)
    for outcome in outcomes:
        own = record.partitions[outcome.key]
        file = inbox / f"{outcome.key}.csv"
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        assert own.digest == outcome.digest and own.ledger == Ledger(3, {"kept": 3}) and own.ledger.balanced
        assert own.sources == (SourceRead(file.name, sha256, file.stat().st_size),)


def test_the_same_bytes_again_change_nothing(inbox: Path, lake: Lake) -> None:
    first = captured(snapshot(inbox), lake, DAYS)
    version, files = Table(lake, NAME).version(), Table(lake, NAME).files()
    again = captured(snapshot(inbox), lake, DAYS)
    assert [outcome.digest for outcome in again] == [outcome.digest for outcome in first]
    assert Table(lake, NAME).version() == version and Table(lake, NAME).files() == files


def test_changed_bytes_are_a_new_version_with_a_new_digest(inbox: Path, lake: Lake) -> None:
    before = captured(snapshot(inbox), lake, DAYS)
    version = Table(lake, NAME).version()
    deliver(inbox, {DAYS[1]: GOOD.replace("4.5", "4.75")})
    after = captured(snapshot(inbox), lake, DAYS)
    assert Table(lake, NAME).version() == version + 1
    assert [old.digest == new.digest for old, new in zip(before, after, strict=True)] == [True, False, True]
    assert set(log(lake).partitions) == {DAYS[1]}
    earlier = Table(lake, NAME).read([DAYS[1]], version=version)
    assert earlier.column("delay_minutes").to_pylist() == [-3.0, None, 4.5]


@pytest.mark.parametrize("text", [GOOD.replace("\n", "\r\n"), HEADER + "AA,1,-3.0\nB6,2,4.50\nAA,7,\n"])
def test_other_bytes_with_the_same_rows_are_recorded_and_trigger_nothing(inbox: Path, lake: Lake, text: str) -> None:
    (before,) = captured(snapshot(inbox), lake, DAYS[:1])
    version = Table(lake, NAME).version()
    deliver(inbox, {DAYS[0]: text})
    (after,) = captured(snapshot(inbox), lake, DAYS[:1])
    assert after.digest == before.digest and Table(lake, NAME).version() == version + 1
    sha256 = hashlib.sha256((inbox / f"{DAYS[0]}.csv").read_bytes()).hexdigest()
    assert [source.sha256 for source in log(lake).partitions[DAYS[0]].sources] == [sha256]
    assert Table(lake, NAME).read(DAYS[:1]).num_rows == 3


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (None, SourceError, f"{DAYS[1]}.csv"),
        (HEADER + 'AA,1,2\nB6,"2', SourceError, f"{DAYS[1]}.csv"),
        (HEADER + "AA,1,2\nB6,2\n", SourceError, f"{DAYS[1]}.csv"),
        (HEADER + "AA,1,2\nB6,2,3\nAA,1,9\n", RowKeyError, f"{DAYS[1]}.csv row 1 and {DAYS[1]}.csv row 3"),
        (HEADER + "AA,1,2\nB6,,3\n", RowKeyError, "key column 'number' is null"),
        (HEADER + "AA,one,2\n", SourceError, "number"),
        ("flight,delay_minutes\nAA,2\n", SourceError, "number"),
        (HEADER, ContractError, "no rows"),
        ("", SourceError, f"{DAYS[1]}.csv"),
    ],
    ids=["missing", "truncated", "short row", "twin", "null key", "wrong type", "no column", "no rows", "no header"],
)
def test_a_bad_day_is_one_clear_error_and_the_good_days_are_committed(
    inbox: Path, lake: Lake, text: str | None, kind: type[Exception], said: str
) -> None:
    captured(snapshot(inbox), lake, DAYS)
    earlier = Table(lake, NAME).read([DAYS[1]])
    deliver(inbox, {DAYS[0]: GOOD.replace("4.5", "5"), DAYS[2]: GOOD.replace("4.5", "6")})
    if text is None:
        (inbox / f"{DAYS[1]}.csv").unlink()
    else:
        deliver(inbox, {DAYS[1]: text})

    outcomes = captured(snapshot(inbox), lake, DAYS)
    assert [outcome.key for outcome in outcomes] == DAYS
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    bad = outcomes[1]
    assert type(bad.error) is kind and said in str(bad.error) and "\n" not in str(bad.error)
    failed_key = any(words in said for words in ("row 1 and", "key column"))
    assert not bad.digest and [(check.name, check.passed) for check in bad.checks] == [(KEY_CHECK, False)] * failed_key
    assert Table(lake, NAME).read([DAYS[1]]).equals(earlier)
    assert set(log(lake).partitions) == {DAYS[0], DAYS[2]}
    assert 5.0 in Table(lake, NAME).read(DAYS[:1]).column("delay_minutes").to_pylist()


def test_a_first_capture_with_only_bad_days_creates_no_table(tmp_path: Path, lake: Lake) -> None:
    deliver(tmp_path / "inbox", {DAYS[0]: HEADER})
    (outcome,) = captured(snapshot(tmp_path / "inbox"), lake, DAYS[:1])
    assert isinstance(outcome.error, ContractError) and Table(lake, NAME).version() == -1


def test_an_empty_day_counts_as_computed_where_it_is_allowed(inbox: Path, lake: Lake) -> None:
    deliver(inbox, {DAYS[1]: HEADER})
    outcomes = captured(snapshot(inbox, empty_allowed=True), lake, DAYS)
    assert [outcome.rows for outcome in outcomes] == [3, 0, 3] and outcomes[1].digest
    assert Table(lake, NAME).partitions() == set(DAYS)
    assert log(lake).partitions[DAYS[1]].ledger == Ledger(0, {"kept": 0})
    version = Table(lake, NAME).version()
    captured(snapshot(inbox, empty_allowed=True), lake, DAYS)
    assert Table(lake, NAME).version() == version


def test_rows_without_identity_may_repeat(inbox: Path, lake: Lake) -> None:
    deliver(inbox, {DAYS[0]: HEADER + "AA,1,2\nAA,1,2\n,,\n"})
    (outcome,) = captured(snapshot(inbox, key=()), lake, DAYS[:1])
    assert outcome.error is None and outcome.rows == 3
    assert outcome.checks == ()  # nothing was promised, so nothing was proved


def test_a_key_column_that_the_source_lacks_is_named(inbox: Path, lake: Lake) -> None:
    (outcome,) = captured(snapshot(inbox, key=("flight", "day")), lake, DAYS[:1])
    assert isinstance(outcome.error, ContractError) and "'day'" in str(outcome.error)
    assert [(check.name, check.passed) for check in outcome.checks] == [(KEY_CHECK, False)]


class Watched:
    """A source that remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        self.asked.append(partition_key)
        raise SourceError("has nothing")


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "..", "2025-01-06/../x", "2025-1-6", "", "*"])
def test_a_key_that_is_no_partition_is_refused_and_nothing_is_read(lake: Lake, key: str) -> None:
    source = Watched()
    (outcome,) = captured(Snapshot("flights", source, (), CALENDAR), lake, [key])
    assert isinstance(outcome.error, PartitionKeyError) and source.asked == []
    assert Table(lake, NAME).version() == -1 and not Path(lake.root).exists()


def test_a_snapshot_without_partitions_is_one_table(tmp_path: Path, lake: Lake) -> None:
    pq.write_table(pa.table({"tail_number": ["N2", "N1"], "seats": [5, 7]}), tmp_path / "aircraft.parquet")
    source = source_from(SourceSpec(files="aircraft.parquet"), base=tmp_path)
    register = Snapshot("flights", source, ("tail_number",))
    (outcome,) = captured(register, lake, [""])
    assert outcome.error is None and outcome.rows == 2 and set(log(lake).partitions) == {""}
    rows = Table(lake, NAME).read()
    assert rows.column("tail_number").to_pylist() == ["N1", "N2"] and "partition_key" not in rows.column_names
    version = Table(lake, NAME).version()
    assert captured(register, lake, [""])[0].digest == outcome.digest and Table(lake, NAME).version() == version

    pq.write_table(pa.table({"tail_number": ["N2", "N2"], "seats": [5, 7]}), tmp_path / "aircraft.parquet")
    (refused,) = captured(register, lake, [""])
    assert "duplicate key tail_number=N2: aircraft.parquet row 1 and aircraft.parquet row 2" in str(refused.error)
    assert Table(lake, NAME).version() == version


def delivered_parquet(folder: Path, days: dict[str, pa.Table]) -> Snapshot:
    for day, rows in days.items():
        pq.write_table(rows, folder / f"{day}.parquet")
    return Snapshot("flights", source_from(SourceSpec(files="{partition_key}.parquet"), base=folder), ("a",), CALENDAR)


@pytest.mark.parametrize(
    "odd",
    [pa.table({"a": ["x"]}), pa.table({"a": pa.array([1], pa.int64()), "b": ["x"]}).append_column("a", pa.array([2]))],
    ids=["other type", "one name twice"],
)
def test_a_day_of_another_shape_is_refused_alone(tmp_path: Path, lake: Lake, odd: pa.Table) -> None:
    """Where the files decide the columns, one day cannot change them for the others."""
    usual = pa.table({"a": pa.array([1, 2], pa.int64()), "b": ["x", "y"]})
    source = delivered_parquet(tmp_path, {DAYS[0]: usual, DAYS[1]: odd, DAYS[2]: usual})
    outcomes = captured(source, lake, DAYS)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "\n" not in str(outcomes[1].error) and DAYS[1] in str(outcomes[1].error)
    assert Table(lake, NAME).partitions() == {DAYS[0], DAYS[2]}


def test_a_day_that_contradicts_the_table_is_refused_alone(tmp_path: Path, lake: Lake) -> None:
    """The table's columns stand, whichever day of a later run comes first."""
    usual = pa.table({"a": pa.array([1, 2], pa.int64())})
    captured(delivered_parquet(tmp_path, {DAYS[0]: usual}), lake, DAYS[:1])
    source = delivered_parquet(tmp_path, {DAYS[1]: pa.table({"a": ["x"]}), DAYS[2]: usual})
    outcomes = captured(source, lake, DAYS[1:])
    assert [outcome.error is None for outcome in outcomes] == [False, True]
    assert Table(lake, NAME).partitions() == {DAYS[0], DAYS[2]}


@pytest.mark.parametrize(
    "far",
    [
        pa.table({"a": [1], "b": pa.array([2**63], pa.uint64())}),
        pa.table({"a": [1], "partition_key": ["2025-01-06"]}),
    ],
    ids=["too large", "the partition column"],
)
def test_a_day_that_cannot_be_stored_is_refused_alone(tmp_path: Path, lake: Lake, far: pa.Table) -> None:
    usual = pa.table({"a": pa.array([1, 2], pa.int64())})
    outcomes = captured(delivered_parquet(tmp_path, {DAYS[0]: usual, DAYS[1]: far}), lake, DAYS[:2])
    assert [outcome.error is None for outcome in outcomes] == [True, False]
    assert DAYS[1] in str(outcomes[1].error) and Table(lake, NAME).partitions() == {DAYS[0]}


ONE, TWO = pa.table({"a": pa.array([1], pa.int64())}), pa.table({"a": pa.array([1], pa.int64()), "b": ["x"]})


def test_a_day_without_a_column_of_another_day_is_the_same_in_whatever_order_they_come(tmp_path: Path) -> None:
    """Where the files decide the columns, one that a day lacks is null there, and its own digest does not know it."""
    source = delivered_parquet(tmp_path, {DAYS[0]: ONE, DAYS[1]: TWO, DAYS[2]: ONE})
    digests, contents = [], []
    for name, runs in enumerate([[DAYS], *([[day] for day in order] for order in permutations(DAYS))]):
        lake = Lake(str(tmp_path / str(name)))
        outcomes = {outcome.key: outcome for keys in runs for outcome in captured(source, lake, keys)}
        assert [outcome.error for outcome in outcomes.values()] == [None] * 3
        digests.append({day: outcomes[day].digest for day in DAYS})
        rows = Table(lake, NAME).read().sort_by("partition_key")
        contents.append(list(zip(*(rows.column(column).to_pylist() for column in ("a", "b")), strict=True)))

        version = Table(lake, NAME).version()
        again = [captured(source, lake, [day])[0] for day in DAYS]
        assert {outcome.key: outcome.digest for outcome in again} == digests[-1]
        assert Table(lake, NAME).version() == version
        assert [outcome.metadata.get("absent_columns") for outcome in again] == [["b"], None, ["b"]]
    assert all(found == digests[0] for found in digests)
    assert all(found == [(1, None), (1, "x"), (1, None)] for found in contents)


def test_where_the_columns_are_declared_none_may_go(tmp_path: Path, lake: Lake) -> None:
    """A column that a changed declaration leaves out would empty all later days without anyone noticing."""
    usual = delivered_parquet(tmp_path, {DAYS[0]: TWO, DAYS[1]: ONE})
    captured(usual, lake, DAYS[:1])
    (outcome,) = captured(replace(usual, columns_known=True), lake, DAYS[1:2])
    assert isinstance(outcome.error, ContractError) and "'b' is no longer written" in str(outcome.error)
    assert Table(lake, NAME).partitions() == {DAYS[0]}


def test_a_column_that_differs_from_another_day_in_case_is_refused_alone(tmp_path: Path, lake: Lake) -> None:
    source = delivered_parquet(tmp_path, {DAYS[0]: TWO, DAYS[1]: TWO.rename_columns(["a", "B"]), DAYS[2]: TWO})
    outcomes = captured(source, lake, DAYS)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert Table(lake, NAME).partitions() == {DAYS[0], DAYS[2]}


def test_rows_of_the_same_bytes_under_a_new_declaration_are_captured_anew(tmp_path: Path, lake: Lake) -> None:
    """What decides is the content, not the file: equal bytes that are read in another way are other rows."""
    deliver(tmp_path, {DAYS[0]: GOOD})
    narrow = SourceSpec(files="{partition_key}.csv", columns={name: COLUMNS[name] for name in ("flight", "number")})
    before = Snapshot("flights", source_from(narrow, base=tmp_path), ("number",), CALENDAR, columns_known=True)
    (first,) = captured(before, lake, DAYS[:1])
    (second,) = captured(replace(snapshot(tmp_path), columns_known=True), lake, DAYS[:1])
    assert first.digest != second.digest and "delay_minutes" in Table(lake, NAME).read(DAYS[:1]).column_names


def test_a_lake_that_cannot_be_written_stops_the_run(inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LakeError):
        captured(snapshot(inbox), Lake(str(tmp_path / "file")), DAYS)
