"""A version serves once its gate passes and it is proved to reload; the same inputs give the same version once."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from batch_platform.errors import BatchPlatformError, ContractError, ModelError, RegistryError
from batch_platform.models.definition import Label, ModelDefinition
from batch_platform.models.gate import Threshold
from batch_platform.models.registry import Registry
from batch_platform.models.runtimes.tabular import FoldedTabular
from batch_platform.models.task import TrainingTask
from batch_platform.models.training import MODEL, TrainedVersion, train_version
from batch_platform.outcomes import Run
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform.versions import installed_version, running_commit
from batch_platform_tests.models.outcomes import ROWS, commit_days, definition_of, label_of
from batch_platform_tests.models.registered import Line, settings_in

WINDOW, NEXT = "2026-02-01", "2026-02-08"
TOLERANT = (Threshold("brier", gain_over_champion=-1.0),)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def trained_version(definition: ModelDefinition, settings: Settings, key: str) -> TrainedVersion:
    return train_version(definition, settings, key, Run("r-1", "local"), Meter(0.04))


class Unsteady(Line):
    """Read back, it gives other scores in spite of an unchanged artifact."""

    @classmethod
    def from_parts(cls, tensors: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
        return Line(float(tensors["slope"]) / 2, tuple(config["features"]))


class Broken(Line):
    """Cannot predict."""

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        raise ZeroDivisionError("no rows to divide by\nat all")


class Worded(Line):
    """Gives words for scores."""

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        return np.array(["high"] * batch.num_rows)


class Table(Line):
    """Gives two scores for a row."""

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        return np.zeros((batch.num_rows, 2))


class Folded(Line):
    """Scores prediction tables by a form of its own, which is off by its shift in the first row of a batch."""

    shift: float = 1e-3

    def runtime(self, batch_rows: int, device: str) -> Any:
        return self

    def score(self, batch: pa.RecordBatch) -> Any:
        return self.predict(batch) + self.shift * (np.arange(batch.num_rows) == 0)


class Near(Folded):
    """Is off by less than what another order of sums explains."""

    shift = 5e-6


class Short(Folded):
    """Loses the last row of a batch."""

    def score(self, batch: pa.RecordBatch) -> Any:
        return self.predict(batch)[:-1]


class Raising(Folded):
    """Cannot score a batch."""

    def score(self, batch: pa.RecordBatch) -> Any:
        raise IndexError("no such level\nat all")


def folded(rows: pa.Table, task: TrainingTask) -> Line:
    return Folded(0.5, task.features)


def near(rows: pa.Table, task: TrainingTask) -> Line:
    return Near(0.5, task.features)


def short(rows: pa.Table, task: TrainingTask) -> Line:
    return Short(0.5, task.features)


def raising(rows: pa.Table, task: TrainingTask) -> Line:
    return Raising(0.5, task.features)


def unsteady(rows: pa.Table, task: TrainingTask) -> Line:
    return Unsteady(0.5, task.features)


def broken(rows: pa.Table, task: TrainingTask) -> Line:
    return Broken(0.5, task.features)


def worded(rows: pa.Table, task: TrainingTask) -> Line:
    return Worded(0.5, task.features)


def two_columns(rows: pa.Table, task: TrainingTask) -> Line:
    return Table(0.5, task.features)


def nothing(rows: pa.Table, task: TrainingTask) -> None:
    return None


def line(rows: pa.Table, task: TrainingTask) -> Line:
    return Line(float(str(task.options.get("slope", 0.5))), task.features)


def named(trainer: str) -> str:
    return f"{__name__}:{trainer}"


def test_missing_partitions_are_named(settings: Settings) -> None:
    with pytest.raises(ContractError, match=r"19 partitions of features/visit_features .* 2026-01-04 to 2026-01-22"):
        trained_version(definition_of(), settings, WINDOW)
    commit_days(settings.lake, first="2026-01-06")
    with pytest.raises(ContractError, match=r"2 partitions of features/visit_features .* 2026-01-04 to 2026-01-05"):
        trained_version(definition_of(), settings, WINDOW)
    assert not Registry(settings).versions("visits")


def test_training_again_gives_the_same_version_which_serves_and_reloads(settings: Settings) -> None:
    commit_days(settings.lake)
    trained = trained_version(definition_of(gate=(Threshold("roc_auc", at_least=0.6),)), settings, WINDOW)
    again = trained_version(definition_of(gate=(Threshold("roc_auc", at_least=0.6),)), settings, WINDOW)
    assert (again.version.number, again.version.digest) == ("1", trained.version.digest)
    assert trained.verdict.passed and trained.reloaded and trained.champion is None
    assert trained.training_rows == 19 * ROWS and trained.qualities[MODEL].rows == 5 * ROWS
    registry = Registry(settings)
    [version] = registry.versions("visits")
    assert version.promoted and registry.champion("visits").number == "1"
    assert registry.metrics(version)["brier"] == pytest.approx(trained.qualities[MODEL].brier)
    other = trained_version(definition_of(seed=8), settings, WINDOW)
    assert (other.version.number, other.version.digest != version.digest) == ("2", True)


def test_a_failing_gate_leaves_the_earlier_version_serving(settings: Settings) -> None:
    commit_days(settings.lake)
    first = trained_version(definition_of(), settings, WINDOW)
    impossible = (Threshold("brier", gain_over_champion=0.9),)
    second = trained_version(definition_of(gate=impossible), settings, NEXT)
    assert second.champion is not None and second.champion.number == first.version.number
    assert not second.verdict.passed and "over the champion" in second.verdict.comparisons[0]
    registry = Registry(settings)
    assert registry.champion("visits").number == first.version.number
    moment = definition_of().calendar.start_of(NEXT) + timedelta(days=1)
    assert registry.as_of("visits", moment).number == first.version.number
    tolerant = (Threshold("brier", gain_over_champion=-1.0),)
    assert trained_version(definition_of(gate=tolerant), settings, NEXT).verdict.passed
    assert registry.champion("visits").number == second.version.number
    # An older window is compared with what serves it, never with a version that comes after it.
    older = trained_version(definition_of(gate=impossible, seed=9), settings, WINDOW)
    assert older.champion is not None and older.champion.number == first.version.number


def test_a_holdout_of_one_class_has_no_area_and_fails_a_gate_on_it(settings: Settings) -> None:
    commit_days(settings.lake, days=21)
    commit_days(settings.lake, first="2026-01-25", days=7, minutes=lambda rows: [5] * rows.num_rows)
    trained = trained_version(definition_of(gate=(Threshold("roc_auc", at_least=0.0),)), settings, WINDOW)
    assert trained.qualities[MODEL].roc_auc is None and not trained.verdict.passed
    assert math.isnan(Registry(settings).metrics(trained.version)["roc_auc"])


@pytest.mark.parametrize(
    ("minutes", "label", "message"),
    [
        (lambda rows: [5] * rows.num_rows, label_of("1d"), "same label"),
        (lambda rows: [None] * rows.num_rows, label_of("1d"), "no labelled rows"),
        (None, label_of("30d"), "no labelled rows"),
        (None, replace(label_of("1d"), sql="minutes"), "0 and 1"),
    ],
)
def test_nothing_to_learn_from_is_a_clear_error(settings: Settings, minutes: Any, label: Label, message: str) -> None:
    commit_days(settings.lake, minutes=minutes)
    with pytest.raises(BatchPlatformError, match=message):
        trained_version(definition_of(label=label), settings, WINDOW)
    assert not Registry(settings).versions("visits")


def test_a_label_that_is_unknown_in_the_holdout_alone_is_refused(settings: Settings) -> None:
    commit_days(settings.lake, days=21)
    gaps = np.array([None, 30, 5] * 8, object)
    commit_days(settings.lake, first="2026-01-25", days=7, minutes=lambda rows: gaps)
    with pytest.raises(ModelError, match="null"):
        trained_version(definition_of(label=replace(label_of("1d"), exclude="false")), settings, WINDOW)
    assert not Registry(settings).versions("visits")


def _damage(settings: Settings, number: str) -> None:
    """Change one bit of a version's tensors."""
    registry = Registry(settings)
    version = registry.numbered("visits", number)
    for path in Path(settings.artifacts).rglob("model.safetensors"):
        raw = path.read_bytes()
        path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
        try:
            registry.load(version)
        except ModelError:
            return
        path.write_bytes(raw)
    raise AssertionError(f"version {number} has no tensors")


def test_a_version_that_does_not_reload_is_registered_but_does_not_serve(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_days(settings.lake)
    first = trained_version(definition_of(), settings, WINDOW)
    register = Registry.register

    def damaging(registry: Registry, *given: Any, **named: Any) -> Any:
        version = register(registry, *given, **named)
        _damage(settings, version.number)
        return version

    with monkeypatch.context() as patch:
        patch.setattr(Registry, "register", damaging)
        second = trained_version(definition_of(gate=TOLERANT), settings, NEXT)
    assert second.verdict.passed and not second.reloaded and not second.promoted
    assert "changed after registration" in second.unlike and "\n" not in second.unlike
    registry = Registry(settings)
    assert registry.champion("visits").number == first.version.number
    assert [version.promoted for version in registry.versions("visits")] == [True, False]
    [kept] = [v for v in registry.versions("visits") if v.window == NEXT]
    assert registry.metrics(kept)["brier"] == pytest.approx(second.qualities[MODEL].brier)


def test_other_scores_after_reading_back_keep_a_version_from_serving(settings: Settings) -> None:
    commit_days(settings.lake)
    trained = trained_version(definition_of(trainer=named("unsteady"), options={}), settings, WINDOW)
    assert not trained.reloaded and not trained.promoted
    assert trained.unlike == f"{5 * ROWS} of {5 * ROWS} scores differ once it is read back"
    assert not Registry(settings).versions("visits")[0].promoted


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ("folded", rf"[1-9]\d* of {5 * ROWS} scores differ by up to 1.0e-03 where prediction tables are scored"),
        ("short", r"scores of shape \(\d+,\) for \d+ rows"),
        ("raising", "its runtime cannot score: no such level"),
    ],
)
def test_other_scores_in_prediction_tables_keep_a_version_from_serving(
    settings: Settings, trainer: str, message: str
) -> None:
    commit_days(settings.lake)
    trained = trained_version(definition_of(trainer=named(trainer), options={}), settings, WINDOW)
    assert not trained.reloaded and not trained.promoted
    assert re.search(message, trained.unlike) and "\n" not in trained.unlike
    assert not Registry(settings).versions("visits")[0].promoted


def test_scores_in_prediction_tables_may_round_in_another_order(settings: Settings) -> None:
    commit_days(settings.lake)
    trained = trained_version(definition_of(trainer=named("near"), options={}), settings, WINDOW)
    assert trained.reloaded and trained.promoted


def test_a_built_in_model_whose_folded_form_is_wrong_does_not_serve(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_days(settings.lake)
    score = FoldedTabular.score
    monkeypatch.setattr(FoldedTabular, "score", lambda runtime, batch: score(runtime, batch) + np.float32(2e-5))
    trained = trained_version(definition_of(), settings, WINDOW)
    assert not trained.promoted
    assert "differ by up to 2.0e-05 where prediction tables are scored" in trained.unlike


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ("broken", "cannot predict: no rows to divide by"),
        ("worded", "cannot predict: could not convert"),
        ("two_columns", r"scores of shape \(120, 2\) for 120 rows"),
        ("nothing", "cannot predict"),
    ],
)
def test_a_model_of_ones_own_that_fails_is_one_line(settings: Settings, trainer: str, message: str) -> None:
    commit_days(settings.lake)
    with pytest.raises(ModelError, match=message) as caught:
        trained_version(definition_of(trainer=named(trainer), options={}), settings, WINDOW)
    assert "models/visits[2026-02-01]" in str(caught.value) and "\n" not in str(caught.value)
    assert not Registry(settings).versions("visits")


def test_a_window_trained_again_is_compared_with_the_version_that_would_go_on_serving_it(settings: Settings) -> None:
    commit_days(settings.lake)
    first = trained_version(definition_of(), settings, WINDOW)
    impossible = (Threshold("brier", gain_over_champion=0.9),)
    again = trained_version(definition_of(gate=impossible, seed=8), settings, WINDOW)
    assert again.champion is not None and again.champion.number == first.version.number
    assert not again.verdict.passed and not again.promoted
    assert Registry(settings).champion("visits").number == first.version.number
    # The same version again would compete with itself: without it there is none.
    assert trained_version(definition_of(gate=impossible), settings, WINDOW).champion is None


def test_a_rival_that_cannot_be_read_is_an_error_and_no_gate_without_it(settings: Settings) -> None:
    commit_days(settings.lake)
    first = trained_version(definition_of(), settings, WINDOW)
    _damage(settings, first.version.number)
    with pytest.raises(ModelError, match=r"the gate cannot compare .* digest") as caught:
        trained_version(definition_of(gate=TOLERANT), settings, NEXT)
    assert "models/visits version 1" in str(caught.value) and "promoted" in str(caught.value)
    assert not Registry(settings).versions("visits")[1].promoted
    # Nothing is compared with it where the gate asks for no gain.
    assert trained_version(definition_of(gate=(Threshold("brier", at_most=1.0),)), settings, NEXT).promoted


def test_a_rival_whose_features_are_no_more_is_no_rival(settings: Settings) -> None:
    commit_days(settings.lake)
    trained_version(definition_of(), settings, WINDOW)
    impossible = (Threshold("brier", gain_over_champion=0.9),)
    trained = trained_version(definition_of(gate=impossible, columns=("distance",)), settings, NEXT)
    assert trained.champion is not None and trained.promoted and trained.verdict.comparisons == ()


def test_corrected_data_that_reproduce_an_earlier_version_make_it_serve_again(settings: Settings) -> None:
    commit_days(settings.lake)
    slopes = [trained_version(_lines(slope), settings, WINDOW).version.number for slope in (0.5, 0.6, 0.5)]
    assert slopes == ["1", "2", "1"]
    registry = Registry(settings)
    moment = definition_of().calendar.start_of(WINDOW)
    assert registry.as_of("visits", moment).number == registry.champion("visits").number == "1"


def _lines(slope: float) -> ModelDefinition:
    return definition_of(trainer=named("line"), options={"slope": slope})


def test_a_version_names_everything_it_was_made_from(settings: Settings) -> None:
    commit_days(settings.lake)
    trained = trained_version(_lines(0.5), settings, WINDOW)
    told = Registry(settings).parameters(trained.version)
    assert told == trained.parameters
    expected = {
        "run_id": "r-1",
        "engine": "local",
        "package_version": installed_version(),
        "git_commit": running_commit(),
        "torch_version": str(torch.__version__),
        "options": '{"slope": 0.5}',
        "label": "minutes > 15",
        "label_exclude": "minutes IS NULL",
        "sql_digest features.visit_features": "s",
        "training_window": "2026-01-04 to 2026-01-22",
        "seed": "7",
    }
    assert {name: told[name] for name in expected} == expected
    assert re.fullmatch(r"version \d+, digest [0-9a-f]{32}", told["input snapshots.visits"])
    assert float(told["seconds"]) > 0 and float(told["cost_dollars"]) >= 0


def test_an_artifact_store_that_is_gone_leaves_the_champion(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_days(settings.lake)
    register = Registry.register

    def losing(registry: Registry, *given: Any, **named: Any) -> Any:
        version = register(registry, *given, **named)
        shutil.rmtree(settings.artifacts)
        return version

    monkeypatch.setattr(Registry, "register", losing)
    trained = trained_version(_lines(0.5), settings, WINDOW)
    assert "cannot be read" in trained.unlike and not trained.promoted
    with pytest.raises(RegistryError, match="no champion"):
        Registry(settings).champion("visits")
