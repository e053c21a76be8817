"""Rules that are queries, run on a partition before it is committed: what they see, and what is left of a refusal."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import duckdb
import pytest

from batch_platform.errors import ConfigurationError, ContractError, UnreadableError
from batch_platform.features.catalog import Catalog
from batch_platform.features.definition import FeatureTable
from batch_platform.features.groups import Group, read_groups
from batch_platform.features.inputs import Inputs
from batch_platform.features.queries import run_queries
from batch_platform.features.stored import OpenedInput
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.partitions import Offset
from batch_platform.resources import Resources
from batch_platform.sql.binding import input_schema
from batch_platform.sql.walls import walled
from batch_platform.timelines import Timeline
from batch_platform_tests.features.projects import CONTRACT, DAILY, DAYS, FLIGHTS, read_project, write
from batch_platform_tests.features.tables import built
from batch_platform_tests.features.test_whole_projects import DAY, PORTS, _capture, _whole, lake

__all__ = ["lake"]

SUMS = (
    "CAST(sum(distance_miles) AS BIGINT) AS distance_miles, CAST(NULL AS VARCHAR) AS _source_file, "
    "CAST(NULL AS BIGINT) AS _source_row FROM {{ ref('days') }} GROUP BY flight"
)
ADDS_UP = (
    "SELECT * FROM (SELECT sum(distance_miles) AS s FROM {{ ref('second') }}) AS w, "
    "(SELECT sum(distance_miles) AS s FROM {{ ref('days') }}) AS d WHERE w.s <> d.s"
)
SELF = (
    "models:\n  - name: a\n    columns:\n      - name: parent\n"
    "        data_tests:\n          - {relationships: {to: ref('a'), field: x}}\n"
)


def _days_and_second(root: Path, second: str, files: dict[str, str]) -> dict[str, FeatureTable]:
    """Daily `days`, and `second` made from it and decided days later."""
    schema = CONTRACT.format(name="days") + CONTRACT.format(name="second").removeprefix("version: 2\nmodels:\n")
    write(
        root / "shop", {"models/d/days.sql": DAYS, "models/w/second.sql": second, "models/schema.yml": schema} | files
    )
    timelines = {"snapshots/flights": Timeline("snapshots/flights", DAILY, Offset.parse("+1d 02:00"))}
    columns = {"snapshots/flights": input_schema(FLIGHTS, partitioned=True)}
    groups = [Group("shop", "d", "+1d 06:00", "1%", nullcontext), Group("shop", "w", "+8d 06:00", "1%", nullcontext)]
    read_groups(groups, Catalog(timelines, columns), root)
    return {table.model.name: table for group in groups for table in group.tables}


@pytest.mark.parametrize("reads", ["cadence='weekly'", "cadence='daily', lookback={'days': 3}"])
def test_a_singular_test_sees_all_that_the_sql_sees(tmp_path: Path, reads: str) -> None:
    """A week's key is the key of its Sunday too, and a lookback holds the own day: neither narrows what is seen."""
    second = f"{{{{ config(key=['flight'], {reads}) }}}} SELECT flight, {SUMS}"
    tables = _days_and_second(tmp_path, second, {"tests/adds_up.sql": ADDS_UP})
    store = Lake(str(tmp_path / "lake"))
    days = DAILY.keys_between("2025-01-06", "2025-01-24")
    flown = {day: {"flight": ["AA1"], "distance_miles": [n + 1], "speed": [1.5]} for n, day in enumerate(days)}
    _capture(store, "flights", flown)
    assert {outcome.error for outcome in built(tables["days"], store, days)} == {None}
    calendar = tables["second"].partitions
    (outcome,) = built(tables["second"], store, [calendar.first if "weekly" in reads else "2025-01-20"])
    assert outcome.error is None and outcome.rows == 1


def test_a_relationship_to_the_own_table_judges_the_rows_that_are_built(lake: Lake, tmp_path: Path) -> None:
    good = {"models/a.sql": "SELECT 1 AS x, 2 AS parent UNION ALL SELECT 2, NULL", "models/schema.yml": SELF}
    assert _whole(read_project(tmp_path, good)["a"], lake).error is None
    bad = good | {"models/a.sql": "SELECT 1 AS x, 7 AS parent"}
    told = str(_whole(read_project(tmp_path, bad)["a"], lake).error)
    assert "yields 1 rows of parent: relationships(features/a, x)" in told


def test_a_relationship_to_itself_does_not_look_at_its_past(lake: Lake, tmp_path: Path) -> None:
    own = DAYS.replace("key=['flight']", "key=['flight'], lookback={'this': 1}").replace(
        "AS flights", "AS flights LEFT JOIN {{ this }} AS earlier ON earlier.flight = flights.flight"
    )
    rule = "distance_miles, data_type: BIGINT, data_tests: [{relationships: {to: ref('days'), field: distance_miles}}]"
    schema = CONTRACT.format(name="days").replace("distance_miles, data_type: BIGINT", rule)
    days = read_project(tmp_path, {"models/days.sql": own, "models/schema.yml": schema})["days"]
    first = days.partitions.first
    _capture(lake, "flights", {first: {"flight": ["AA1"], "distance_miles": [9], "speed": [0.1]}})
    assert [outcome.error for outcome in built(days, lake, [first, DAY])] == [None, None]


def test_a_refused_partition_leaves_no_file(lake: Lake, tmp_path: Path) -> None:
    files = {"models/ports.sql": PORTS, "tests/none.sql": "SELECT * FROM {{ ref('ports') }} WHERE runways > 3"}
    refused = read_project(tmp_path, files)["ports"]
    assert isinstance(_whole(refused, lake).error, ContractError)
    assert [path for path in (tmp_path / "lake" / "features").rglob("*") if path.is_file()] == []

    good = read_project(tmp_path, files | {"tests/none.sql": files["tests/none.sql"].replace("> 3", "> 9")})["ports"]
    assert _whole(good, lake).error is None
    before = Table(lake, "features/ports").files()
    assert isinstance(_whole(read_project(tmp_path, files)["ports"], lake).error, ContractError)
    assert Table(lake, "features/ports").files() == before and all(Path(file).is_file() for file in before)


def test_a_test_that_fails_on_its_rows_is_named(lake: Lake, tmp_path: Path) -> None:
    files = {
        "models/ports.sql": PORTS,
        "tests/first.sql": "SELECT * FROM {{ ref('ports') }} WHERE runways > 9",
        "tests/second.sql": "SELECT * FROM {{ ref('ports') }} WHERE CAST(airport AS INTEGER) > 9",
    }
    error = _whole(read_project(tmp_path, files)["ports"], lake).error
    assert isinstance(error, ConfigurationError)
    told = f"{tmp_path}/shop/tests/second.sql: the test second cannot be run on features/ports: Conversion Error"
    assert str(error).startswith(told)


def test_a_damaged_input_is_not_the_tests_fault(lake: Lake, tmp_path: Path) -> None:
    files = {
        "models/ports.sql": PORTS,
        "models/days.sql": DAYS,
        "models/schema.yml": CONTRACT.format(name="days"),
        "tests/t.sql": "SELECT 1 FROM {{ ref('days') }} JOIN {{ ref('ports') }} ON airport || runways = flight",
    }
    tables = read_project(tmp_path, files)
    assert _whole(tables["ports"], lake).error is None
    (file,) = Table(lake, "features/ports").files()
    raw = bytearray(Path(file).read_bytes())
    raw[8:60] = bytes(52)
    Path(file).write_bytes(raw)
    (outcome,) = built(tables["days"], lake, [DAY])
    assert isinstance(outcome.error, UnreadableError) and "features/ports" in str(outcome.error)


def test_queries_stay_within_the_resources_of_the_build(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection of their own has the same walls, limits and folder for rows as that of the model's query."""
    asked: list[tuple[object, ...]] = []

    def recorded(**given: Any) -> duckdb.DuckDBPyConnection:
        connection = walled(**given)
        settings = "current_setting('threads'), current_setting('memory_limit'), current_setting('temp_directory')"
        asked.append(connection.execute(f"SELECT {settings}").fetchone() or ())
        return connection

    files = {"models/ports.sql": PORTS, "tests/t.sql": "SELECT * FROM {{ ref('ports') }} WHERE runways > 9"}
    ports = read_project(tmp_path, files)["ports"]
    resources = Resources(memory=200_000_000, threads=3)
    monkeypatch.setattr("batch_platform.features.queries.walled", recorded)
    found = run_queries(ports, _opened(ports, lake), Table(lake, "features/ports"), None, "", resources, tmp_path / "s")
    assert found == () and asked == [(3, "190.7 MiB", str(tmp_path / "s"))]


def _opened(features: FeatureTable, lake: Lake) -> dict[str, OpenedInput]:
    return dict(Inputs(features.readings, lake, [""]).opened)
