"""Every engine keeps the same promises: the same receipts, each shard once, the first error raised, nothing left."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from batch_platform.engines import ENGINES, WorkerKind, engine_named
from batch_platform.engines.base import Engine
from batch_platform.errors import LakeError, ModelError, SourceError, chain
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import ContentDigest, digest_table
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.engines.work import AT_ONCE, Failing, Flaky, Piece, Steps, marks, same, wait_for

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "local threads": ("local", {"kind": WorkerKind.THREADS, "retries": AT_ONCE}),
    "local processes": ("local", {"kind": WorkerKind.PROCESSES, "retries": AT_ONCE}),
}
"""Name -> engine and its options; a new engine is one line here."""


@pytest.fixture(params=sorted(VARIANTS))
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def engine(variant: str) -> Engine:
    return engine_of(variant, workers=2)


def engine_of(variant: str, **options: Any) -> Engine:
    name, given = VARIANTS[variant]
    return engine_named(name, **given, **options)


@dataclass(frozen=True)
class Range:
    """Rows of a table that nobody has to store."""

    first_row: int
    rows: int


@dataclass(frozen=True)
class Squares:
    """Writes one file for each range and hands back what is left to know about it."""

    lake: Lake

    def __call__(self, shard: Range) -> tuple[Range, DataFile, ContentDigest]:
        rows = pa.table({"row": pa.array(range(shard.first_row, shard.first_row + shard.rows), pa.int64())})
        return shard, Table(self.lake, "predictions/squares").write("2026-01-05", rows), digest_table(rows)


RANGES = [Range(first, 9) for first in range(0, 90, 9)] + [Range(90, 3)]


def test_receipts_are_those_of_calling_the_function_on_each_shard_once(engine: Engine, lake: Lake) -> None:
    receipts = sorted(engine.map(Squares(lake), RANGES), key=lambda receipt: receipt[0].first_row)
    assert [shard for shard, _, _ in receipts] == RANGES
    expected = [Squares(lake)(shard) for shard in RANGES]
    assert [digest for _, _, digest in receipts] == [digest for _, _, digest in expected]
    assert [file.rows for _, file, _ in receipts] == [file.rows for _, file, _ in expected]


def test_data_stays_in_files_that_are_there_when_the_receipt_is(engine: Engine, lake: Lake) -> None:
    for shard, file, _ in engine.map(Squares(lake), RANGES):
        written = Table(lake, "predictions/squares").read_files([file], ["row"])
        assert written.column("row").to_pylist() == list(range(shard.first_row, shard.first_row + shard.rows))
    assert Table(lake, "predictions/squares").version() == -1


def test_the_first_error_is_raised_as_it_is_with_what_led_to_it(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        list(engine.map(Failing(Steps(tmp_path), 1, "begun-0"), [0, 1]))
    error = caught.value
    assert (error.what, error.where, error.fix, error.transient) == ("is out of tune", "shard 1", "tune it", False)
    assert str(error) == "shard 1: is out of tune (tune it)"
    assert [type(link) for link in chain(error)] == [ModelError, OSError]


def test_after_an_error_nothing_is_begun_and_what_is_under_way_is_waited_for(engine: Engine, tmp_path: Path) -> None:
    work = Failing(Steps(tmp_path, ((0, 30),)), 1, "begun-0")
    with pytest.raises(ModelError):
        list(engine.map(work, range(1000)))
    assert 0 in marks(tmp_path, "done-")
    assert marks(tmp_path, "begun-") == marks(tmp_path, "done-")
    assert len(marks(tmp_path, "begun-")) < 100
    assert marks(tmp_path, "cancelled-") == set()


def test_no_shards_give_no_receipts(engine: Engine) -> None:
    assert list(engine.map(same, [])) == []


def test_an_engine_can_be_used_again_after_an_error_and_after_an_early_end(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        list(engine.map(Failing(Steps(tmp_path), 1, "begun-0"), [0, 1]))
    unfinished = iter(engine.map(same, range(10)))
    next(unfinished)
    del unfinished
    assert sorted(engine.map(same, range(10))) == list(range(10))


def test_results_come_as_they_finish(engine: Engine, tmp_path: Path) -> None:
    assert list(engine.map(Steps(tmp_path, ((0, 60),)), [0, 1, 2, 3]))[-1] == 0


def test_the_largest_shards_are_begun_first(variant: str) -> None:
    pieces = [Piece("small", 5), Piece("large", 500), Piece("empty", 0), Piece("middle", 50)]
    found = [piece.name for piece in engine_of(variant, workers=1).map(same, pieces)]
    if "threads" in variant:  # results that are there together have no order
        assert set(found[:2]) == {"large", "middle"}
    else:
        assert found == ["large", "middle", "small", "empty"]


def test_idle_workers_take_what_is_left(engine: Engine, tmp_path: Path) -> None:
    results = list(engine.map(Steps(tmp_path, ((0, 100),)), range(40)))
    assert results.index(0) > 20 and sorted(results) == list(range(40))


def test_shards_wait_until_the_consumer_takes_results(engine: Engine, tmp_path: Path) -> None:
    results = iter(engine.map(Steps(tmp_path), range(100)))
    next(results)
    time.sleep(0.5)
    assert len(marks(tmp_path, "begun-")) <= 8
    assert len(list(results)) == 99


@pytest.mark.parametrize("end", ["closed", "consumer fails", "interrupted"])
def test_who_stops_early_stops_workers_within_a_batch(engine: Engine, tmp_path: Path, end: str) -> None:
    long = Steps(tmp_path, tuple((shard, 1_000_000) for shard in range(1, 50)))
    began = time.monotonic()
    if end == "closed":
        results = engine.map(long, range(50))
        next(results)
        wait_for(lambda: len(marks(tmp_path, "begun-")) >= 3)
        results.close()
    else:
        kind = KeyboardInterrupt if end == "interrupted" else ValueError
        with pytest.raises(kind):
            _consume_and_raise(engine, long, tmp_path, kind)
    assert time.monotonic() - began < 30
    assert marks(tmp_path, "done-") == {0}
    begun = marks(tmp_path, "begun-") - {0}
    assert begun == marks(tmp_path, "cancelled-") and 1 <= len(begun) <= 3
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("shard")] == []


def _consume_and_raise(engine: Engine, work: Steps, folder: Path, kind: type[BaseException]) -> None:
    for _ in engine.map(work, range(50)):
        wait_for(lambda: len(marks(folder, "begun-")) >= 3)
        raise kind("enough")


def test_errors_that_may_pass_are_tried_again(engine: Engine, tmp_path: Path) -> None:
    assert sorted(engine.map(Flaky(tmp_path, 2), [0, 1])) == [(0, 3), (1, 3)]


def test_errors_that_may_pass_and_do_not_are_raised_after_three_tries(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="does not answer"):
        list(engine.map(Flaky(tmp_path, 9), [0]))
    assert len(list(tmp_path.glob("try-*"))) == 3


def test_errors_that_stay_are_not_tried_again(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is torn"):
        list(engine.map(Flaky(tmp_path, 9, passing=False), [0]))
    assert len(list(tmp_path.glob("try-*"))) == 1


def test_an_engine_bears_the_name_it_is_asked_for_by() -> None:
    assert {name: engine_named(name).name for name in ENGINES} == {name: name for name in ENGINES}
    assert {name for name, _ in VARIANTS.values()} == set(ENGINES)
