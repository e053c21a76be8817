"""Whatever happens to files, each complete content is seen as changed until it is captured, and nothing else is."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.partitions import Cadence, Calendar, Offset, Window
from batch_platform.schedules.arrival_book import ArrivalBook, arrivals, content_of
from batch_platform.schedules.facts import Made
from batch_platform.schedules.rules import Rules
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.watching import Look, Watched, look
from batch_platform.snapshots.file_watch import FileWatch
from batch_platform.snapshots.files import FilesSource
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform_tests.snapshots.objects import Bucket, bucket

__all__ = ["bucket"]

DAYS = Calendar(Cadence.DAILY, "2025-12-01")
TABLE = Scheduled("snapshots/flights", DAYS, Offset.parse("+1d"), Rules.declared(Cadence.DAILY, "flights"), source=True)
NOW = datetime(2026, 1, 10, 6, tzinfo=UTC)
KEY, OTHER = "2026-01-09", "2026-01-08"
WINDOWS: Mapping[str, Window | None] = {key: DAYS.window(key) for key in (OTHER, KEY)}
PATTERN = "in/{partition_key}/*.csv"
SETTLE = 8


class Looker:
    """Looks at a folder, second after second."""

    def __init__(self, base: Path, pattern: str = PATTERN, ready: str | None = None) -> None:
        self.base, self.pattern, self.ready = base, pattern, ready
        self.book, self.second = ArrivalBook(), 0.0
        self.restart()

    def restart(self) -> None:
        """Lose everything but the book."""
        self.watched = Watched(TABLE, FileWatch(self.pattern, self.base, self.ready), SETTLE)
        self.book = ArrivalBook.from_json(self.book.to_json())

    def after(self, seconds: float) -> Look:
        """Look again after some seconds."""
        self.second += seconds
        result = look(self.watched, self.book, NOW + timedelta(seconds=self.second))
        self.book = result.book
        return result


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_file_arrives_once_and_its_correction_once_more(tmp_path: Path) -> None:
    looker = Looker(tmp_path)
    file = tmp_path / "in" / KEY / "a.csv"
    written(file, "a\n1\n")
    assert [looker.after(10).arrived for _ in range(3)] == [(), (KEY,), ()]
    os.utime(file, (1, 1))
    assert [looker.after(10).arrived for _ in range(3)] == [(), (), ()]
    replaced = tmp_path / "other"
    replaced.write_text("a\n1\n")
    replaced.replace(file)
    assert [looker.after(10).arrived for _ in range(3)] == [(), (), ()]
    written(file, "a\n2\n")
    looker.restart()
    assert [looker.after(10).arrived for _ in range(3)] == [(), (KEY,), ()]


def test_what_is_noted_is_what_a_capture_records(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", ".hidden.csv", "c.txt"):
        written(tmp_path / "in" / KEY / name, "n\n1\n")
    looker = Looker(tmp_path)
    looker.after(10)
    looker.after(10)
    extract = FilesSource(SourceSpec(files=PATTERN), tmp_path).read(KEY, WINDOWS[KEY])
    assert looker.book.seen[KEY].content == content_of({file.path: file.sha256 for file in extract.files})
    assert (looker.book.seen[KEY].parts, looker.book.seen[KEY].size_bytes) == (2, 8)


def test_a_file_without_bytes_arrives(tmp_path: Path) -> None:
    looker = Looker(tmp_path)
    written(tmp_path / "in" / KEY / "a.csv", "")
    assert [looker.after(10).arrived for _ in range(2)] == [(), (KEY,)]


def test_a_file_that_came_or_went_or_was_renamed_is_a_change(tmp_path: Path) -> None:
    looker = Looker(tmp_path)
    folder = tmp_path / "in" / KEY
    written(folder / "a.csv", "1")
    looker.after(10)
    looker.after(10)
    written(folder / "b.csv", "2")
    assert [looker.after(10).arrived for _ in range(2)] == [(), (KEY,)]
    (folder / "b.csv").rename(folder / "c.csv")
    assert [looker.after(10).arrived for _ in range(2)] == [(), (KEY,)]
    (folder / "c.csv").unlink()
    assert [looker.after(10).arrived for _ in range(2)] == [(), (KEY,)]
    (folder / "a.csv").unlink()
    assert looker.after(10).book.seen == {}


def test_a_partition_waits_for_its_marker(tmp_path: Path) -> None:
    looker = Looker(tmp_path, ready="in/{partition_key}/DONE")
    written(tmp_path / "in" / KEY / "a.csv", "1")
    assert [looker.after(10).arrived for _ in range(3)] == [(), (), ()]
    written(tmp_path / "in" / KEY / "DONE", "")
    written(tmp_path / "in" / OTHER / "DONE", "")
    assert [looker.after(10).arrived for _ in range(2)] == [(), (KEY,)]


def test_times_from_the_future_and_the_past_do_not_matter(tmp_path: Path) -> None:
    looker = Looker(tmp_path)
    for key, moment in ((KEY, datetime(2099, 1, 1, tzinfo=UTC)), (OTHER, datetime(1971, 1, 1, tzinfo=UTC))):
        written(tmp_path / "in" / key / "a.csv", "1")
        os.utime(tmp_path / "in" / key / "a.csv", (0, moment.timestamp()))
    assert [looker.after(10).arrived for _ in range(2)] == [(), (OTHER, KEY)]


def test_a_partition_of_tomorrow_is_told_and_not_taken(tmp_path: Path) -> None:
    looker = Looker(tmp_path)
    written(tmp_path / "in" / "2026-01-11" / "a.csv", "1")
    looker.after(10)
    assert looker.after(10).arrived == () and looker.book.early == ("2026-01-11",)


def test_what_is_no_regular_file_is_told_and_keeps_no_other_partition(tmp_path: Path) -> None:
    looker = Looker(tmp_path)
    written(tmp_path / "in" / OTHER / "a.csv", "1")
    (tmp_path / "in" / KEY).mkdir()
    os.mkfifo(tmp_path / "in" / KEY / "a.csv")
    looker.after(10)
    assert looker.after(10).arrived == (OTHER,)
    assert looker.book.problem.startswith(f"SourceError: in/{KEY}/a.csv: is no regular file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    looker = Looker(tmp_path)
    written(tmp_path / "in" / KEY / "a.csv", "1")
    (tmp_path / "in" / KEY / "a.csv").chmod(0)
    looker.after(10)
    assert looker.after(10).arrived == () and "cannot be read" in looker.book.problem


def test_only_a_file_that_was_written_again_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looker = Looker(tmp_path)
    for number in range(5):
        written(tmp_path / "in" / KEY / f"{number}.csv", "1")
    looker.after(10)
    looker.after(10)
    read: list[str] = []
    digest = hashlib.file_digest

    def noting(file: BufferedReader, kind: str) -> object:
        read.append(file.name)
        return digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", noting)
    written(tmp_path / "in" / KEY / "3.csv", "2")
    looker.after(10)
    looker.after(10)
    assert [Path(name).name for name in read] == ["3.csv"]


def test_objects_arrive_as_files_do(bucket: Bucket) -> None:
    looker = Looker(Path("/"), bucket.address("in/{partition_key}_*.csv"), bucket.address("in/{partition_key}.done"))
    bucket.put(f"in/{KEY}_1.csv", "1")
    assert [looker.after(10).arrived for _ in range(2)] == [(), ()]
    bucket.put(f"in/{KEY}.done", "")
    assert [looker.after(10).arrived for _ in range(3)] == [(), (KEY,), ()]
    extract = FilesSource(SourceSpec(files=looker.pattern), Path("/")).files(KEY, WINDOWS[KEY])
    assert looker.book.seen[KEY].content == content_of({extract[0].path: hashlib.sha256(b"1").hexdigest()})
    bucket.put(f"in/{KEY}_1.csv", "22")
    assert [looker.after(10).arrived for _ in range(3)] == [(), (KEY,), ()]
    bucket.remove(f"in/{KEY}_1.csv")
    assert looker.after(10).book.seen == {}


NAMES = ("a.csv", "b.csv")
ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from("xyz")),
    st.tuples(st.just("part"), st.sampled_from(NAMES), st.sampled_from("xyz")),
    st.tuples(st.just("touch"), st.sampled_from(NAMES), st.just("")),
    st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from("xyz")),
    st.tuples(st.just("remove"), st.sampled_from(NAMES), st.just("")),
    st.tuples(st.just("restart"), st.just(""), st.just("")),
    st.tuples(st.just("capture"), st.just(""), st.just("")),
    st.tuples(st.just("look"), st.just(""), st.just("")),
)


@pytest.mark.slow
@settings(max_examples=100)
@given(st.lists(st.tuples(ACTIONS, st.sampled_from([1, 4, 10])), max_size=25))
def test_each_complete_content_is_seen_until_it_is_captured_and_never_a_part_of_one(
    steps: list[tuple[tuple[str, str, str], int]],
) -> None:
    with TemporaryDirectory() as folder:
        folder_of = Path(folder) / "in" / KEY
        folder_of.mkdir(parents=True)
        looker = Looker(Path(folder))
        made: dict[str, Made] = {}
        halves: dict[str, tuple[float, str]] = {}

        moment = itertools.count(1)

        def put(file: Path, text: str) -> None:
            """Write, at another time than ever before: clocks of file systems may stand still for some milliseconds."""
            file.write_text(text)
            os.utime(file, ns=(0, next(moment)))

        def held() -> dict[str, str]:
            return {
                f"in/{KEY}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in folder_of.iterdir()
            }

        def finish(now: float, everything: bool = False) -> None:
            """A writer that paused goes on before the settle time is over."""
            for name, (since, text) in list(halves.items()):
                if everything or now - since >= SETTLE - 1:
                    put(folder_of / name, f"{text}-whole")
                    del halves[name]

        for (action, name, text), seconds in steps:
            file = folder_of / name
            if action in ("write", "rename", "remove", "part"):
                halves.pop(name, None)
            if action == "write":
                put(file, f"{text}-whole")
            elif action == "part":
                put(file, text)
                halves[name] = (looker.second, text)
            elif action == "touch" and file.exists():
                os.utime(file, ns=(0, next(moment)))
            elif action == "rename":
                put(Path(folder) / "new", f"{text}-whole")
                (Path(folder) / "new").replace(file)
            elif action == "remove":
                file.unlink(missing_ok=True)
            elif action == "restart":
                looker.restart()
            elif action == "capture":
                arrived = arrivals(looker.book, made).get(KEY)
                if arrived is not None and arrived.changed and not halves:
                    made[KEY] = Made("digest", sources=held())
            finish(looker.second + seconds)
            result = looker.after(seconds)
            arrived = arrivals(result.book, made).get(KEY)
            if arrived is not None:
                assert not halves, "a part of a file was taken for a whole one"
                assert result.book.seen[KEY].content == content_of(held())
        finish(looker.second, everything=True)
        looker.after(10)
        looker.after(10)
        arrived = arrivals(looker.book, made).get(KEY)
        wanted = held()
        assert (arrived is not None) == bool(wanted)
        if arrived is not None:
            assert arrived.changed == (KEY not in made or dict(made[KEY].sources) != wanted)
