"""The limits of SQL: what the machine has, what the settings say, and a spill folder that is gone afterwards."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from batch_platform import resources as module
from batch_platform.errors import ConfigurationError
from batch_platform.resources import LEAST_MEMORY, Resources, machine_memory
from batch_platform.settings import Settings
from batch_platform.sql.walls import walled


def test_a_container_has_what_its_limit_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(module, "_CGROUPS", (tmp_path / "absent", limit))
    limit.write_text("max\n")
    whole = machine_memory()
    limit.write_text("1000000000\n")
    assert machine_memory() == 10**9 < whole and Resources().memory_bytes == 6 * 10**8
    limit.write_text("1000\n")
    assert Resources().memory_bytes == LEAST_MEMORY


def test_a_query_obeys_the_limits(tmp_path: Path) -> None:
    limits = Resources(2 * 10**9, tmp_path, 1)
    with limits.spilling() as folder, walled(spill=folder, **limits.settings) as connection:
        found = connection.execute(
            "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('temp_directory')"
        ).fetchall()
        assert found == [("1.8 GiB", 1, str(folder))] and folder.is_dir()
        with pytest.raises(duckdb.Error, match="locked"):
            connection.execute("SET memory_limit = '8GB'")
        with pytest.raises(duckdb.Error):
            connection.execute("SET temp_directory = '/'")
    assert not list(tmp_path.iterdir())


def test_a_spill_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigurationError, match="no folder for spilled rows"),
        Resources(spill=tmp_path / "file").spilling(),
    ):
        pass


def test_only_the_files_that_are_named_can_be_opened(tmp_path: Path) -> None:
    mine, other = tmp_path / "it's mine.parquet", tmp_path / "other.parquet"
    for file in (mine, other):
        duckdb.execute(f"COPY (SELECT 1 AS a) TO '{str(file).replace(chr(39), chr(39) * 2)}'")
    with walled(files=[mine]) as connection:
        assert connection.execute("FROM read_parquet(?)", [str(mine)]).fetchall() == [(1,)]
        for text in (
            f"FROM '{other}'",
            f"FROM glob('{tmp_path}/*')",
            f"COPY (SELECT 1) TO '{tmp_path}/new'",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(text).fetchall()
        with pytest.raises(duckdb.Error):
            connection.execute(f"SET allowed_paths = ['{other}']")


@pytest.mark.parametrize(("text", "found"), [("4GB", 4 * 10**9), ("512 MiB", 2**29), ("1.5GB", 15 * 10**8), ("", None)])
def test_the_settings_say_the_limits(monkeypatch: pytest.MonkeyPatch, text: str, found: int | None) -> None:
    monkeypatch.setenv("BATCH_PLATFORM_SQL_MEMORY", text)
    monkeypatch.setenv("BATCH_PLATFORM_SQL_THREADS", "3")
    monkeypatch.setenv("BATCH_PLATFORM_SQL_SPILL", "/elsewhere")
    assert Settings.from_environment().resources == Resources(found, Path("/elsewhere"), 3)


def test_rows_spill_under_the_project_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MEMORY", "THREADS", "SPILL"):
        monkeypatch.delenv(f"BATCH_PLATFORM_SQL_{name}", raising=False)
    settings = Settings.from_environment()
    assert settings.resources == Resources(None, settings.project / "local" / "spill", None)


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name in ("MEMORY", "THREADS") for text in ("much", "0", "-1", "1e9", "٤GB", "4 parsecs")]
    + [("MEMORY", "4"), ("MEMORY", "1MB"), ("THREADS", "1.5")],
)
def test_a_limit_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(f"BATCH_PLATFORM_SQL_{name}", text)
    with pytest.raises(ConfigurationError, match=f"BATCH_PLATFORM_SQL_{name} is "):
        Settings.from_environment()
