"""A version learns only from what was known before its window; labels join within their own partition."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.models.training_rows import LABEL, labelled_rows
from batch_platform.models.training_windows import windows_of
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.settings import Settings
from batch_platform.timelines import Timeline
from batch_platform_tests.models.outcomes import VISITS, commit_days, definition_of, label_of
from batch_platform_tests.models.registered import FEATURES, commit_features, settings_in

WINDOW = "2026-02-01"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


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
