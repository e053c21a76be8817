"""A version learns only from what was known before its window; the same inputs give the same version once."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from batch_platform.errors import BatchPlatformError, ConfigurationError, ContractError, ModelError
from batch_platform.models.definition import Label
from batch_platform.models.gate import Threshold
from batch_platform.models.registry import Registry
from batch_platform.models.training import LABEL, MODEL, labelled_rows, train_version, windows_of
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.settings import Settings
from batch_platform.timelines import Timeline
from batch_platform_tests.models.outcomes import DAYS, ROWS, VISITS, commit_days, definition_of
from batch_platform_tests.models.registered import FEATURES, commit_features, settings_in

WINDOW, NEXT = "2026-02-01", "2026-02-08"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


def label_of(available: str, calendar: Calendar = DAYS) -> Label:
    return Label(Timeline(VISITS, calendar, Offset.parse(available)), "minutes > 15", "minutes IS NULL")


def test_the_embargo_cuts_days_whose_label_comes_too_late() -> None:
    windows = windows_of(definition_of(), WINDOW)
    # Three weeks of training from the 4th, one of holdout from the 25th; labels are known two days and six hours later.
    assert (windows.training[0], windows.training[-1], len(windows.training)) == ("2026-01-04", "2026-01-22", 19)
    assert (windows.holdout[0], windows.holdout[-1], len(windows.holdout)) == ("2026-01-25", "2026-01-29", 5)


@pytest.mark.parametrize(
    ("available", "last"), [("1d", "2026-01-31"), ("1d 00:01", "2026-01-30"), ("0d", "2026-01-31")]
)
def test_a_label_known_at_the_very_start_of_the_window_counts(available: str, last: str) -> None:
    assert windows_of(definition_of(label=label_of(available)), WINDOW).holdout[-1] == last


@hypothesis_settings(max_examples=60)
@given(
    st.dates(date(2026, 2, 1), date(2030, 1, 1)),
    st.sampled_from([Cadence.WEEKLY, Cadence.MONTHLY]),
    st.integers(0, 40),
    st.integers(0, 23),
    st.integers(1, 4),
    st.integers(1, 2),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
)
def test_no_label_is_ever_known_after_the_window_or_the_holdout_begins(
    day: date, cadence: Cadence, days: int, hour: int, lookback: int, holdout: int, zone: str
) -> None:
    calendar = Calendar(Cadence.DAILY, "2025-01-06", zone)
    serving = Calendar(cadence, "2025-01-05" if cadence is Cadence.WEEKLY else "2025-01-01", zone)
    label = label_of(f"{days}d {hour:02d}:00", calendar)
    definition = definition_of(
        features=Timeline(FEATURES, calendar, Offset.parse("-1d 18:00")),
        label=label,
        calendar=serving,
        lookback=lookback,
        holdout=holdout,
    )
    key = serving.key_at(calendar.start_of(day.isoformat()))
    windows = windows_of(definition, key)
    begin = serving.start_of(key)
    middle = serving.start_of(serving.shift(key, -holdout))
    first = serving.start_of(serving.shift(key, -holdout - lookback))
    assert label.timeline.available is not None

    for part, start, stop in ((windows.training, first, middle), (windows.holdout, middle, begin)):
        known = label.timeline.available
        expected = [
            one
            for step in range((stop - start).days + 2)
            if start <= calendar.start_of(one := calendar.shift(calendar.key_at(start), step)) < stop
            and known.after(calendar.start_of(one)) <= stop
        ]
        assert list(part) == expected
        assert all(known.after(calendar.start_of(one)) <= begin for one in part)
    assert not windows.training or not windows.holdout or windows.training[-1] < windows.holdout[0]


@pytest.mark.parametrize(
    "calendar", [None, Calendar(Cadence.WEEKLY, "2026-01-04"), Calendar(Cadence.DAILY, "2026-01-04", "Asia/Tokyo")]
)
def test_features_and_label_of_different_calendars_are_refused(calendar: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"calendars|partitions"):
        windows_of(definition_of(label=label_of("1d", calendar)), WINDOW)


def test_missing_partitions_are_named(settings: Settings) -> None:
    with pytest.raises(ContractError, match=r"19 partitions of features/visit_features .* 2026-01-04 to 2026-01-22"):
        train_version(definition_of(), settings, WINDOW)
    commit_days(settings.lake, first="2026-01-06")
    with pytest.raises(ContractError, match=r"2 partitions of features/visit_features .* 2026-01-04 to 2026-01-05"):
        train_version(definition_of(), settings, WINDOW)
    assert Registry(settings).versions("visits") == []


def test_labels_join_within_their_own_partition_and_leave_out_what_is_excluded(settings: Settings) -> None:
    features = pa.table({"visit": [1, 2, 3], "distance": [0.1, 0.2, 0.3], "color": ["a", "b", "c"]})
    days = ["2026-01-04", "2026-01-05"]
    commit_features(settings.lake, dict.fromkeys(days, features))
    outcomes = [{"visit": [1, 2, 4], "minutes": [20, None, 20]}, {"visit": [1, 2, 3], "minutes": [1, 16, 15]}]
    commit_features(settings.lake, {day: pa.table(rows) for day, rows in zip(days, outcomes, strict=True)}, VISITS)
    rows = labelled_rows(definition_of(), settings.lake, days)
    assert rows.column_names == ["distance", "color", "partition_key", LABEL]
    assert rows.select(["partition_key", "distance", LABEL]).to_pylist() == [
        {"partition_key": days[0], "distance": 0.1, LABEL: 1},
        {"partition_key": days[1], "distance": 0.1, LABEL: 0},
        {"partition_key": days[1], "distance": 0.2, LABEL: 1},
        {"partition_key": days[1], "distance": 0.3, LABEL: 0},
    ]


@pytest.mark.parametrize("sql", ["minutes >", "nowhere > 1", "distance > 0", "read_text('/etc/hosts') = ''"])
def test_wrong_label_sql_is_one_line(settings: Settings, sql: str) -> None:
    commit_days(settings.lake, days=1)
    for wrong in (replace(label_of("1d"), sql=sql), replace(label_of("1d"), exclude=sql)):
        with pytest.raises(ConfigurationError, match="label") as caught:
            labelled_rows(definition_of(label=wrong), settings.lake, ["2026-01-04"])
        assert "\n" not in str(caught.value)


def test_training_again_gives_the_same_version_which_serves_and_reloads(settings: Settings) -> None:
    commit_days(settings.lake)
    trained = train_version(definition_of(gate=(Threshold("roc_auc", at_least=0.6),)), settings, WINDOW)
    again = train_version(definition_of(gate=(Threshold("roc_auc", at_least=0.6),)), settings, WINDOW)
    assert (again.version.number, again.version.digest) == ("1", trained.version.digest)
    assert trained.verdict.passed and trained.reloaded and trained.champion is None
    assert trained.training_rows == 19 * ROWS and trained.qualities[MODEL].rows == 5 * ROWS
    registry = Registry(settings)
    [version] = registry.versions("visits")
    assert version.promoted and registry.champion("visits").number == "1"
    assert registry.metrics(version)["brier"] == pytest.approx(trained.qualities[MODEL].brier)
    other = train_version(definition_of(seed=8), settings, WINDOW)
    assert (other.version.number, other.version.digest != version.digest) == ("2", True)


def test_a_failing_gate_leaves_the_earlier_version_serving(settings: Settings) -> None:
    commit_days(settings.lake)
    first = train_version(definition_of(), settings, WINDOW)
    impossible = (Threshold("brier", gain_over_champion=0.9),)
    second = train_version(definition_of(gate=impossible), settings, NEXT)
    assert second.champion is not None and second.champion.number == first.version.number
    assert not second.verdict.passed and "over the champion" in second.verdict.comparisons[0]
    registry = Registry(settings)
    assert registry.champion("visits").number == first.version.number
    moment = definition_of().calendar.start_of(NEXT) + timedelta(days=1)
    assert registry.as_of("visits", moment).number == first.version.number
    tolerant = (Threshold("brier", gain_over_champion=-1.0),)
    assert train_version(definition_of(gate=tolerant), settings, NEXT).verdict.passed
    assert registry.champion("visits").number == second.version.number
    # An older window is never compared with a version that comes after it.
    assert train_version(definition_of(gate=impossible, seed=9), settings, WINDOW).champion is None


def test_a_holdout_of_one_class_has_no_area_and_fails_a_gate_on_it(settings: Settings) -> None:
    commit_days(settings.lake, days=21)
    commit_days(settings.lake, first="2026-01-25", days=7, minutes=lambda rows: [5] * rows.num_rows)
    trained = train_version(definition_of(gate=(Threshold("roc_auc", at_least=0.0),)), settings, WINDOW)
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
        train_version(definition_of(label=label), settings, WINDOW)
    assert Registry(settings).versions("visits") == []


def test_a_label_that_is_unknown_in_the_holdout_alone_is_refused(settings: Settings) -> None:
    commit_days(settings.lake, days=21)
    gaps = np.array([None, 30, 5] * 8, object)
    commit_days(settings.lake, first="2026-01-25", days=7, minutes=lambda rows: gaps)
    with pytest.raises(ModelError, match="null"):
        train_version(definition_of(label=replace(label_of("1d"), exclude="false")), settings, WINDOW)
    assert Registry(settings).versions("visits") == []
