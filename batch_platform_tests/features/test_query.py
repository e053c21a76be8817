"""Running a range: cut into passes, each partition once and in order, one that fails does not hold up the others."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from batch_platform.errors import BatchPlatformError, ConfigurationError
from batch_platform.features import query as module
from batch_platform.features.definition import FeatureTable
from batch_platform.features.inputs import Inputs
from batch_platform.features.query import query
from batch_platform.features.sandbox import Sandbox
from batch_platform.features.selection import Selection
from batch_platform.lake.digest import digest_table
from batch_platform.lake.store import Lake
from batch_platform.partitions import Window
from batch_platform.resources import LEAST_MEMORY, Resources
from batch_platform_tests.features.tables import DAYS, FLIGHTS, SQL, Answer, answers, feature_table, put, put_days

Results = dict[str, Answer | BatchPlatformError]


def results(features: FeatureTable, inputs: Inputs, keys: Sequence[str], memory: int | None = None) -> Results:
    """Each partition with its answer or its error, in the order in which they come."""
    resources = Resources(memory)
    with closing(
        Sandbox(features.model, features.readings, inputs.opened, (), Selection(features.model.key), resources)
    ) as sandbox:
        return answers(query(sandbox, inputs, keys, features.calendar))


FAILING = SQL.replace("flights.distance_miles", "CAST(substr(flights.flight, 3) AS BIGINT) AS distance_miles")


@pytest.mark.parametrize(("limit", "passes"), [(10**6, 1), (24, 5), (1, 10)])
def test_a_pass_holds_as_many_partitions_as_its_rows_allow(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int, passes: int
) -> None:
    """Three flights a day and three outcomes of each of three days: twelve rows for a partition from day 4 on."""
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    inputs = Inputs(features.readings, lake, DAYS)
    whole = list(results(features, inputs, DAYS).items())
    monkeypatch.setattr(module, "ROW_BYTES", LEAST_MEMORY // limit)
    parts = list(module._passes(inputs, DAYS[::-1], limit))
    assert [key for part in parts for key in part] == DAYS
    assert all(len(part) == 1 or sum(map(inputs.rows, part)) <= limit for part in parts)
    assert abs(len(parts) - passes) <= 1 and (limit > 1 or len(parts) == 10)
    cut = list(results(features, inputs, DAYS, LEAST_MEMORY).items())
    assert [key for key, _ in cut] == [key for key, _ in whole] == DAYS
    for (_, one), (_, other) in zip(cut, whole, strict=True):
        assert isinstance(one, Answer) and isinstance(other, Answer)
        assert digest_table(one.rows) == digest_table(other.rows) and one.shown == other.shown


def test_a_data_error_fails_its_day_alone(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    put(lake, FLIGHTS, {DAYS[5]: {"flight": ["not a number"], "distance_miles": [1]}})
    features = feature_table(tmp_path / "sql", FAILING)
    answers = results(features, Inputs(features.readings, lake, DAYS), DAYS)
    failed = {key: answer for key, answer in answers.items() if not isinstance(answer, Answer)}
    assert list(failed) == [DAYS[5]]
    error = failed[DAYS[5]]
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith(f"{features.model.path}: the query fails for partition {DAYS[5]}: ")


def test_a_template_that_fails_for_one_window_fails_that_day_alone(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    sql = SQL + f"{{% if '{DAYS[6]}' in window.start %}}{{{{ missing }}}}{{% endif %}}"
    features = feature_table(tmp_path / "sql", sql)
    answers = results(features, Inputs(features.readings, lake, DAYS), DAYS)
    assert [key for key, answer in answers.items() if not isinstance(answer, Answer)] == [DAYS[6]]
    assert "'missing' is undefined" in str(answers[DAYS[6]])


def test_no_partition_is_no_query(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    assert results(features, Inputs(features.readings, lake, []), []) == {}


@pytest.mark.parametrize("ignored", ["1", ""])
def test_a_window_is_the_same_moment_alone_and_in_a_range_in_any_zone(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ignored: str
) -> None:
    """Importing pandera makes Arrow take the wall clock of any zone for UTC; a window must not move by that."""
    monkeypatch.setenv("PYARROW_IGNORE_TIMEZONE", ignored)
    put_days(lake)
    sql = SQL.replace("flights.distance_miles", "epoch({{ window.start }})::BIGINT AS distance_miles")
    plain = feature_table(tmp_path / "sql", sql)
    features = replace(plain, calendar=replace(plain.calendar, timezone="America/New_York"))
    inputs = Inputs(features.readings, lake, DAYS)
    found = [*results(features, inputs, DAYS).items(), *results(features, inputs, DAYS[:1]).items()]
    for key, answer in found:
        assert isinstance(answer, Answer)
        starts = set(answer.rows.column("distance_miles").to_pylist())
        assert starts == {int(features.calendar.window(key).start.timestamp())}


def test_a_pass_that_fails_is_halved_until_one_day_is_alone(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nine good days run in a few passes, not one by one."""
    put_days(lake)
    put(lake, FLIGHTS, {DAYS[5]: {"flight": ["not a number"], "distance_miles": [1]}})
    features = feature_table(tmp_path / "sql", FAILING)
    passes: list[int] = []
    alone: list[str] = []
    together, single = Sandbox.query_range, Sandbox.query

    def count_range(self: Sandbox, windows: dict[str, Window]) -> object:
        passes.append(len(windows))
        return together(self, windows)

    def count_single(self: Sandbox, key: str, window: Window | None, *, adds_to: str | None = None) -> object:
        alone.append(key)
        return single(self, key, window, adds_to=adds_to)

    monkeypatch.setattr(Sandbox, "query_range", count_range)
    monkeypatch.setattr(Sandbox, "query", count_single)
    found = results(features, Inputs(features.readings, lake, DAYS), DAYS)
    assert [key for key, answer in found.items() if not isinstance(answer, Answer)] == [DAYS[5]]
    assert passes[:2] == [10, 5] and len(passes) <= 7 and DAYS[5] in alone and len(alone) <= 4
