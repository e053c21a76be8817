"""The watch sees what it is there to see: without these, zero violations would mean nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import digest_table
from batch_platform.lake.log import live_files
from batch_platform.lake.provenance import METADATA_KEY, Ledger, Provenance
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform_tests.harness.invariants import MAIN, Violated, Watch
from batch_platform_tests.harness.mortal import Death, Moment
from batch_platform_tests.harness.nursery import Past
from batch_platform_tests.harness.world import KEYS, World

KEY = KEYS[0]
pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, random.Random(4))


@pytest.fixture
def scored(world: World) -> Iterator[tuple[World, Watch, Past]]:
    world.settle()
    watch = Watch(world)
    [run] = world.run([world.job(KEYS[:2])])
    yield world, watch, run


def last_commit(world: World) -> Provenance:
    opened = world.table(MAIN).open()
    assert opened is not None
    return Provenance.from_json(opened.history(1)[0][METADATA_KEY])


def commit_instead(world: World, rows: pa.Table, **changes: object) -> None:
    """Let these rows be the first partition, with a record that is as it was but for the digest."""
    table, known = world.table(MAIN), last_commit(world)
    record = replace(
        known.partitions[KEY], digest=digest_table(rows).hex, ledger=Ledger(rows.num_rows, {"scored": rows.num_rows})
    )
    file: DataFile = table.write(KEY, rows)
    provenance = replace(known, partitions={KEY: record}, **changes)  # type: ignore[arg-type]
    replace_partitions(table, rows.schema, {KEY: [file]}, provenance)


def rows_of(world: World) -> pa.Table:
    return world.table(MAIN).read([KEY]).drop_columns([PARTITION_COLUMN])


def test_a_world_in_order_passes(scored: tuple[World, Watch, Past]) -> None:
    _, watch, run = scored
    assert watch.look([run]).committed == {run.job.run_id}
    watch.look()
    assert watch.checked["rows"] > 0


@pytest.mark.parametrize(("what", "found"), [("twice", "committed twice"), ("lost", "committed twice")])
def test_a_second_commit_of_a_run_is_seen(scored: tuple[World, Watch, Past], what: str, found: str) -> None:
    world, watch, run = scored
    rows = rows_of(world)
    commit_instead(world, pa.concat_tables([rows, rows.slice(0, 1)]) if what == "twice" else rows.slice(1))
    with pytest.raises(Violated, match=found):
        watch.look([run])


@pytest.mark.parametrize(
    ("what", "found"), [("twice", "holds a row twice"), ("lost", "lost rows"), ("torn", "clean run")]
)
def test_wrong_rows_are_seen(scored: tuple[World, Watch, Past], what: str, found: str) -> None:
    world, watch, run = scored
    watch.look([run])
    rows = rows_of(world)
    place = rows.schema.get_field_index("chance")
    wrong = {
        "twice": pa.concat_tables([rows, rows.slice(0, 1)]),
        "lost": rows.slice(1),
        "torn": rows.set_column(place, "chance", pa.array([0.125] * rows.num_rows, pa.float32())),
    }[what]
    other = world.job([KEY])
    commit_instead(world, wrong, run_id=other.run_id)
    with pytest.raises(Violated, match=found):
        watch.look([Past(other, None, frozenset(), frozenset())])


def test_strangers_missing_files_and_false_reports_are_seen(scored: tuple[World, Watch, Past]) -> None:
    world, watch, run = scored
    assert isinstance(run.outcome, dict)
    lie = replace(run, outcome={**run.outcome, KEY: ("0" * 32, "")})
    with pytest.raises(Violated, match="which it never was"):
        watch.look([lie])
    with pytest.raises(Violated, match="does not take place"):
        Watch(world).look()
    opened = world.table(MAIN).open()
    assert opened is not None
    (Path(world.table(MAIN).uri) / min(live_files(opened))).unlink()
    with pytest.raises(Violated, match="not there"):
        watch.look()


def test_needless_work_is_seen(scored: tuple[World, Watch, Past]) -> None:
    world, watch, run = scored
    watch.look([run])
    with pytest.raises(Violated, match="again that had receipts"):
        watch.look([replace(run, job=world.job(KEYS[:2]), outcome=None)])


@pytest.mark.parametrize("moment", [moment for moment in Moment if moment is not Moment.ANYWHERE])
def test_runs_die_at_every_moment(world: World, moment: Moment) -> None:
    """Otherwise a moment could cease to exist and nobody would notice."""
    world.settle()
    [run] = world.run([world.job(KEYS[:2], Death(moment, 2 if moment is Moment.MID_COMMIT else 1))])
    assert run.killed
    seen = Watch(world).look([run])
    assert bool(seen.committed) == (moment is Moment.AFTER_COMMIT)
