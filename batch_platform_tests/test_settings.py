"""Settings: defaults under the project, everything overridable, nothing secret kept or shown."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import batch_platform
from batch_platform.errors import ConfigurationError
from batch_platform.lake.table import Table
from batch_platform.settings import SettingError, Settings
from batch_platform_tests.features.tables import DAYS, FLIGHTS, put

NAMES = ["LAKE", "LAKE_OPTIONS", "REGISTRY", "ARTIFACTS", "PROJECT", "DOLLARS_PER_CPU_HOUR"]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(f"BATCH_PLATFORM_{name}", raising=False)


def test_everything_lies_under_the_project_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dbt_like_sql").mkdir()
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    settings = Settings.from_environment()
    assert settings.project == tmp_path
    assert settings.lake.root == str(tmp_path / "local" / "lake")
    assert settings.lake.is_local
    assert settings.registry == f"sqlite:///{tmp_path}/local/mlflow/mlflow.db"
    assert settings.artifacts == str(tmp_path / "local" / "mlflow" / "artifacts")
    assert settings.sql_models == tmp_path / "dbt_like_sql" / "models"
    assert not (tmp_path / "local").exists(), "reading settings creates nothing"


def test_outside_of_any_project_the_checkout_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (Settings.from_environment().project / "batch_platform" / "settings.py").is_file()


def test_the_environment_overrides_each_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PROJECT": str(tmp_path),
        "LAKE": "s3://bucket/prefix",
        "LAKE_OPTIONS": "AWS_ENDPOINT_URL=http://127.0.0.1:9000/?a=b,AWS_ALLOW_HTTP=true",
        "REGISTRY": "http://registry:5000",
        "ARTIFACTS": "s3://bucket/models",
        "DOLLARS_PER_CPU_HOUR": "0.1",
    }.items():
        monkeypatch.setenv(f"BATCH_PLATFORM_{name}", value)
    settings = Settings.from_environment()
    assert settings.project == tmp_path
    assert settings.lake.root == "s3://bucket/prefix"
    assert not settings.lake.is_local
    assert settings.lake.options == {"AWS_ENDPOINT_URL": "http://127.0.0.1:9000/?a=b", "AWS_ALLOW_HTTP": "true"}
    assert (settings.registry, settings.artifacts) == ("http://registry:5000", "s3://bucket/models")
    assert settings.dollars_per_cpu_hour == 0.1


def test_an_empty_variable_counts_as_unset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(tmp_path))
    monkeypatch.setenv("BATCH_PLATFORM_LAKE", "")
    assert Settings.from_environment().lake.root == str(tmp_path / "local" / "lake")


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "aws_access_key_id", "azure_storage_account_key", "password"]
)
def test_a_credential_among_the_options_is_refused_unrepeated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_PLATFORM_LAKE_OPTIONS", f"AWS_REGION=us-east-1,{name}=hunter2")
    with pytest.raises(ConfigurationError, match=name) as caught:
        Settings.from_environment()
    assert "hunter2" not in str(caught.value)


def test_nothing_of_the_options_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCH_PLATFORM_LAKE_OPTIONS", "AWS_ENDPOINT_URL=http://user:hunter2@host")
    assert "hunter2" not in repr(Settings.from_environment())


def test_the_registrys_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry's address may hold a password; the settings' text must not."""
    monkeypatch.setenv("BATCH_PLATFORM_REGISTRY", "postgresql://user:open-sesame@db/mlflow")
    assert "open-sesame" not in repr(Settings.from_environment())


@pytest.mark.parametrize(
    ("name", "value"),
    [("BATCH_PLATFORM_LAKE_OPTIONS", "endpoint"), ("BATCH_PLATFORM_DOLLARS_PER_CPU_HOUR", "cheap")],
)
def test_settings_that_cannot_be_read_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A typing error in the environment is told by the variable's name, not passed over."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        Settings.from_environment()


def test_a_relative_lake_lies_in_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every process of a deployment must mean the same folder, wherever it was started."""
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(tmp_path))
    monkeypatch.setenv("BATCH_PLATFORM_LAKE", "tables")
    assert Settings.from_environment().lake.root == str(tmp_path / "tables")


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%41b", "a\nb"])
@pytest.mark.parametrize("setting", ["LAKE", "PROJECT"])
def test_a_folder_that_would_be_taken_for_another_address_is_refused(
    name: str, setting: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else commits would go where nothing looks for them."""
    monkeypatch.setenv("BATCH_PLATFORM_PROJECT", str(tmp_path))
    monkeypatch.setenv(f"BATCH_PLATFORM_{setting}", str(tmp_path / name))
    with pytest.raises(SettingError, match=r"in its path .choose another folder") as caught:
        Settings.from_environment()
    assert "\n" not in str(caught.value)


def test_a_folder_may_have_any_other_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is committed there is found again."""
    for name in ("two words", "50%", "größe", "[x]{y}", "a&b=c;d", "it's"):
        monkeypatch.setenv("BATCH_PLATFORM_LAKE", str(tmp_path / name))
        lake = Settings.from_environment().lake
        put(lake, FLIGHTS, {DAYS[0]: {"flight": ["AA1"]}})
        assert set(Table(lake, FLIGHTS).records()) == {DAYS[0]}


def test_outside_a_project_nothing_is_written(tmp_path: Path) -> None:
    """Installed as a library and run outside a project, the package must not make its own folder the project."""
    package = tmp_path / "site-packages" / "batch_platform"
    shutil.copytree(Path(batch_platform.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    code = "from batch_platform.settings import Settings; Settings.from_environment()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(package.parent), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "is not inside a project" in done.stderr and "BATCH_PLATFORM_PROJECT" in done.stderr
