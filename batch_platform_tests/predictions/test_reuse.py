"""Rows that did not change take earlier scores; what comes out equals full scoring, digest for digest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from batch_platform.lake.row_digests import row_digests
from batch_platform.lake.table import Table
from batch_platform.models.runtimes.scores import ScoreField
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.predictions.options import ScoringOptions
from batch_platform.predictions.score import score
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform_tests.models.registered import Line, commit_features, registered, settings_in
from batch_platform_tests.predictions.tables import predictions_of, visits

FIRST, SECOND, THIRD = "2026-01-05", "2026-01-06", "2026-01-07"


class Counted(Line):
    """Counts the rows that it scores."""

    rows = 0

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        type(self).rows += len(set(batch.column("distance").to_pylist()))
        return super().predict(batch)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    Counted.rows = 0
    yield settings_in(tmp_path)


def scored(settings: Settings, key: str, /, *, replay: bool = False, **changes: Any) -> PartitionOutcome:
    [outcome] = score(predictions_of(**changes), settings, [key], Run("run", replay=replay), Meter(0.04))
    assert outcome.error is None
    return outcome


def ledger(settings: Settings, key: str) -> dict[str, int]:
    return dict(Table(settings.lake, "predictions/visits").records([key])[key].record.ledger.outcomes)


def test_only_rows_that_changed_are_scored_again(settings: Settings) -> None:
    rows = visits(100)
    distances = rows.column("distance").to_pylist()
    distances[3], distances[50] = 0.995, 0.996
    after = visits(110, distance=[*distances, *np.linspace(0.2, 0.29, 10)])
    # A carried column is no feature: the row keeps its score and gets its new city.
    after = after.set_column(3, "city", pa.array(["elsewhere"] * 110))
    commit_features(settings.lake, {FIRST: rows, SECOND: after})
    registered(settings, Counted(0.5))
    scored(settings, FIRST, reuse=1)
    Counted.rows = 0
    outcome = scored(settings, SECOND, reuse=1)
    # Ten new rows and two with another distance.
    assert ledger(settings, SECOND) == {"scored": 12, "reused": 98, "failed": 0}
    assert Counted.rows == 12
    found = Table(settings.lake, "predictions/visits").read([SECOND]).sort_by("visit")
    assert set(found.column("city").to_pylist()) == {"elsewhere"}
    assert np.array_equal(found.column("chance"), Line(0.5).predict(after).astype(np.float32))
    assert outcome.digest == scored(settings, SECOND, reuse=2).digest


@pytest.mark.parametrize("change", ["model", "outputs", "settings"])
def test_nothing_is_reused_where_something_else_decided_about_the_scores(settings: Settings, change: str) -> None:
    commit_features(settings.lake, {FIRST: visits(20), SECOND: visits(21)})
    registered(settings, Counted(0.5))
    scored(settings, FIRST, reuse=1)
    changes: dict[str, Any] = {"reuse": 1}
    if change == "model":
        registered(settings, Counted(0.25), "2026-01-02")
    elif change == "outputs":
        changes["outputs"] = {"chance": "score", "is_likely": "chance > 0.75"}
    else:
        changes["scoring"] = ScoringOptions(batch_rows=512)
    scored(settings, SECOND, **changes)
    assert ledger(settings, SECOND)["reused"] == 0


def test_without_an_earlier_partition_everything_is_scored(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(20)})
    registered(settings, Counted(0.5))
    scored(settings, FIRST, reuse=1)
    assert ledger(settings, FIRST) == {"scored": 20, "reused": 0, "failed": 0}


def test_rows_that_failed_before_are_tried_again(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(4, distance=[None, 0.5, 0.6, 0.7])})
    commit_features(settings.lake, {SECOND: visits(4, distance=[None, 0.5, 0.6, 0.8])})
    registered(settings, Counted(0.5))
    scored(settings, FIRST, reuse=1)
    scored(settings, SECOND, reuse=1)
    assert ledger(settings, SECOND) == {"scored": 1, "reused": 2, "failed": 1}


def test_vectors_and_several_scores_are_taken_over(settings: Settings) -> None:
    later = visits(31, distance=[*(row / 30 for row in range(30)), 0.99])
    commit_features(settings.lake, {FIRST: visits(30), SECOND: later})
    registered(settings, Several(0.5))
    fields = (ScoreField.parse("a", "double"), ScoreField.parse("v", "float[2]"))
    changes: dict[str, Any] = {"scores": fields, "outputs": {"one": "a", "vector": "v", "twice": "a * 2"}}
    scored(settings, FIRST, reuse=1, **changes)
    outcome = scored(settings, SECOND, reuse=1, **changes)
    assert ledger(settings, SECOND) == {"scored": 1, "reused": 30, "failed": 0}
    assert outcome.digest == scored(settings, SECOND, reuse=3, **changes).digest


class Several(Line):
    """Two scores, one of them a vector."""

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        x = np.array(batch.column("distance").to_numpy(zero_copy_only=False), np.float64)
        return {"a": x * self.slope, "v": np.stack([x, -x], axis=1).astype(np.float32)}


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=25, unique_by=lambda row: row[0]))
def test_whatever_changes_the_result_is_that_of_full_scoring(
    tmp_path_factory: pytest.TempPathFactory, after: list[tuple[int, int]]
) -> None:
    settings = settings_in(tmp_path_factory.mktemp("world"))
    chosen = sorted(after)
    later = visits(len(chosen), visit=[key for key, _ in chosen], distance=[value / 4 for _, value in chosen])
    commit_features(settings.lake, {FIRST: visits(20, distance=[row % 4 / 4 for row in range(20)]), SECOND: later})
    registered(settings, Line(0.5))
    scored(settings, FIRST, reuse=1)
    reused = scored(settings, SECOND, reuse=1)
    assert reused.digest == scored(settings, SECOND, reuse=40).digest
    assert sum(ledger(settings, SECOND).values()) == len(chosen)


_DAYS = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 12)), st.integers(0, 3), min_size=1, max_size=26
)


@pytest.mark.slow
@hypothesis_settings(
    max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=_DAYS, after=_DAYS, ordered=st.booleans(), files=st.integers(1, 3), shard_rows=st.sampled_from([6, 100]))
def test_keys_of_several_columns_in_several_files_and_shards_take_over_all_that_is_equal(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[tuple[str, int], int],
    after: dict[tuple[str, int], int],
    ordered: bool,
    files: int,
    shard_rows: int,
) -> None:
    settings = settings_in(tmp_path_factory.mktemp("world"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batch_platform.lake.row_groups.ROW_GROUP_ROWS", 4)
        for key, rows in ((FIRST, before), (SECOND, after)):
            keys = sorted(rows) if ordered else list(rows)
            columns = {
                "city": [city for city, _ in keys],
                "visit": [visit for _, visit in keys],
                "distance": [rows[found] / 4 for found in keys],
                "color": ["red"] * len(keys),
            }
            commit_features(settings.lake, {key: visits(len(keys), **columns)}, files=files)
        registered(settings, Line(0.5))
        changes: dict[str, Any] = {"key": ("city", "visit"), "carry": ()}
        changes["scoring"] = ScoringOptions(shard_rows=shard_rows, batch_rows=1)
        scored(settings, FIRST, reuse=1, **changes)
        reused = scored(settings, SECOND, reuse=1, **changes)
        equal = sum(before.get(key) == value for key, value in after.items())
        assert ledger(settings, SECOND) == {"scored": len(after) - equal, "reused": equal, "failed": 0}
        assert reused.digest == scored(settings, SECOND, reuse=40, **changes).digest


def test_reuse_may_be_switched_on_and_off_and_no_data_version_changes(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(20), SECOND: visits(21)})
    registered(settings, Line(0.5))
    table = Table(settings.lake, "predictions/visits")
    digests = set()
    for reuse in (None, 1, None, 1):
        digests.add((scored(settings, FIRST, reuse=reuse).digest, scored(settings, SECOND, reuse=reuse).digest))
        rows = table.read([FIRST, SECOND])
        assert rows.num_rows == 41
        kept = rows.column("_row_digest").null_count == 0 if "_row_digest" in rows.column_names else False
        assert kept == (reuse is not None)
    assert len(digests) == 1
    commit_features(settings.lake, {THIRD: visits(21)})
    scored(settings, THIRD, reuse=1)
    assert ledger(settings, THIRD)["reused"] > 0


def test_nothing_is_taken_over_after_the_feature_table_was_renamed(settings: Settings) -> None:
    commit_features(settings.lake, {FIRST: visits(20), SECOND: visits(20)})
    commit_features(settings.lake, {FIRST: visits(20), SECOND: visits(20)}, "features/renamed")
    registered(settings, Line(0.5))
    scored(settings, FIRST, reuse=1)
    scored(settings, SECOND, reuse=1, features="features/renamed")
    assert ledger(settings, SECOND) == {"scored": 20, "reused": 0, "failed": 0}


def test_a_row_digest_follows_values_and_not_how_they_are_stored() -> None:
    rows = visits(9)
    columns = ["distance", "color"]
    before = row_digests(rows, columns).to_pylist()
    assert len(set(before)) == 9 and all(len(digest) == 16 for digest in before)
    coded = rows.set_column(2, "color", rows.column("color").dictionary_encode())
    for other in (coded, rows.select(["color", "distance"]), rows.slice(0, 9)):
        assert row_digests(other, columns[::-1]).to_pylist() == before
    changed = rows.set_column(1, "distance", pa.array([0.5, *rows.column("distance").to_pylist()[1:]]))
    assert [a == b for a, b in zip(row_digests(changed, columns).to_pylist(), before, strict=True)] == [False] + [
        True
    ] * 8


def test_a_replay_scores_only_what_failed_and_shows_it_as_resolved(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = visits(60)
    commit_features(settings.lake, {FIRST: rows})
    registered(settings, Moody(0.5))
    monkeypatch.setattr(Moody, "refused", frozenset({rows.column("distance")[7].as_py()}))
    outcome = scored(settings, FIRST)
    assert ledger(settings, FIRST) == {"scored": 59, "reused": 0, "failed": 1}
    [failed] = quarantine(settings)
    assert (failed["visit"], failed["_error"], failed["_resolved"]) == (7, "ValueError: not today", False)
    # An ordinary run finds what was scored, failures included; only a replay looks again.
    monkeypatch.setattr(Moody, "refused", frozenset())
    assert scored(settings, FIRST).digest == outcome.digest
    replayed = scored(settings, FIRST, replay=True)
    assert ledger(settings, FIRST) == {"scored": 1, "reused": 59, "failed": 0}
    [resolved] = quarantine(settings)
    assert resolved == {**failed, "_resolved": True}
    written = Table(settings.lake, "predictions/visits").read([FIRST]).sort_by("visit")
    assert np.array_equal(written.column("chance"), Line(0.5).predict(rows).astype(np.float32))
    record = Table(settings.lake, "predictions/visits").records([FIRST])[FIRST].record
    assert replayed.digest == record.digest
    version = Table(settings.lake, "predictions/visits").version()
    assert scored(settings, FIRST, replay=True).digest == replayed.digest
    assert Table(settings.lake, "quarantine/visits").read([FIRST]).num_rows == 1
    assert Table(settings.lake, "predictions/visits").version() <= version + 1


class Moody(Line):
    """Refuses some distances, as long as it is in the mood."""

    refused: frozenset[float] = frozenset()

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        if self.refused.intersection(batch.column("distance").to_pylist()):
            raise ValueError("not today")
        return super().predict(batch)


def quarantine(settings: Settings) -> list[dict[str, Any]]:
    return list(Table(settings.lake, "quarantine/visits").read([FIRST]).to_pylist())
