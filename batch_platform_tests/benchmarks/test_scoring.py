"""The scoring benchmark itself: it measures what it says, and notices contenders that do not do the same work."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from batch_platform_tests.benchmarks import scoring
from batch_platform_tests.benchmarks.scoring_parts import contender
from batch_platform_tests.benchmarks.scoring_parts.comparison import Scores, read_scores, refuse_unless_equal
from batch_platform_tests.benchmarks.scoring_parts.contender import SCORE, contender_named
from batch_platform_tests.benchmarks.scoring_parts.data import drawn
from batch_platform_tests.benchmarks.scoring_parts.floor import shares
from batch_platform_tests.benchmarks.scoring_parts.job import KEY
from batch_platform_tests.benchmarks.scoring_parts.measure import Usage
from batch_platform_tests.benchmarks.scoring_parts.processes import Watch, family
from batch_platform_tests.benchmarks.scoring_parts.report import HEADING, Report


def scores(*values: float) -> Scores:
    return Scores(np.arange(len(values), dtype=np.int64), np.array(values, np.float32))


@pytest.mark.slow
def test_a_small_run_measures_the_floor_and_the_governed_path_on_equal_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, document = tmp_path / "work", tmp_path / "benchmarks.md"
    sizes = ["--rows", "200000", "--sample", "5000", "--rounds", "1"]
    [used] = scoring.main([*sizes, "--folder", str(folder), "--document", str(document), "floor", "governed"])
    assert set(used) == {"floor", "governed"}
    for usage in used.values():
        assert 0 < usage.cpu_seconds < usage.whole_cpu_seconds and usage.seconds < usage.whole_seconds
        assert 50 < usage.megabytes < 1000
    phases = used["floor"].phases
    assert set(phases) == {"decode", "model", "write"} and sum(phases.values()) < used["floor"].cpu_seconds
    shown = capsys.readouterr().out
    assert "largest difference of a score 0" in shown and "floor, by hand" in document.read_text("utf-8")
    written = read_scores(sorted((folder / "scores/floor").glob("*.parquet")))
    assert len(np.unique(written.keys)) == 200_000 and written.values.std() > 0.01


@pytest.mark.slow
def test_memory_is_drawn_for_every_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "images" / "memory.png"
    scoring.main(["--memory", "70000", "140000", "--sample", "5000", "--picture", str(picture)])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "70,000 rows" in (shown := capsys.readouterr().out) and "140,000 rows" in shown


@pytest.mark.parametrize(
    ("found", "to_the_bit"),
    [
        (scores(0.5), False),
        (replace(scores(0.5, 0.25), keys=np.array([0, 2])), False),
        (scores(0.5, 0.2501), False),
        (scores(0.5, float("nan")), False),
        (scores(0.5, np.nextafter(np.float32(0.25), np.float32(1))), True),
    ],
)
def test_other_rows_or_other_scores_are_noticed(found: Scores, to_the_bit: bool) -> None:
    with pytest.raises(ValueError, match="peer"):
        refuse_unless_equal(scores(0.5, 0.25), found, "peer", to_the_bit=to_the_bit)


def test_scores_within_the_tolerance_are_equal_enough() -> None:
    assert refuse_unless_equal(scores(0.5, 0.25), scores(0.5, 0.250005), "peer") == pytest.approx(5e-6, rel=0.01)
    assert refuse_unless_equal(scores(), scores(), "peer", to_the_bit=True) == 0


def test_scores_are_read_in_the_order_of_their_keys(tmp_path: Path) -> None:
    for number, keys in enumerate(([4, 1], [3, 2])):
        values = pa.array([key / 10 for key in keys], pa.float32())
        pq.write_table(pa.table({KEY: pa.array(keys), SCORE: values}), tmp_path / f"{number}.parquet")
    found = read_scores(sorted(tmp_path.iterdir()))
    assert found.keys.tolist() == [1, 2, 3, 4] and found.values.argsort().tolist() == [0, 1, 2, 3]


def test_rows_are_drawn_alike_with_sorted_keys_across_blocks() -> None:
    first, second = drawn(0, 500), drawn(500, 500)
    assert first.equals(drawn(0, 500)) and not first.equals(drawn(0, 500, seed=1))
    keys = np.concatenate([first.column(KEY), second.column(KEY)])
    assert (np.diff(keys) > 0).all()
    assert first.column("store").null_count and first.column("number_3").null_count


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_every_row_group_has_one_worker(count: int) -> None:
    groups = [("file", index) for index in range(count)]
    parts = shares(groups, 2)
    assert [group for part in parts for group in part] == groups
    assert all(parts) and len(parts) == min(count, 2)


def test_a_contender_without_its_library_is_said_to_be_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = replace(contender_named("dask"), libraries=("no_such_library",))
    monkeypatch.setattr(scoring, "contender_named", lambda name: lacking if name == "dask" else contender_named(name))
    assert scoring.installed(["floor", "dask"], Console()) == ["floor"]
    assert "Dask threads: skipped, no_such_library is not installed" in capsys.readouterr().out


def test_every_contender_can_be_named_without_its_library() -> None:
    assert {contender_named(name).title for name in contender.NAMES} >= {"governed path", "Ray Data", "pandas loop"}


def test_processes_of_a_session_are_found_and_none_is_left() -> None:
    script = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print()"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    with Watch(process.pid, grace=1.0) as watch:
        process.stdout.read(1)
        process.wait()
        [orphan] = [pid for pid in family(process.pid) if pid != process.pid]
        while orphan not in watch.seen:
            time.sleep(0.01)
        assert orphan in watch.left()
    process.stdout.close()
    assert watch.left() == []


def test_the_report_replaces_its_own_section_only(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"# All\n\n## First\nkept\n\n{HEADING}\noutdated\n\n## Scoring peers\nkept, too\n", "utf-8")
    rounds = [{"floor": Usage(1.0, 2.0, 1.5, 2.5, 200.0), "governed": Usage(1.1, 2.2, 1.6, 2.6, 300.0)}]
    report = Report(1_000_000, rounds)
    report.write(document)
    once = document.read_text("utf-8")
    assert "outdated" not in once
    assert once.index("kept\n") < once.index(HEADING) < once.index("## Scoring peers\nkept, too")
    assert "| CPU-seconds, governed path / floor, by hand | 1.10 | ≤ 1.2 | yes |" in once
    report.write(document)
    assert document.read_text("utf-8") == once
