"""What a project's models become in the lake: views, tests that read other tables, recorded contracts, seeds.

Small projects without Dagster, built as a step builds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from batch_platform.errors import ContractError
from batch_platform.features.contract_changes import changes_since
from batch_platform.features.definition import FeatureTable
from batch_platform.features.lineage import LineageBook, whole_lineage
from batch_platform.features.preview import first_rows, stages
from batch_platform.features.quarantine import Tolerance
from batch_platform.features.seeds import seed_snapshot
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import PartitionOutcome
from batch_platform.resources import Resources
from batch_platform.snapshots.capture import capture
from batch_platform.snapshots.definition import Snapshot
from batch_platform.sql.project import load_project
from batch_platform.telemetry.cost import Meter
from batch_platform_tests.features.projects import CONTRACT, DAILY, DAYS, read_project, write
from batch_platform_tests.features.tables import RUN, Given, built

DAY, NEXT = "2025-01-07", "2025-01-08"
PORTS = "SELECT airport, runways FROM {{ source('snapshots', 'airports') }}"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with three airports, and two flights on each of two days."""
    found = Lake(str(tmp_path / "lake"))
    ports = {"": {"airport": ["EWR", "JFK", "LGA"], "runways": [3, 4, 2]}}
    flights = {
        day: {"flight": ["AA1", "B62"], "distance_miles": [100, 200], "speed": [0.1, 0.2]} for day in (DAY, NEXT)
    }
    _capture(found, "airports", ports)
    _capture(found, "flights", flights)
    return found


def _capture(lake: Lake, name: str, partitions: Mapping[str, Mapping[str, Sequence[object]]]) -> None:
    calendar = None if "" in partitions else DAILY
    outcomes = capture(Snapshot(name, Given(name, partitions), (), calendar), lake, list(partitions), RUN, Meter(0.04))
    assert [outcome.error for outcome in outcomes] == [None] * len(partitions)


def _whole(features: FeatureTable, lake: Lake) -> PartitionOutcome:
    (outcome,) = built(features, lake, [""])
    return outcome


def _failed(outcome: PartitionOutcome) -> str:
    assert isinstance(outcome.error, ContractError)
    return str(outcome.error)


def test_a_view_is_judged_and_not_stored(lake: Lake, tmp_path: Path) -> None:
    files = {
        "models/ports.sql": "{{ config(materialized='view') }}\n" + PORTS,
        "models/large.sql": "SELECT * FROM {{ ref('ports') }} WHERE runways > 2",
        "models/schema.yml": "models:\n  - name: ports\n    columns:\n      - name: runways\n"
        "        data_tests: [{range: {min: 1}}]\n",
    }
    tables = read_project(tmp_path, files)
    view = _whole(tables["ports"], lake)
    assert view.error is None and view.rows == 3 and all(check.passed for check in view.checks)
    assert Table(lake, "features/ports").version() == -1
    large = _whole(tables["large"], lake)
    assert large.rows == 2
    assert Table(lake, "features/large").read().to_pydict() == {"airport": ["EWR", "JFK"], "runways": [3, 4]}

    files["models/schema.yml"] = files["models/schema.yml"].replace("min: 1", "min: 3")
    tables = read_project(tmp_path, files)
    assert "1 of 3 rows (33.33%) break the contract, more than 1%" in _failed(_whole(tables["ports"], lake))
    lenient = replace(tables["ports"], tolerance=Tolerance.parse("50%"))
    told = _failed(_whole(lenient, lake))
    assert "1 rows break runways: range(3,), and a view has no quarantine" in told


def test_a_singular_test_stops_a_table_before_it_is_committed(lake: Lake, tmp_path: Path) -> None:
    files = {"models/ports.sql": PORTS, "tests/few.sql": "SELECT * FROM {{ ref('ports') }} WHERE runways > 3;"}
    told = _failed(_whole(read_project(tmp_path, files)["ports"], lake))
    assert "the partition yields 1 rows of few, which must yield none" in told
    assert Table(lake, "features/ports").version() == -1
    warned = files | {"tests/few.sql": "{{ config(severity='warn') }}" + files["tests/few.sql"]}
    outcome = _whole(read_project(tmp_path, warned)["ports"], lake)
    assert outcome.error is None and "few" in str(outcome.metadata["warnings"])
    (told,) = [check for check in outcome.checks if check.warns]
    assert told.name == "contract" and told.passed and "yields 1 rows of few" in told.description
    assert Table(lake, "features/ports").version() >= 0


def test_a_relationship_sends_rows_to_quarantine_and_a_later_one_stops_the_later_table(
    lake: Lake, tmp_path: Path
) -> None:
    """The same rule, once on a table that is there before, once on one that is made from the rule's own."""
    rule = "        data_tests: [{relationships: {to: ref('%s'), field: airport}}]\n"
    files = {
        "models/large.sql": PORTS + " WHERE runways > 2",
        "models/ports.sql": PORTS + " WHERE airport IN (SELECT airport FROM {{ ref('large') }}) OR true",
        "models/schema.yml": "models:\n  - name: ports\n    columns:\n      - name: airport\n" + rule % "large",
    }
    told = _failed(_whole_after(read_project(tmp_path, files), lake, "large", "ports"))
    assert "1 of 3 rows (33.33%) break the contract" in told and "relationships(features/large, airport)" in told

    files["models/schema.yml"] = "models:\n  - name: large\n    columns:\n      - name: airport\n" + rule % "few"
    files["models/few.sql"] = "SELECT * FROM {{ ref('large') }} WHERE runways > 3"
    told = _failed(_whole_after(read_project(tmp_path, files), lake, "large", "few"))
    assert "yields 1 rows of features/large: airport: relationships(features/few, airport)" in told


def _whole_after(tables: Mapping[str, FeatureTable], lake: Lake, first: str, then: str) -> PartitionOutcome:
    assert _whole(tables[first], lake).error is None
    return _whole(tables[then], lake)


def test_a_moved_rule_sees_the_partition_of_the_same_day(lake: Lake, tmp_path: Path) -> None:
    """A table with a lookback of days reads many; its tests compare a day with that day."""
    days = DAYS.replace("SELECT", "-- d\nSELECT")
    later = (
        "{{ config(key=['flight'], cadence='daily', lookback={'days': 2}) }}\n"
        "SELECT flight, max(distance_miles) AS distance_miles, min(_source_file) AS _source_file,\n"
        "    min(_source_row) AS _source_row FROM {{ ref('days') }} WHERE partition_key = "
        "strftime({{ window.start }} AT TIME ZONE 'America/New_York', '%Y-%m-%d') GROUP BY flight"
    )
    schema = CONTRACT.format(name="days").replace(
        "data_tests: [not_null]", "data_tests: [not_null, {relationships: {to: ref('later'), field: flight}}]", 1
    ) + CONTRACT.format(name="later").removeprefix("version: 2\nmodels:\n")
    files = {"models/days.sql": days, "models/later.sql": later, "models/schema.yml": schema}
    _capture(lake, "flights", {DAY: {"flight": ["AA1", "UA9"], "distance_miles": [1, 2], "speed": [0.1, 0.2]}})
    tables = read_project(tmp_path, files)
    assert [o.error for o in built(tables["days"], lake, [DAY, NEXT])] == [None, None]
    assert [o.error for o in built(tables["later"], lake, [NEXT])] == [None]


def test_a_changed_contract_is_told_with_the_commit(lake: Lake, tmp_path: Path) -> None:
    files = {
        "models/ports.sql": PORTS,
        "models/schema.yml": "models:\n  - name: ports\n    columns:\n      - name: airport\n"
        "        data_tests: [not_null, {accepted_values: {values: [EWR, JFK, LGA]}}]\n",
    }
    before = read_project(tmp_path, files)["ports"]
    assert changes_since(before, lake) is None
    assert "contract_change" not in _whole(before, lake).metadata
    assert changes_since(before, lake) == ()
    wider = {
        **files,
        "models/schema.yml": files["models/schema.yml"].replace("[EWR, JFK, LGA]", "[EWR, JFK, LGA, TEB]"),
    }
    after = read_project(tmp_path, wider)["ports"]
    (change,) = changes_since(after, lake) or ()
    assert change.breaking and change.column == "airport"
    told = str(_whole(after, lake).metadata["contract_change"])
    assert "breaking" in told and "airport" in told
    assert changes_since(after, lake) == ()


def test_a_seed_is_a_table_whose_rows_know_their_place(lake: Lake, tmp_path: Path) -> None:
    root = write(tmp_path / "shop", {"seeds/sizes.csv": "runways,size\n2,small\n4,\n", "models/a.sql": PORTS})
    (seed,) = load_project(root).seeds()
    (outcome,) = capture(seed_snapshot(seed, tmp_path), lake, [""], RUN, Meter(0.04))
    assert outcome.error is None
    assert Table(lake, "seeds/sizes").read().to_pylist() == [
        {"runways": 2, "size": "small", "_source_file": "shop/seeds/sizes.csv", "_source_row": 1},
        {"runways": 4, "size": None, "_source_file": "shop/seeds/sizes.csv", "_source_row": 2},
    ]
    files = {
        "models/a.sql": "SELECT * FROM {{ source('snapshots', 'airports') }} JOIN {{ ref('sizes') }} USING (runways)"
    }
    assert _whole(read_project(tmp_path, files)["a"], lake).error is None
    assert Table(lake, "features/a").read().column_names == ["airport", "runways", "size"]


def test_rows_can_be_looked_at_before_they_are_built(lake: Lake, tmp_path: Path) -> None:
    files = {"models/days.sql": DAYS, "models/schema.yml": CONTRACT.format(name="days")}
    days = read_project(tmp_path, files)["days"]
    rows = first_rows(days, lake, DAY, 1, Resources())
    assert rows.select(["flight", "distance_miles"]).to_pylist() == [{"flight": "AA1", "distance_miles": 100}]
    assert Table(lake, "features/days").version() == -1
    with pytest.raises(ContractError, match=r"lacks partition 2025-01-10 \(materialize it first\)"):
        first_rows(days, lake, "2025-01-10", 1, Resources())
    assert stages(days, DAY).rendered == days.model.compile(DAILY.window(DAY))


def test_lineage_is_remembered_and_told_anew_where_the_sql_changes(tmp_path: Path) -> None:
    files = {"models/ports.sql": PORTS, "models/sums.sql": "SELECT sum(runways) AS all_of_them FROM {{ ref('ports') }}"}
    path = tmp_path / "book.json"
    book = LineageBook(path)
    first = whole_lineage(read_project(tmp_path, files).values(), book)
    book.save()
    assert [str(ref) for ref in first["features/sums"]["all_of_them"]] == ["features/ports.runways"]
    assert whole_lineage(read_project(tmp_path, {}).values(), LineageBook(path)) == first
    files["models/sums.sql"] = files["models/sums.sql"].replace("sum(runways)", "count(airport)")
    changed = whole_lineage(read_project(tmp_path, files).values(), LineageBook(path))
    assert [str(ref) for ref in changed["features/sums"]["all_of_them"]] == ["features/ports.airport"]
    path.write_text('{"broken": [')
    assert whole_lineage(read_project(tmp_path, {}).values(), LineageBook(path)) == changed


def test_a_model_that_reads_nothing_is_built(lake: Lake, tmp_path: Path) -> None:
    files = {"models/numbers.sql": "SELECT n FROM generate_series(1, 3) AS r(n)"}
    assert _whole(read_project(tmp_path, files)["numbers"], lake).error is None
    assert Table(lake, "features/numbers").read().to_pydict() == {"n": [1, 2, 3]}
