"""Versions that other tools registered are pinned as they are, serve like our own, and run no code unasked."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from batch_platform.cli import cli
from batch_platform.errors import ModelError, RegistryError
from batch_platform.models.adoption import adopt
from batch_platform.models.registry import Registry
from batch_platform.models.registry_address import connected
from batch_platform.models.runtimes.loading import folder_digest, load_runtime
from batch_platform.settings import Settings
from batch_platform_tests.models.registered import Line, registered, settings_in
from batch_platform_tests.models.runtimes.mlflow_models import COLUMNS, saved

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def by_another_tool(settings: Settings, folder: Path, name: str = "delay") -> str:
    """Register a folder as any tool may; returns the version's number."""
    client = connected(settings.registry)
    known = {model.name for model in client.search_registered_models()}
    if name not in known:
        client.create_registered_model(name)
    return str(client.create_model_version(name, folder.as_uri()).version)


def test_an_adopted_version_is_pinned_serves_and_loads(settings: Settings, models: Path) -> None:
    folder = saved("regressor", models)
    number = by_another_tool(settings, folder)
    registry = Registry(settings)
    assert not registry.versions("delay")
    version = adopt(settings, "delay", number, SINCE, allow_code=False)
    assert (version.digest, version.flavor, version.allows_code) == (folder_digest(folder), "sklearn", False)
    assert (version.window, version.window_start, version.promoted) == ("2026-01-01", SINCE, False)
    registry.promote(version)
    assert registry.as_of("delay", SINCE).number == registry.champion("delay").number == number
    source = registry.source(registry.numbered("delay", number))
    assert source.folder == folder
    assert load_runtime(source, 64, "cpu").features == COLUMNS


def test_a_model_logged_by_mlflow_itself_can_be_adopted(settings: Settings, tmp_path: Path) -> None:
    import mlflow
    from sklearn.linear_model import LinearRegression

    from batch_platform_tests.models.runtimes.mlflow_models import rows

    model = LinearRegression().fit(rows(50), rows(50).delay)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(settings.registry)
    try:
        mlflow.create_experiment("theirs", (tmp_path / "theirs").as_uri())
        with mlflow.start_run(experiment_id=mlflow.get_experiment_by_name("theirs").experiment_id):
            mlflow.sklearn.log_model(
                model, name="model", registered_model_name="theirs", input_example=rows(3), pip_requirements=[]
            )
    finally:
        mlflow.set_tracking_uri(before)
    version = adopt(settings, "theirs", "1", None, allow_code=False)
    assert load_runtime(Registry(settings).source(version), 64, "cpu").features == COLUMNS


def test_without_a_start_it_serves_from_when_it_was_registered(settings: Settings, models: Path) -> None:
    before = datetime.now(UTC)
    number = by_another_tool(settings, saved("regressor", models))
    version = adopt(settings, "delay", number, None, allow_code=False)
    assert abs((version.window_start - before).total_seconds()) < 60


def test_adopting_again_changes_nothing_and_otherwise_is_refused(
    settings: Settings, models: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(saved("regressor", models), tmp_path / "copy")
    number = by_another_tool(settings, folder)
    version = adopt(settings, "delay", number, SINCE, allow_code=False)
    Registry(settings).promote(version)
    assert adopt(settings, "delay", number, SINCE, allow_code=False).promoted
    assert adopt(settings, "delay", number, None, allow_code=False).window_start == SINCE
    with pytest.raises(RegistryError, match="was adopted with serving_window_start 2026-01-01"):
        adopt(settings, "delay", number, datetime(2026, 2, 1, tzinfo=UTC), allow_code=False)
    (folder / "requirements.txt").write_text("numpy")
    with pytest.raises(RegistryError, match=f"was adopted with digest {version.digest}"):
        adopt(settings, "delay", number, SINCE, allow_code=False)
    with pytest.raises(ModelError, match="the artifact's digest is"):
        load_runtime(Registry(settings).source(version), 64, "cpu")


def test_a_pickle_is_refused_by_name_unless_it_is_allowed(settings: Settings, models: Path) -> None:
    number = by_another_tool(settings, saved("forest", models))
    with pytest.raises(ModelError, match=r"loading delay version 1 executes code: model\.pkl .*--allow-pickle"):
        adopt(settings, "delay", number, SINCE, allow_code=False)
    assert not Registry(settings).versions("delay")
    version = adopt(settings, "delay", number, SINCE, allow_code=True)
    assert version.allows_code
    assert load_runtime(Registry(settings).source(version), 64, "cpu").holds_lock


def test_consent_is_recorded_only_where_it_was_needed(settings: Settings, models: Path) -> None:
    number = by_another_tool(settings, saved("regressor", models))
    assert not adopt(settings, "delay", number, SINCE, allow_code=True).allows_code


def test_what_cannot_be_adopted_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="'delay' has no version 7 in the registry"):
        adopt(settings, "delay", "7", SINCE, allow_code=False)
    registered(settings, Line(0.5))
    with pytest.raises(RegistryError, match="was registered by the platform"):
        adopt(settings, "visits", "1", SINCE, allow_code=False)
    (tmp_path / "empty").mkdir()
    number = by_another_tool(settings, tmp_path / "empty")
    with pytest.raises(ModelError, match="this is no MLflow model that Python can load"):
        adopt(settings, "delay", number, SINCE, allow_code=False)


def test_the_platforms_own_code_says_how_an_adopted_version_is_used(settings: Settings, models: Path) -> None:
    version = adopt(settings, "delay", by_another_tool(settings, saved("regressor", models)), SINCE, allow_code=False)
    with pytest.raises(ModelError, match="is a model of MLflow's flavour sklearn"):
        Registry(settings).load(version)


def test_the_commands_adopt_list_and_promote(settings: Settings, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Settings, "from_environment", classmethod(lambda cls: settings))

    def told(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["model", *arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    assert "no version was registered or adopted" in told("list", "delay")
    folder = saved("forest", models)
    for _ in range(2):
        by_another_tool(settings, folder)
    digest = folder_digest(folder)[:12]
    arguments = ["adopt", "delay", "1", "--from", "2026-01-01", "--allow-pickle", "--promote"]
    assert told(*arguments) == (
        f"delay version 1 (sklearn) is pinned to {digest} and serves from 2026-01-01 00:00 UTC on\n"
    )
    told("adopt", "delay", "2", "--from", "2026-01-02T12:00:00", "--allow-pickle")
    assert told("promote", "delay", "2") == "delay version 2 serves from 2026-01-02 12:00 UTC on\n"
    assert told("list", "delay").splitlines() == [
        f"   1  from 2026-01-01 00:00 UTC  {digest}  sklearn  promoted, may execute code",
        f"   2  from 2026-01-02 12:00 UTC  {digest}  sklearn  promoted, champion, may execute code",
    ]


def test_a_model_that_brings_compiled_python_is_refused_until_it_is_gone(
    settings: Settings, models: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(saved("forest", models), tmp_path / "copy")
    compiled = folder / "code" / "__pycache__" / "delays.cpython-312.pyc"
    compiled.parent.mkdir(parents=True)
    compiled.write_bytes(b"planted")
    number = by_another_tool(settings, folder)
    with pytest.raises(ModelError, match=r"holds compiled Python .*delete its __pycache__ folders") as caught:
        adopt(settings, "delay", number, SINCE, allow_code=True)
    assert str(compiled) in str(caught.value) or compiled.name in str(caught.value)
    assert not Registry(settings).versions("delay")
    shutil.rmtree(compiled.parent)
    assert adopt(settings, "delay", number, SINCE, allow_code=True).digest == folder_digest(folder)
