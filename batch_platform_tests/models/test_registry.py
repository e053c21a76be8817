"""Versions are immutable and registered once, serve by promotion and time, and load with MLflow's own tools."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from batch_platform.errors import ModelError, RegistryError
from batch_platform.lake.store import Lake
from batch_platform.models.artifact import digest_of
from batch_platform.models.registry import Registry
from batch_platform.settings import Settings
from batch_platform.versions import installed_version
from batch_platform_tests.models.registered import EXAMPLE, Line, registered, settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def test_the_same_model_for_the_same_window_is_registered_once(settings: Settings) -> None:
    first = registered(settings, Line(0.5), promote=False)
    again = registered(settings, Line(0.5), promote=False)
    assert (again.number, again.digest, first.number) == ("1", digest_of(Line(0.5)), "1")
    assert registered(settings, Line(0.5), "2026-02-01", promote=False).number == "2"
    assert registered(settings, Line(0.6), promote=False).number == "3"
    found = Registry(settings).versions("visits")
    assert [(v.number, v.window, v.window_start, v.promoted) for v in found] == [
        ("1", "2026-01-01", at("2026-01-01"), False),
        ("2", "2026-02-01", at("2026-02-01"), False),
        ("3", "2026-01-01", at("2026-01-01"), False),
    ]
    assert Registry(settings).metrics(first) == {"brier": 0.1}


def test_as_of_is_the_newest_promoted_version_whose_window_has_begun(settings: Settings) -> None:
    registry = Registry(settings)
    for day, promote in (("2026-01-01", True), ("2026-03-01", True), ("2026-02-01", True), ("2026-04-01", False)):
        registered(settings, Line(0.5), day, promote=promote)

    def serving(moment: datetime) -> str:
        return registry.as_of("visits", moment).window

    instant = timedelta(microseconds=1)
    assert serving(at("2026-01-01")) == "2026-01-01"
    assert serving(at("2026-02-01") - instant) == "2026-01-01"
    assert serving(at("2026-02-01")) == "2026-02-01"
    assert serving(at("2026-03-01")) == "2026-03-01"
    assert serving(at("2026-05-01")) == "2026-03-01"
    with pytest.raises(RegistryError, match="no promoted version of 'visits' serves 2025-12-31"):
        registry.as_of("visits", at("2026-01-01") - instant)


def test_a_window_trained_again_serves_once_it_is_promoted(settings: Settings) -> None:
    registry = Registry(settings)
    registered(settings, Line(0.5))
    again = registered(settings, Line(0.6), promote=False)
    assert registry.as_of("visits", at("2026-01-05")).number == "1"
    registry.promote(again)
    assert registry.as_of("visits", at("2026-01-05")).number == "2"
    assert registry.champion("visits").number == "2"


def test_an_earlier_version_that_is_promoted_again_serves_its_window_again(settings: Settings) -> None:
    registry = Registry(settings)
    first = registered(settings, Line(0.5))
    registered(settings, Line(0.6))
    assert registry.as_of("visits", at("2026-01-05")).number == "2"
    assert registered(settings, Line(0.5)).number == first.number
    assert registry.as_of("visits", at("2026-01-05")).number == registry.champion("visits").number == "1"
    assert [version.promotion for version in registry.versions("visits")] == [3, 2]
    found = registry.serving("visits", at("2026-01-05"), without=first)
    assert found is not None and found.number == "2"


def test_promotions_of_which_no_order_was_recorded_go_by_number(settings: Settings) -> None:
    import mlflow

    registry = Registry(settings)
    client = mlflow.MlflowClient(settings.registry, settings.registry)
    for slope in (0.5, 0.6):
        version = registered(settings, Line(slope), promote=False)
        client.set_model_version_tag("visits", version.number, "promoted", "true")
    assert registry.as_of("visits", at("2026-01-05")).number == "2"
    client.set_model_version_tag("visits", "2", "promoted_at", "yesterday")
    assert registry.as_of("visits", at("2026-01-05")).number == "2"
    registered(settings, Line(0.5))
    assert registry.as_of("visits", at("2026-01-05")).number == "1"


def test_versions_beyond_one_page_are_found(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for slope in (0.5, 0.6, 0.7):
        registered(settings, Line(slope))
    for size in (1, 2, 3):
        monkeypatch.setattr("batch_platform.models.registry_reading.PAGE", size)
        assert [version.number for version in Registry(settings).versions("visits")] == ["1", "2", "3"]
    assert registered(settings, Line(0.5)).number == "1"


def test_another_process_may_create_the_model_and_its_experiment_first(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    look = mlflow.MlflowClient.get_experiment_by_name
    asked = []

    def late(client: mlflow.MlflowClient, name: str) -> object:
        """Sees the experiment that the other process makes only when it looks again."""
        asked.append(name)
        if len(asked) > 1:
            return look(client, name)
        client.create_experiment(name, artifact_location=settings.artifacts)
        client.create_registered_model(name)
        return None

    monkeypatch.setattr(mlflow.MlflowClient, "get_experiment_by_name", late)
    assert registered(settings, Line(0.5)).number == "1"
    assert asked == ["visits", "visits"]


def test_promoting_an_older_window_leaves_the_champion(settings: Settings) -> None:
    registered(settings, Line(0.5), "2026-02-01")
    older = registered(settings, Line(0.5), "2026-01-01")
    assert Registry(settings).champion("visits").number == "1"
    assert Registry(settings).numbered("visits", older.number).promoted


def test_absent_models_versions_and_champions_are_one_line(settings: Settings) -> None:
    registry = Registry(settings)
    registered(settings, Line(0.5), promote=False)
    for ask in (
        lambda: registry.champion("visits"),
        lambda: registry.champion("nobody"),
        lambda: registry.champion("it's"),
        lambda: registry.numbered("visits", "2"),
        lambda: registry.numbered("it's", "1"),
        lambda: registry.as_of("nobody", at("2026-01-01")),
    ):
        with pytest.raises(RegistryError) as caught:
            ask()
        assert "\n" not in str(caught.value) and not caught.value.transient


def test_a_version_loads_with_its_digest_verified(settings: Settings, tmp_path: Path) -> None:
    version = registered(settings, Line(0.5))
    registry = Registry(settings)
    assert digest_of(registry.load(version)) == version.digest
    with pytest.raises(ModelError, match="digest"):
        registry.load(replace(version, digest="f" * 32))
    [tensors] = (tmp_path / "artifacts").rglob("model.safetensors")
    raw = tensors.read_bytes()
    tensors.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(ModelError, match="changed after registration"):
        registry.load(version)
    tensors.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        registry.load(version)


def test_artifacts_may_lie_in_a_folder_of_any_name(settings: Settings, tmp_path: Path) -> None:
    odd = replace(settings, artifacts=str(tmp_path / "my models #1 %20 ä"))
    version = registered(odd, Line(0.5))
    assert digest_of(Registry(odd).load(version)) == version.digest
    assert any((tmp_path / "my models #1 %20 ä").rglob("model.json"))


def test_mlflow_itself_loads_a_version_with_signature_example_and_the_same_scores(settings: Settings) -> None:
    import mlflow

    version = registered(settings, Line(0.5))
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(settings.registry)
    mlflow.set_registry_uri(settings.registry)
    try:
        loaded = mlflow.pyfunc.load_model(f"models:/visits/{version.number}")
        assert list(loaded.input_example.columns) == ["distance", "color"]
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
    assert loaded.metadata.signature.inputs.input_names() == ["distance", "color"]
    rows = pa.table({"distance": pa.array([0.1, None, 3.0]), "color": pa.array([None, "red", "blue"])})
    assert np.array_equal(loaded.predict(rows.to_pandas()), Line(0.5).predict(rows), equal_nan=True)


def test_mlflow_itself_refuses_a_version_whose_files_were_changed(settings: Settings, tmp_path: Path) -> None:
    import mlflow

    registered(settings, Line(0.5))
    [tensors] = (tmp_path / "artifacts").rglob("model.safetensors")
    described = tensors.parents[2]
    assert mlflow.pyfunc.load_model(str(described)).predict(EXAMPLE.to_pandas())[0] == 0.125
    needed = (described / "requirements.txt").read_text().split()
    assert f"batch-platform=={installed_version()}" in needed
    raw = tensors.read_bytes()
    tensors.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(ModelError, match="changed after registration"):
        mlflow.pyfunc.load_model(str(described))


def test_numbers_of_every_type_and_missing_ones_make_an_example(settings: Settings) -> None:
    example = EXAMPLE.append_column("count", pa.array([2**62 + 1, None], pa.int64()))
    example = example.append_column("is_open", pa.array([True, None]))
    version = Registry(settings).register(
        "wide",
        Line(0.5),
        example,
        window="w",
        window_start=at("2026-01-01"),
        metrics={"roc_auc": float("nan")},
        parameters={},
    )
    assert np.isnan(Registry(settings).metrics(version)["roc_auc"])


def test_an_unreachable_server_is_one_passing_error_without_credentials(settings: Settings) -> None:
    address = "http://user:open-sesame@127.0.0.1:9"
    with pytest.raises(RegistryError) as caught:
        Registry(replace(settings, registry=address)).champion("visits")
    assert "127.0.0.1:9" in str(caught.value) and "registry fails" in str(caught.value)
    assert caught.value.transient
    assert "sesame" not in str(caught.value) and "\n" not in str(caught.value)
    assert "sesame" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///{file}/below.db",
        "sqlite:///{folder}",
        "sqlite:///{file}",
        "nonsense://user:open-sesame@host/x",
        "postgresql+nodriver://user:open-sesame@127.0.0.1:9/x",
    ],
)
def test_an_address_that_cannot_be_a_registry_is_one_error(settings: Settings, tmp_path: Path, address: str) -> None:
    (tmp_path / "file").write_text("no database" * 100)
    place = address.format(file=tmp_path / "file", folder=tmp_path)
    with pytest.raises(RegistryError) as caught:
        Registry(replace(settings, registry=place)).versions("visits")
    assert "sesame" not in str(caught.value) and "\n" not in str(caught.value)


def test_pickles_are_refused_by_mlflow(settings: Settings) -> None:
    Registry(settings)
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://127.0.0.1:1/x?user=u&password=S3CRET",
        "postgresql://u:S3CRET",
        "postgresql://u:S3CRET@127.0.0.1:notaport/x",
        "http://127.0.0.1:9?token=S3CRET",
        "https://user:S3CRET@[broken/x",
    ],
)
def test_no_part_of_an_address_that_may_be_a_secret_is_told(tmp_path: Path, address: str) -> None:
    """Wherever a password stands in the address, also in a malformed one, the error names the host at most."""
    settings = Settings(tmp_path, Lake(str(tmp_path / "lake")), address, str(tmp_path / "artifacts"))
    with pytest.raises(RegistryError) as told:
        Registry(settings).versions("flight_delay")
    assert "S3CRET" not in str(told.value)
    assert told.value.__cause__ is None
