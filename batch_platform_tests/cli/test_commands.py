"""`batch-platform score` scores files with any model, and reports what is wrong in one line with its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from batch_platform.cli import main
from batch_platform.cli.demo import _seen_from
from batch_platform.errors import ConfigurationError
from batch_platform.models.artifact import save
from batch_platform_tests.models.registered import Line, registered, settings_in
from batch_platform_tests.predictions.tables import visits

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in a folder with a registry, a model in a folder, and input files."""
    settings = settings_in(tmp_path)
    registered(settings, Line(0.5))
    save(Line(0.25), tmp_path / "folder")
    pq.write_table(visits(3), tmp_path / "in.parquet")
    pacsv.write_csv(visits(3), tmp_path / "in.csv")
    monkeypatch.chdir(tmp_path)
    for name, value in (("REGISTRY", settings.registry), ("PROJECT", str(tmp_path))):
        monkeypatch.setenv(f"BATCH_PLATFORM_{name}", value)

    capsys.readouterr()

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["batch-platform", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
            sys.exit(0)
        said = capsys.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, said.out, said.err

    return run


def scores_of(path: Path) -> list[float]:
    table = pq.read_table(path) if path.suffix == ".parquet" else pacsv.read_csv(path)
    assert table.column_names == ["visit", "distance", "color", "city", "_source_file", "_source_row", "score"]
    return [float(score) for score in table.column("score").to_pylist()]


@pytest.mark.parametrize("source", ["in.parquet", "in.csv"])
@pytest.mark.parametrize("target", ["out.parquet", "out.csv"])
@pytest.mark.parametrize(("model", "slope"), [("visits", 0.5), ("visits@1", 0.5), ("./folder", 0.25)])
def test_files_are_scored(command: Command, tmp_path: Path, source: str, target: str, model: str, slope: float) -> None:
    code, out, err = command("score", model, source, target)
    assert (code, err) == (0, "") and out.startswith("3 rows scored by ") and out.strip().endswith(target)
    assert scores_of(tmp_path / target) == pytest.approx([0.0, slope / 3, slope * 2 / 3])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("visits", "absent.csv", "out.csv"), 3, "absent.csv"),
        (("visits", "lacking.csv", "out.csv"), 6, "'color'"),
        (("visits", "odd.csv", "out.csv"), 3, "far"),
        (("visits", "latin.csv", "out.csv"), 3, "UTF"),
        (("visits", "in.txt", "out.csv"), 2, "in.txt"),
        (("visits", "in.csv", "out.xlsx"), 2, "out.xlsx"),
        (("visits", "in.csv", "absent/out.csv"), 2, "absent"),
        (("visits", "in.csv", "in.csv"), 2, "same file"),
        (("visits", "scored.csv", "out.csv"), 2, "score"),
        (("nobody", "in.csv", "out.csv"), 5, "nobody"),
        (("visits@7", "in.csv", "out.csv"), 5, "version 7"),
        (("./damaged", "in.csv", "out.csv"), 6, "damaged"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    (tmp_path / "lacking.csv").write_text("distance\n1\n")
    (tmp_path / "odd.csv").write_text("distance,color\nfar,red\n")
    (tmp_path / "latin.csv").write_bytes(b"distance,color\n1,r\xe9d\n")
    (tmp_path / "in.txt").write_text("distance,color\n1,red\n")
    (tmp_path / "scored.csv").write_text("distance,color,score\n1,red,1\n")
    (tmp_path / "damaged").mkdir()
    before = sorted(tmp_path.iterdir())
    found, out, err = command("score", *arguments)
    assert (found, out) == (code, "")
    assert err.count("\n") == 1 and words in err and "Traceback" not in err and "Error: " in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_feature_of_the_wrong_type_is_one_line(command: Command, tmp_path: Path) -> None:
    pq.write_table(pa.table({"distance": ["far"] * 60, "color": ["red"] * 60}), tmp_path / "odd.parquet")
    from batch_platform.models.tabular import train
    from batch_platform.models.task import TrainingTask

    rows = pa.table(
        {
            "distance": [index / 120 for index in range(120)],
            "color": ["red", "blue"] * 60,
            "late": [index % 3 == 0 for index in range(120)],
            "day": ["2026-01-01"] * 60 + ["2026-01-02"] * 60,
        }
    )
    options = {"hidden": [4], "epochs": 1}
    save(train(rows, TrainingTask(("distance", "color"), "late", "day", 1, options)), tmp_path / "tabular")
    found, _, err = command("score", "./tabular", "odd.parquet", "out.parquet")
    assert found == 6 and err.count("\n") == 1 and "distance" in err
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "2026-02-30T09:00", "", "now\nthen", "9" * 5000])
def test_a_moment_that_is_none_is_one_line_before_anything_is_loaded(
    command: Command, tmp_path: Path, moment: str
) -> None:
    code, out, err = command("demo", "--now", moment)
    assert (code, out) == (2, "") and err.count("\n") == 1 and len(err) < 200
    assert "is not an ISO time" in err and "2026-03-31T20:00" in err
    assert not (tmp_path / "local").exists()


def test_the_moment_of_a_demonstration_is_explained_with_an_example(command: Command) -> None:
    code, out, _ = command("demo", "--help")
    assert code == 0 and "batch-platform demo --now 2026-03-31T20:00" in " ".join(out.split())


def test_a_moment_counts_in_the_pipelines_time_zone_and_is_not_in_the_future() -> None:
    zone = ZoneInfo("America/New_York")
    assert _seen_from(datetime(2026, 3, 31, 20), zone.key) == datetime(2026, 3, 31, 20, tzinfo=zone)
    assert _seen_from(datetime(2026, 3, 31, 20, tzinfo=UTC), zone.key) == datetime(2026, 3, 31, 16, tzinfo=zone)
    for future in (datetime(9999, 12, 31, 23, 59), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)):
        with pytest.raises(ConfigurationError, match="is in the future"):
            _seen_from(future, zone.key)


def test_wrong_usage_and_help_are_told_without_loading_anything_heavy(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    script = "import sys; from batch_platform.cli import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    for arguments, code, words in ((["--help"], 0, "score"), (["score", "visits"], 2, "Missing argument")):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == code and words in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_home_names_dagsters_home_to_a_shell(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed can be evaluated, and the folder is there with the project's settings in it."""
    (tmp_path / "a project").mkdir()
    (tmp_path / "a project" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(tmp_path / "a project"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    code, out, _ = command("home")
    folder = tmp_path / "a project" / "local" / "dagster"
    assert (code, out) == (0, f"export DAGSTER_HOME='{folder}'\n")
    assert (folder / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
