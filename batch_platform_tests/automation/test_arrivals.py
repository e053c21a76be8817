"""The sensor notes what has arrived, for whoever decides, and lets people see it; nothing keeps it from the rest."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import dagster as dg
import pytest

from batch_platform.automation import arrivals as module
from batch_platform.automation import clock
from batch_platform.automation.arrivals import arrivals_sensor
from batch_platform.automation.asks import SEEN
from batch_platform.automation.reporting import asset_key
from batch_platform.lake.store import Lake
from batch_platform.outcomes import Run
from batch_platform.partitions import Cadence, Calendar, Offset, Window
from batch_platform.schedules.arrival_book import ArrivalBook, read_arrivals, read_book
from batch_platform.schedules.books import LakeBooks
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.watching import Glimpse, Watched, Windows
from batch_platform.settings import LAKE, PROJECT
from batch_platform.snapshots.capture import capture
from batch_platform.snapshots.definition import Snapshot
from batch_platform.snapshots.file_watch import FileWatch
from batch_platform.snapshots.files import FilesSource
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.telemetry.cost import Meter

NOW = datetime(2026, 1, 10, 6, tzinfo=UTC)
DAYS = Calendar(Cadence.DAILY, "2025-06-01")
DAY, OLD = "2026-01-09", "2025-07-01"
PATTERN = "in/{partition_key}.csv"


def scheduled(name: str, calendar: Calendar | None = DAYS) -> Scheduled:
    return Scheduled(
        f"snapshots/{name}", calendar, Offset.parse("+1d"), Rules.declared(Cadence.DAILY, name), source=True
    )


class Deployment:
    """A lake, Dagster, and the sensor, which looks every ten seconds."""

    def __init__(self, instance: dg.DagsterInstance, base: Path, tables: list[Watched]) -> None:
        self.instance, self.base, self.lake = instance, base, Lake(str(base / "lake"))
        self.tables, self.ticks = tables, 0
        self.cursor: str | None = None
        self.restart()

    def restart(self) -> None:
        """Begin with a new process: only the lake and Dagster remember."""
        self.sensor = arrivals_sensor(lambda: self.tables)

    def tick(self, times: int = 1) -> list[tuple[str, str | None]]:
        """Look, ten seconds later each time; what was reported to have arrived."""
        found = []
        for _ in range(times):
            self.ticks += 1
            with clock.at(NOW + timedelta(seconds=10 * self.ticks)):
                context = dg.build_sensor_context(self.instance, cursor=self.cursor)
                result = self.sensor(context)
            assert isinstance(result, dg.SensorResult)
            self.cursor, self.skipped = result.cursor, result.skip_reason
            for event in result.asset_events:
                assert isinstance(event, dg.AssetObservation)
                self.instance.report_runless_asset_event(event)
                found.append(("/".join(event.asset_key.path), event.partition))
        return found

    @property
    def told(self) -> str:
        """What the last tick said."""
        return self.skipped.skip_message or "" if self.skipped else ""

    def write(self, key: str, text: str = "a\n1\n") -> None:
        """Write a source file."""
        path = self.base / "in" / f"{key}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def capture(self, *keys: str, calendar: Calendar | None = DAYS) -> None:
        """Capture partitions."""
        snapshot = Snapshot("flights", FilesSource(SourceSpec(files=PATTERN), self.base), calendar=calendar)
        outcomes = capture(snapshot, self.lake, keys, Run("run"), Meter(0.0))
        assert [outcome.error for outcome in outcomes] == [None] * len(keys)

    def ask(self, key: str | None, table: str = "snapshots/flights", **more: object) -> None:
        """Say that a partition has arrived."""
        self.instance.report_runless_asset_event(dg.AssetObservation(asset_key(table), partition=key, **more))  # type: ignore[arg-type]

    def changed(self, table: str = "snapshots/flights") -> dict[str, tuple[bool, bool]]:
        """Partition -> whether what has arrived has changed, and whether it was asked for."""
        books = LakeBooks(self.lake)
        books.look()
        found = read_arrivals(self.lake, table, books.made(table, books.live(table)))
        return {key: (arrival.changed, arrival.asked) for key, arrival in found.items()}

    def run(self, tags: Mapping[str, str], succeeds: bool = True) -> None:
        """A run that captures nothing and is over."""

        @dg.asset(key=asset_key("snapshots/flights"), partitions_def=DAYS.definition)
        def flights() -> None:
            if not succeeds:
                raise dg.Failure("the source is not there")

        time.sleep(1.1)  # SQLite tells when a run was requested in whole seconds
        job = dg.Definitions(assets=[flights]).resolve_implicit_global_asset_job_def()
        job.execute_in_process(instance=self.instance, asset_selection=[flights.key], raise_on_error=False, tags=tags)


@pytest.fixture
def deployment(instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    monkeypatch.setenv(PROJECT, str(tmp_path))
    monkeypatch.setenv(LAKE, str(tmp_path / "lake"))
    yield Deployment(instance, tmp_path, [Watched(scheduled("flights"), FileWatch(PATTERN, tmp_path))])


def test_a_tick_says_what_it_noted(deployment: Deployment) -> None:
    deployment.write(DAY)
    noted = [deployment.told for _ in range(3) if deployment.tick()]
    assert noted == [f"looked at 1 sources, arrived: snapshots/flights[{DAY}]"]


def test_what_has_arrived_is_noted_and_seen_once(deployment: Deployment) -> None:
    deployment.write(DAY)
    assert deployment.tick(3) == [("snapshots/flights", DAY)]
    assert deployment.changed() == {DAY: (True, False)}
    deployment.capture(DAY)
    assert deployment.tick(2) == [] and deployment.changed() == {DAY: (False, False)}
    seen = deployment.instance.fetch_observations(asset_key("snapshots/flights"), 10).records
    assert [record.asset_observation.tags for record in seen if record.asset_observation] == [{SEEN: "true"}]
    deployment.write(DAY, "a\n2\n")
    assert deployment.tick(2) == [("snapshots/flights", DAY)] and deployment.changed() == {DAY: (True, False)}


def test_a_book_is_only_written_when_something_changed_and_outlasts_a_restart(deployment: Deployment) -> None:
    deployment.write(DAY)
    deployment.tick(2)
    book = deployment.base / "lake" / "snapshots" / "flights" / "_arrivals" / "book.json"
    os.utime(book, (1, 1))
    deployment.restart()
    assert deployment.tick(2) == [] and book.stat().st_mtime == 1
    deployment.write(DAY, "a\n2\n")
    deployment.tick()
    assert book.stat().st_mtime > 1


def test_a_book_that_is_lost_is_written_again(deployment: Deployment) -> None:
    deployment.write(DAY)
    deployment.tick(2)
    before = read_book(deployment.lake, "snapshots/flights")
    (deployment.base / "lake" / "snapshots" / "flights" / "_arrivals" / "book.json").write_text("{")
    assert deployment.tick(2) == [("snapshots/flights", DAY)]
    after = read_book(deployment.lake, "snapshots/flights")
    assert before is not None and after is not None and after.seen[DAY].content == before.seen[DAY].content


class Stuck:
    """A source that does not answer."""

    def __init__(self) -> None:
        self.gate = Event()

    def glimpse(self, windows: Windows, ahead: Windows) -> Mapping[str, Glimpse]:
        self.gate.wait(60)
        return {DAY: Glimpse("1")}

    def contents(self, key: str, window: Window | None) -> Mapping[str, str] | None:
        return {"x": "y"}


class Broken:
    """A source that is away."""

    def glimpse(self, windows: Windows, ahead: Windows) -> Mapping[str, Glimpse]:
        raise OSError("no route to postgresql://me:secret@host")

    def contents(self, key: str, window: Window | None) -> Mapping[str, str] | None:
        return None


def test_a_slow_source_and_a_broken_one_keep_no_other_from_arriving(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.5)
    stuck = Stuck()
    deployment.tables += [Watched(scheduled("slow"), stuck), Watched(scheduled("away"), Broken())]
    deployment.restart()
    deployment.write(DAY)
    assert deployment.tick(2) == [("snapshots/flights", DAY)]
    deployment.tick()
    assert "snapshots/slow: still being looked at" in deployment.told
    assert "snapshots/away: OSError while the source was looked at" in deployment.told
    assert "secret" not in deployment.told
    book = read_book(deployment.lake, "snapshots/away")
    assert book is not None and book.problem == "OSError while the source was looked at"
    stuck.gate.set()
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 5.0)
    assert ("snapshots/slow", DAY) in deployment.tick(3)


def test_a_partition_from_the_future_is_told_and_not_noted(deployment: Deployment) -> None:
    deployment.write("2026-01-12")
    assert deployment.tick(3) == [] and deployment.changed() == {}
    assert "partitions that do not exist yet: 2026-01-12" in deployment.told


def test_an_old_partition_that_is_asked_for_is_looked_at_until_it_is_captured(deployment: Deployment) -> None:
    deployment.write(OLD)
    assert deployment.tick(3) == []
    deployment.ask(OLD, metadata={"reason": "corrected by the vendor"})
    assert deployment.tick(2) == [("snapshots/flights", OLD)]
    book = read_book(deployment.lake, "snapshots/flights")
    assert book is not None and book.asked[OLD].reason == "corrected by the vendor"
    assert deployment.changed() == {OLD: (True, True)}
    deployment.capture(OLD)
    deployment.tick(2)
    assert deployment.changed() == {}
    assert read_book(deployment.lake, "snapshots/flights") == ArrivalBook()


def test_an_ask_for_what_is_captured_already_is_met_at_once(deployment: Deployment) -> None:
    deployment.write(OLD)
    deployment.capture(OLD)
    deployment.ask(OLD)
    deployment.ask(OLD)
    deployment.tick(4)
    assert read_book(deployment.lake, "snapshots/flights") == ArrivalBook()


@pytest.mark.slow
@pytest.mark.parametrize("succeeds", [True, False])
def test_where_nothing_can_be_watched_an_ask_is_met_by_a_run_that_came_later(
    deployment: Deployment, succeeds: bool
) -> None:
    deployment.tables[:] = [Watched(scheduled("flights"), None)]
    deployment.run({"dagster/partition": DAY})
    time.sleep(1.1)
    deployment.ask(DAY)
    deployment.tick()
    first = read_arrivals(deployment.lake, "snapshots/flights", {})
    assert {key: (arrival.changed, arrival.asked) for key, arrival in first.items()} == {DAY: (True, True)}
    deployment.run({"dagster/partition": "2026-01-08"})
    deployment.tick()
    assert read_arrivals(deployment.lake, "snapshots/flights", {}) == first
    deployment.run(
        {"dagster/asset_partition_range_start": "2026-01-08", "dagster/asset_partition_range_end": "2026-01-10"},
        succeeds,
    )
    deployment.tick()
    assert deployment.changed() == {}
    time.sleep(1.1)
    deployment.ask(DAY)
    deployment.tick()
    second = read_arrivals(deployment.lake, "snapshots/flights", {})
    assert second[DAY].asked and second[DAY].token != first[DAY].token


def test_asks_that_make_no_sense_are_told_and_passed_by(deployment: Deployment) -> None:
    for key in ("2026-13-01", "2020-01-01", "2026-01-12", None):
        deployment.ask(key)
    deployment.ask(DAY, table="features/other")
    deployment.tick()
    assert deployment.told.count("snapshots/flights: ") == 4 and "2026-01-12' does not exist yet" in deployment.told
    deployment.tick()
    assert "snapshots/flights: " not in deployment.told
    assert read_book(deployment.lake, "snapshots/flights") == ArrivalBook()


def test_an_ask_is_not_forgotten_while_its_source_does_not_answer(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    stuck = Stuck()
    deployment.tables += [Watched(scheduled("slow"), stuck)]
    deployment.restart()
    deployment.tick()
    deployment.ask(OLD, table="snapshots/slow")
    deployment.ask(OLD)
    deployment.tick(2)
    book = read_book(deployment.lake, "snapshots/flights")
    assert book is not None and set(book.asked) == {OLD} and read_book(deployment.lake, "snapshots/slow") is None
    stuck.gate.set()
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 5.0)
    deployment.tick(2)
    book = read_book(deployment.lake, "snapshots/slow")
    assert book is not None and set(book.asked) == {OLD}


def test_a_source_that_is_always_slow_does_not_keep_later_asks_from_being_read(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    stuck = Stuck()
    deployment.tables[:] = [Watched(scheduled("slow"), stuck)]
    deployment.ask(OLD, table="snapshots/slow")
    deployment.tick()
    before = deployment.cursor
    stuck.gate.set()
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 5.0)
    deployment.tick()  # the look that began in the tick before is over by now
    assert before is not None and deployment.cursor is not None and int(deployment.cursor) > int(before)
    book = read_book(deployment.lake, "snapshots/slow")
    assert book is not None and set(book.asked) == {OLD}


def test_what_is_asked_for_and_not_there_is_told(deployment: Deployment) -> None:
    deployment.ask(OLD)
    deployment.tick(2)
    assert f"asked for, but the source holds nothing complete for {OLD}" in deployment.told


def test_a_table_without_partitions_arrives(deployment: Deployment) -> None:
    (deployment.base / "airports.csv").write_text("a\n1\n")
    deployment.tables[:] = [Watched(scheduled("airports", None), FileWatch("airports.csv", deployment.base))]
    assert deployment.tick(2) == [("snapshots/airports", None)]
    deployment.ask(None, table="snapshots/airports")
    deployment.tick()
    assert deployment.changed("snapshots/airports") == {"": (True, True)}


def test_a_source_that_cannot_be_watched_has_no_book_before_somebody_asks(deployment: Deployment) -> None:
    deployment.tables[:] = [Watched(scheduled("flights"), None)]
    deployment.tick(2)
    assert not (deployment.base / "lake").exists()
    deployment.ask(DAY)
    deployment.tick()
    book = read_book(deployment.lake, "snapshots/flights")
    assert book is not None and not book.watched and set(book.asked) == {DAY}


def test_a_tick_with_nothing_new_writes_and_reports_nothing(deployment: Deployment) -> None:
    deployment.tick()
    assert deployment.tick() == [] and deployment.told == "looked at 1 sources, nothing has arrived"
