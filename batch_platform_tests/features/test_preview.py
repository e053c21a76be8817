"""Looking at a model shows the rows that a build would compute, also before the first one."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ContractError
from batch_platform.features.preview import first_rows
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.resources import Resources
from batch_platform.snapshots.capture import capture
from batch_platform.snapshots.definition import Snapshot
from batch_platform.telemetry.cost import Meter
from batch_platform_tests.features.projects import read_project
from batch_platform_tests.features.tables import RUN, Given, built

PORTS = "SELECT * FROM {{ source('snapshots', 'airports') }}"
LATER = " {% if is_incremental() %}WHERE runways > (SELECT max(runways) FROM {{ this }}){% endif %}"


def put_airports(lake: Lake, runways: dict[str, int]) -> None:
    """Capture these airports, in place of those that are there."""
    rows = {"": {"airport": list(runways), "runways": list(runways.values())}}
    (outcome,) = capture(Snapshot("airports", Given("airports", rows)), lake, [""], RUN, Meter(0.04))
    assert outcome.error is None


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with two airports."""
    found = Lake(str(tmp_path / "lake"))
    put_airports(found, {"EWR": 3, "JFK": 4})
    return found


@pytest.mark.parametrize(
    "sql", [PORTS, PORTS + " AS a JOIN {{ source('snapshots', 'airports') }} AS b USING (airport, runways)"]
)
def test_a_table_without_partitions_shows_the_columns_that_it_will_have(lake: Lake, tmp_path: Path, sql: str) -> None:
    schema = "models:\n  - name: ports\n    columns:\n      - {name: airport, data_tests: [unique]}\n"
    ports = read_project(tmp_path, {"models/ports.sql": sql, "models/schema.yml": schema})["ports"]
    looked = first_rows(ports, lake, "", 10, Resources())
    (outcome,) = built(ports, lake, [""])
    assert outcome.error is None
    kept = Table(lake, "features/ports").read()
    assert looked.column_names == kept.column_names and looked.to_pylist() == kept.to_pylist()


def test_an_incremental_model_is_looked_at_before_and_after_its_first_build(lake: Lake, tmp_path: Path) -> None:
    sql = "{{ config(materialized='incremental', unique_key='airport') }}" + PORTS + LATER
    ports = read_project(tmp_path, {"models/ports.sql": sql})["ports"]
    assert first_rows(ports, lake, "", 10, Resources())["airport"].to_pylist() == ["EWR", "JFK"]
    assert Table(lake, "features/ports").version() == -1
    assert built(ports, lake, [""])[0].error is None
    put_airports(lake, {"EWR": 9, "LGA": 1})
    looked = first_rows(ports, lake, "", 10, Resources()).to_pylist()
    assert looked == [{"airport": "EWR", "runways": 9}, {"airport": "JFK", "runways": 4}]
    assert built(ports, lake, [""])[0].error is None
    assert Table(lake, "features/ports").read().to_pylist() == looked


def test_what_a_build_refuses_is_refused(lake: Lake, tmp_path: Path) -> None:
    sql = "{{ config(materialized='incremental') }}" + PORTS
    assert built(read_project(tmp_path, {"models/ports.sql": sql})["ports"], lake, [""])[0].error is None
    changed = read_project(tmp_path, {"models/ports.sql": sql.replace("*", "airport")})["ports"]
    with pytest.raises(ContractError, match=r"gone: runways \(select runways again"):
        first_rows(changed, lake, "", 10, Resources())
