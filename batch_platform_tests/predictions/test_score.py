"""From committed features to committed predictions: versions, ledger, provenance, reruns, and what fails when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from batch_platform.engines import engine_named
from batch_platform.engines.base import Engine
from batch_platform.errors import (
    ConfigurationError,
    ContractError,
    ModelError,
    RegistryError,
    UnreadableError,
)
from batch_platform.lake.digest import digest_table
from batch_platform.lake.provenance import InputRead, Ledger, ModelUsed, Provenance, Stage
from batch_platform.lake.table import Table
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.predictions import mapping
from batch_platform.predictions import score as module
from batch_platform.predictions.code import scoring_code
from batch_platform.predictions.options import ScoringOptions
from batch_platform.predictions.receipts import Receipt
from batch_platform.predictions.score import score
from batch_platform.predictions.scorer import ShardScorer
from batch_platform.predictions.shards import Shard
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform.versions import installed_version
from batch_platform_tests.models.registered import FEATURES, Line, Wide, commit_features, registered, settings_in
from batch_platform_tests.predictions.tables import predictions_of, visits

FIRST, SECOND, THIRD = "2026-01-05", "2026-01-06", "2026-01-07"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def scored(settings: Settings, keys: Sequence[str], run: str = "run", **changes: Any) -> dict[str, PartitionOutcome]:
    outcomes = score(predictions_of(**changes), settings, keys, Run(run), Meter(0.04))
    assert [outcome.key for outcome in outcomes] == list(keys)
    return {outcome.key: outcome for outcome in outcomes}


def table(settings: Settings, name: str = "predictions/visits") -> Table:
    return Table(settings.lake, name)


def rows_of(settings: Settings, key: str, name: str = "predictions/visits") -> pa.Table:
    return table(settings, name).read([key]).drop_columns([PARTITION_COLUMN]).sort_by("visit")


def test_predictions_are_the_models_and_name_all_they_came_from(settings: Settings) -> None:
    features = {FIRST: visits(20), SECOND: visits(0)}
    commit_features(settings.lake, features, files=3)
    version = registered(settings, Line(0.5))
    outcomes = scored(settings, [FIRST, SECOND])
    for key, rows in features.items():
        written = rows_of(settings, key)
        assert np.array_equal(written.column("chance").to_numpy(), Line(0.5).predict(rows).astype(np.float32))
        assert outcomes[key].error is None and all(check.passed for check in outcomes[key].checks)
        assert (outcomes[key].rows, outcomes[key].digest) == (rows.num_rows, digest_table(written).hex)
        found = table(settings).records([key])[key].record
        read = {FEATURES: InputRead(table(settings, FEATURES).version(), digest_table(rows).hex, (key, key))}
        assert (found.digest, found.inputs) == (outcomes[key].digest, read)
        assert found.model == ModelUsed("visits", version.number, version.digest)
        assert found.ledger == Ledger(rows.num_rows, {"scored": rows.num_rows, "reused": 0, "failed": 0})
    history = table(settings).open()
    assert history is not None
    [entry] = [entry["batch_platform"] for entry in history.history() if "batch_platform" in entry]
    provenance = Provenance.from_json(entry)
    assert (provenance.stage, provenance.run_id, provenance.engine) == (Stage.PREDICTIONS, "run", "local")
    assert provenance.quarantine_version == table(settings, "quarantine/visits").version()
    assert provenance.sql_digest and provenance.git_commit and provenance.package_version
    assert table(settings).partitions() == table(settings, "quarantine/visits").partitions() == {FIRST, SECOND}


def test_rows_that_cannot_be_scored_go_to_quarantine_and_the_ledger_balances(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(4, distance=[0.5, None, 1e300, 1.0])})
    registered(settings, Line(0.5))
    outcome = scored(settings, [FIRST])[FIRST]
    ledger = table(settings).records([FIRST])[FIRST].record.ledger
    assert ledger == Ledger(4, {"scored": 2, "reused": 0, "failed": 2}) and ledger.balanced
    assert outcome.error is None and outcome.rows == 2
    assert rows_of(settings, FIRST).column("visit").to_pylist() == [0, 3]
    failed = rows_of(settings, FIRST, "quarantine/visits")
    assert failed.column("_error").to_pylist() == ["the model's score is nan", "the model's score is inf"]
    assert failed.column("_source_row").to_pylist() == [2, 3]
    extra = outcome.extra["quarantine/visits"]
    assert (extra.rows, extra.digest) == (2, digest_table(failed).hex)


def test_a_rerun_commits_nothing_and_a_new_model_does(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(9), SECOND: visits(9)})
    registered(settings, Line(0.5))
    before = scored(settings, [FIRST, SECOND])
    versions = [table(settings, name).version() for name in ("predictions/visits", "quarantine/visits")]
    again = scored(settings, [SECOND, FIRST], run="another")
    assert {key: outcome.digest for key, outcome in again.items()} == {k: o.digest for k, o in before.items()}
    assert [table(settings, name).version() for name in ("predictions/visits", "quarantine/visits")] == versions
    registered(settings, Line(0.6))
    assert scored(settings, [FIRST])[FIRST].digest != before[FIRST].digest
    assert table(settings).version() == versions[0] + 1
    assert set(rows_of(settings, SECOND).column("_model_version").to_pylist()) == {"1"}


def test_other_failures_are_named_by_the_predictions_though_no_score_changes(settings: Settings) -> None:
    registered(settings, Line(0.5))
    for version, distances in enumerate(([None, None], [1e300, None]), start=1):
        commit_features(settings.lake, {FIRST: visits(2, distance=distances)})
        outcome = scored(settings, [FIRST])[FIRST]
        opened = table(settings).open()
        assert opened is not None and opened.version() == version
        named = Provenance.from_json(opened.history(1)[0]["batch_platform"])
        assert named.quarantine_version == table(settings, "quarantine/visits").version() == version
        assert named.partitions[FIRST].rejected == outcome.extra["quarantine/visits"].digest


def test_all_partitions_are_mapped_at_once_each_by_its_own_version(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_features(settings.lake, {FIRST: visits(5), SECOND: visits(7), THIRD: visits(0)}, files=2)
    registered(settings, Line(0.25), "2026-01-01")
    registered(settings, Line(0.5), "2026-01-05")
    asked: list[str] = []

    def counted(name: str, **options: Any) -> Engine:
        asked.append(name)
        return engine_named(name, **options)

    monkeypatch.setattr(mapping, "engine_named", counted)
    outcomes = scored(settings, [SECOND, FIRST, THIRD])
    assert asked == ["local"]
    for key, rows, slope in ((FIRST, 5, 0.25), (SECOND, 7, 0.5)):
        written = rows_of(settings, key)
        assert np.array_equal(written.column("chance"), Line(slope).predict(visits(rows)).astype(np.float32))
        assert set(written.column("_features_digest").to_pylist()) == {digest_table(visits(rows)).hex}
        assert outcomes[key].digest == digest_table(written).hex
    assert [outcomes[key].rows for key in (FIRST, SECOND, THIRD)] == [5, 7, 0]


def test_a_model_that_fails_holds_up_its_own_partitions_only(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(5), SECOND: visits(7), THIRD: visits(2)})
    registered(settings, Line(0.25), "2026-01-01")
    registered(settings, Wide(0.5), "2026-01-05")
    outcomes = scored(settings, [THIRD, FIRST, SECOND])
    assert outcomes[FIRST].error is None and table(settings).partitions() == {FIRST}
    for key in (SECOND, THIRD):
        assert isinstance(outcomes[key].error, ModelError) and key in str(outcomes[key].error)


def test_a_shards_fingerprint_names_the_code_that_decides_about_scores() -> None:
    code = scoring_code()
    for name in ("numpy", "polars", "torch", "mlflow"):
        assert f"{name} {installed(name)}" in code
    assert installed_version() in code


def test_shards_workers_and_batches_do_not_change_the_content(settings: Settings) -> None:
    rows = visits(200_000, distance=[None, *np.linspace(0, 1, 199_999)])
    commit_features(settings.lake, {FIRST: rows})
    registered(settings, Line(0.5))
    expected = Line(0.5).predict(rows)[1:].astype(np.float32)
    digests = set()
    for shard_rows, files in ((1, 4), (70_000, 3), (140_000, 2), (10**9, 1)):
        options = ScoringOptions(shard_rows=shard_rows, workers=1 + files % 2, batch_rows=1024 * files)
        digests.add(scored(settings, [FIRST], scoring=options)[FIRST].digest)
        assert len(table(settings).files([FIRST])) in (files, 4)  # the first content that is there stays
    assert digests == {digest_table(rows_of(settings, FIRST)).hex}
    assert np.array_equal(rows_of(settings, FIRST).column("chance").to_numpy(), expected)


def test_a_run_after_a_killed_one_scores_only_what_is_missing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_features(settings.lake, {FIRST: visits(40), SECOND: visits(30)}, files=5)
    registered(settings, Line(0.5))
    with monkeypatch.context() as patch:
        patch.setattr(module, "commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            scored(settings, [FIRST, SECOND])
    receipts = sorted((Path(settings.lake.uri("predictions/visits")) / "_receipts").rglob("*.json"))
    assert len(receipts) == 10 and table(settings).version() == -1
    receipts[0].unlink()
    receipts[1].write_text(receipts[1].read_text()[:-20])
    files = sorted(Path(settings.lake.uri("predictions/visits")).rglob("*.parquet"))
    files[0].write_bytes(files[0].read_bytes()[:-7])
    files[1].write_bytes(files[1].read_bytes()[:-9] + b"\0" * 9)
    told: list[str] = []
    asked: list[int] = []

    def counting(self: ShardScorer, shard: Shard, score: Any = ShardScorer.__call__) -> Receipt:
        asked.append(shard.rows)
        return cast(Receipt, score(self, shard))

    monkeypatch.setattr(ShardScorer, "__call__", counting)
    outcomes = score(predictions_of(), settings, [FIRST, SECOND], Run("again", tell=told.append), Meter(0.04))
    assert 2 <= len(asked) <= 4
    assert told[0] == f"predictions/visits: {10 - len(asked)} of 10 shards are there already"
    assert all(outcome.error is None for outcome in outcomes)
    for key, rows in ((FIRST, visits(40)), (SECOND, visits(30))):
        assert np.array_equal(rows_of(settings, key).column("chance"), Line(0.5).predict(rows).astype(np.float32))


def test_the_version_is_the_one_of_the_decision_time_the_champion_or_the_number(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(3), SECOND: visits(3), THIRD: visits(3)})
    registered(settings, Line(0.25), "2026-01-01")
    registered(settings, Line(0.5), "2026-01-05")
    registered(settings, Line(0.75), "2026-01-06", promote=False)

    def serving(version: str) -> list[str]:
        scored(settings, [FIRST, SECOND, THIRD], version=version)
        return [rows_of(settings, key).column("_model_version")[0].as_py() for key in (FIRST, SECOND, THIRD)]

    # The decision for the 5th falls on the 4th at 18:00, before the second version's window begins.
    assert serving("as_of") == ["1", "2", "2"]
    assert serving("champion") == ["2", "2", "2"]
    assert serving("3") == ["3", "3", "3"]


def test_bad_partitions_do_not_hold_up_good_ones(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(3), THIRD: visits(3, distance=[0.1, 4.0, 0.3])})
    registered(settings, Line(0.5))
    outcomes = scored(settings, [FIRST, SECOND, THIRD, "2026-13-01", "2025-12-31"])
    assert outcomes[FIRST].error is None
    assert isinstance(outcomes[SECOND].error, ContractError) and "lacks partition 2026-01-06" in str(
        outcomes[SECOND].error
    )
    assert isinstance(outcomes[THIRD].error, ContractError) and "scores_in_range" in str(outcomes[THIRD].error)
    assert outcomes["2026-13-01"].error is not None and outcomes["2025-12-31"].error is not None
    assert table(settings).partitions() == {FIRST}


def test_without_features_or_a_version_nothing_is_written(settings: Settings) -> None:
    assert isinstance(scored(settings, [FIRST])[FIRST].error, RegistryError)
    registered(settings, Line(0.5), "2026-02-01")
    assert isinstance(scored(settings, [FIRST])[FIRST].error, RegistryError)
    assert isinstance(scored(settings, [FIRST], version="1")[FIRST].error, ContractError)
    assert isinstance(scored(settings, [FIRST], version="9")[FIRST].error, RegistryError)
    assert table(settings).version() == -1


@pytest.mark.parametrize(
    ("model", "changes", "kind"),
    [
        (Wide(0.5), {}, ModelError),
        (Line(0.5, ("distance", "weight")), {}, ModelError),
        (Line(0.5), {"outputs": {"chance": "score", "wrong": "nowhere + 1"}}, ConfigurationError),
    ],
)
def test_a_model_or_an_output_that_does_not_fit_is_the_partitions_error(
    settings: Settings, model: Any, changes: dict[str, Any], kind: type[Exception]
) -> None:
    commit_features(settings.lake, {FIRST: visits(3)})
    registered(settings, model)
    assert isinstance(scored(settings, [FIRST], **changes)[FIRST].error, kind)
    assert table(settings).version() == -1


def test_a_changed_artifact_scores_nothing(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(3)})
    registered(settings, Line(0.5))
    [tensors] = Path(settings.artifacts).rglob("model.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"\x01")
    error = scored(settings, [FIRST])[FIRST].error
    assert isinstance(error, ModelError) and "digest" in str(error)


@pytest.mark.parametrize("keep", [0, 40, -10])
def test_a_damaged_feature_file_leaves_the_last_good_predictions(settings: Settings, keep: int) -> None:
    commit_features(settings.lake, {FIRST: visits(3)})
    registered(settings, Line(0.5))
    scored(settings, [FIRST])
    before, version = rows_of(settings, FIRST), table(settings).version()
    commit_features(settings.lake, {FIRST: visits(5)})
    [file] = table(settings, FEATURES).files([FIRST])
    Path(file).write_bytes(Path(file).read_bytes()[:keep])
    for damage in (lambda: None, Path(file).unlink):
        damage()
        (outcome,) = scored(settings, [FIRST]).values()
        assert isinstance(outcome.error, UnreadableError) and "cannot be read" in str(outcome.error)
    assert table(settings).version() == version
    assert rows_of(settings, FIRST).equals(before)


def test_a_registry_out_of_reach_ends_the_run_at_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    commit_features(settings.lake, {FIRST: visits(3), SECOND: visits(3)})
    with pytest.raises(RegistryError, match=r"127\.0\.0\.1:9") as caught:
        scored(replace(settings, registry="http://127.0.0.1:9"), [FIRST, SECOND], version="champion")
    assert caught.value.transient
