"""The outcome of each trained window: version, figures beside baselines, checks; one failure stops no other."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batch_platform.errors import ContractError, PartitionKeyError, RegistryError
from batch_platform.models.definition import CHECKS
from batch_platform.models.gate import Threshold
from batch_platform.models.quality import Quality
from batch_platform.models.registry import Registry
from batch_platform.models.report import figures, train_versions
from batch_platform.outcomes import Markdown, Run
from batch_platform.versions import installed_version
from batch_platform_tests.models.outcomes import ROWS, commit_days, definition_of
from batch_platform_tests.models.registered import settings_in

RUN = Run("r-1", "local")


def test_each_window_has_an_outcome_and_one_failure_stops_no_other(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    commit_days(settings.lake, days=28)
    definition = definition_of(gate=(Threshold("roc_auc", at_least=1.1),))
    outcomes = train_versions(definition, settings, ["2026-02-08", "2026-02-02", "2026-02-01"], RUN)
    assert [outcome.key for outcome in outcomes] == ["2026-02-01", "2026-02-02", "2026-02-08"]
    good, odd, missing = outcomes
    assert isinstance(odd.error, PartitionKeyError) and isinstance(missing.error, ContractError)
    assert good.error is None
    [version] = Registry(settings).versions("visits")
    assert (good.digest, good.rows, good.metadata["version"]) == (version.digest, 19 * ROWS, "1")
    assert good.metadata["promoted"] is False and not version.promoted
    assert (good.metadata["engine"], good.metadata["package_version"]) == ("local", installed_version())
    assert {"seconds", "cost_dollars", "git_commit"} <= set(good.metadata)
    assert good.metadata["earlier_champion"] == "none before this one"
    assert good.metadata["trained_on"] == "2026-01-04 to 2026-01-22, 456 rows"
    assert good.metadata["evaluated_on"] == "2026-01-25 to 2026-01-29"
    assert {check.name: check.passed for check in good.checks} == {"reloads": True, "gate": False}
    assert [check.name for check in good.checks] == list(CHECKS)
    quality, picture = good.metadata["quality"], good.metadata["calibration"]
    assert isinstance(quality, Markdown) and isinstance(picture, Markdown)
    lines = quality.text.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| this version", "| logistic regression", "| base rate"]
    assert all(line.count("|") == 6 for line in lines)
    assert "data:image/png;base64," in picture.text


def test_a_registry_out_of_reach_fails_the_run_so_that_it_is_tried_again(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    commit_days(settings.lake, days=28)
    away = replace(settings, registry=f"sqlite:///{tmp_path}")
    with pytest.raises(RegistryError) as caught:
        train_versions(definition_of(), away, ["2026-02-01"], RUN)
    assert caught.value.transient


def test_a_version_that_does_not_reload_is_an_outcome_with_a_failed_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path)
    commit_days(settings.lake, days=28)
    register = Registry.register

    def losing(registry: Registry, *given: Any, **named: Any) -> Any:
        version = register(registry, *given, **named)
        shutil.rmtree(settings.artifacts)
        return version

    monkeypatch.setattr(Registry, "register", losing)
    [outcome] = train_versions(definition_of(), settings, ["2026-02-01"], RUN)
    assert outcome.error is None and outcome.metadata["promoted"] is False and outcome.rows == 19 * ROWS
    assert {check.name: check.passed for check in outcome.checks} == {"reloads": False, "gate": True}
    assert "cannot be read" in outcome.checks[0].description


def test_figures_that_could_not_be_measured_are_shown_as_such() -> None:
    assert figures(Quality(3, 0.0, None, 0.12345, 0.5, 0.25, ())) == ["n/a", "0.1235", "0.5000", "0.2500"]
    assert figures(Quality(3, 0.5, 0.6789, 0.1, 0.2, 0.3, ())) == ["0.679", "0.1000", "0.2000", "0.3000"]
