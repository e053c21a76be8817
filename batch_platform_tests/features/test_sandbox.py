"""The sandbox tells what it really showed, and keeps nothing of a range for the query that follows."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.features.definition import FeatureTable
from batch_platform.features.inputs import Inputs
from batch_platform.features.sandbox import Sandbox
from batch_platform.lake.store import Lake
from batch_platform.timelines import Reading
from batch_platform_tests.features.tables import (
    CALENDAR,
    DAYS,
    FLIGHTS,
    OUTCOMES,
    TIMELINES,
    answer_of,
    answers_of_range,
    feature_table,
    put_days,
)

WINDOWS = {day: CALENDAR.window(day) for day in DAYS[:6]}


def sandbox_of(features: FeatureTable, lake: Lake, readings: tuple[Reading, ...]) -> Sandbox:
    return Sandbox(features.model, readings, Inputs(readings, lake, list(WINDOWS)).opened)


def test_it_tells_the_stretch_that_it_showed_alone_and_in_a_range(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    with closing(sandbox_of(features, lake, features.readings)) as sandbox:
        together = answers_of_range(sandbox, WINDOWS)
        single = {day: answer_of(sandbox, day, window) for day, window in WINDOWS.items()}
    assert together is not None
    assert {day: answer.shown for day, answer in together.items()} == {
        day: answer.shown for day, answer in single.items()
    }
    assert together[DAYS[5]].shown == {FLIGHTS: (DAYS[5], DAYS[5]), OUTCOMES: (DAYS[1], DAYS[3])}
    assert together[DAYS[0]].shown == {FLIGHTS: (DAYS[0], DAYS[0]), OUTCOMES: None}


def test_it_tells_rows_of_another_partition_than_was_asked_for(lake: Lake, tmp_path: Path) -> None:
    """An input that hands out the next day's rows is found out by the rows themselves."""
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    readings = tuple(Reading(TIMELINES[table], 0, 0) for table in (FLIGHTS, OUTCOMES))
    opened = dict(Inputs(readings, lake, DAYS).opened)
    whole = opened[OUTCOMES]
    shifted = {key: whole.files[CALENDAR.shift(key, 1)] for key in WINDOWS}
    opened[OUTCOMES] = replace(whole, files=shifted)
    with closing(Sandbox(features.model, readings, opened)) as sandbox:
        answer = answer_of(sandbox, DAYS[3], WINDOWS[DAYS[3]])
    assert answer.shown[OUTCOMES] == (DAYS[3], DAYS[4])


def test_a_query_that_fails_in_a_range_fails_alone_with_its_file_and_partition(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    sql = (
        "{{ config(key=['flight']) }} SELECT CAST(flight AS BIGINT) AS flight FROM {{ source('snapshots', 'flights') }}"
    )
    features = feature_table(tmp_path / "sql", sql)
    with closing(sandbox_of(features, lake, features.readings)) as sandbox:
        with pytest.raises(ConfigurationError, match="the query fails: "):
            answers_of_range(sandbox, WINDOWS)
        with pytest.raises(ConfigurationError) as caught:
            answer_of(sandbox, DAYS[2], WINDOWS[DAYS[2]])
    message = str(caught.value)
    assert message.startswith(f"{features.model.path}: the query fails for partition {DAYS[2]}: ")
    assert "AA1" in message and "\n" not in message


def test_after_a_range_nothing_of_it_is_left(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    sql = "{{ config(key=['n']) }} SELECT count(*) AS n FROM {{ source('snapshots', 'flights') }} AS f"
    features = feature_table(tmp_path / "sql", sql)
    listing = sql.replace("SELECT", "{# #} SELECT (SELECT sum(estimated_size) FROM duckdb_tables()) AS s,")
    with closing(sandbox_of(features, lake, features.readings)) as sandbox:
        assert answers_of_range(sandbox, WINDOWS) is not None
        sandbox._model = feature_table(tmp_path / "list", listing).model
        assert answer_of(sandbox, DAYS[2], WINDOWS[DAYS[2]]).rows.column("s").to_pylist() == [None]
