"""What models become follows from their SQL, and what cannot be is told when definitions load, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence
from batch_platform_tests.features.projects import CONTRACT, DAILY, DAYS, read_project

SCHEMA = "models/schema.yml"
DAY = {"models/days.sql": DAYS, SCHEMA: CONTRACT.format(name="days")}


def _refused(root: Path, files: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as told:
        read_project(root, files)
    return str(told.value).replace(str(root), "")


def test_calendar_readings_and_columns_follow_from_the_sql(tmp_path: Path) -> None:
    (table,) = read_project(tmp_path, DAY).values()
    assert table.calendar == DAILY
    assert [(r.timeline.table, r.first, r.last) for r in table.readings] == [("snapshots/flights", 0, 0)]
    assert table.columns_read["snapshots/flights"].names[-1] == "partition_key"


def test_a_model_over_unpartitioned_tables_has_the_columns_of_its_sql(tmp_path: Path) -> None:
    """As in dbt: no key, no contract, and none of the platform's columns in `select *`."""
    tables = read_project(
        tmp_path,
        {
            "models/ports.sql": "SELECT *, runways * 2.5 AS size FROM {{ source('snapshots', 'airports') }}",
            "models/sums.sql": "SELECT sum(runways) AS runways, now_known FROM (SELECT *, 1 AS now_known "
            "FROM {{ ref('ports') }}) GROUP BY ALL",
        },
    )
    ports, sums = tables["ports"], tables["sums"]
    assert ports.calendar is None and sums.calendar is None
    assert [(c.name, c.data_type) for c in ports.contract.columns] == [
        ("airport", "VARCHAR"),
        ("runways", "INTEGER"),
        ("size", "DECIMAL(12,1)"),
    ]
    assert [(c.name, c.data_type) for c in sums.contract.columns] == [
        ("runways", "DECIMAL(38,0)"),
        ("now_known", "INTEGER"),
    ]


def test_views_are_read_through_to_what_is_stored(tmp_path: Path) -> None:
    tables = read_project(
        tmp_path,
        {
            "models/raw.sql": "{{ config(materialized='ephemeral') }}\n"
            "SELECT * FROM {{ source('snapshots', 'flights') }}",
            "models/long_ones.sql": "{{ config(materialized='view') }}\n"
            "SELECT * FROM {{ ref('raw') }} WHERE distance_miles > 500",
            "models/days.sql": DAYS.replace("source('snapshots', 'flights')", "ref('long_ones')"),
            SCHEMA: CONTRACT.format(name="days"),
        },
    )
    days = tables["days"]
    assert [view.name for view in days.views] == ["raw", "long_ones"]
    assert [r.timeline.table for r in days.readings] == ["snapshots/flights"]
    changed = tmp_path / "shop" / "models" / "raw.sql"
    changed.write_text(changed.read_text() + " WHERE true")
    assert read_project(tmp_path, {})["days"].sql_digest != days.sql_digest


def test_a_cadence_is_said_where_inputs_do_not_tell_it(tmp_path: Path) -> None:
    weekly = DAYS.replace("key=['flight']", "key=['flight'], cadence='weekly'")
    tables = read_project(
        tmp_path, {"models/weeks.sql": weekly, SCHEMA: CONTRACT.format(name="weeks")}, known_at="+8d 06:00"
    )
    calendar = tables["weeks"].calendar
    assert calendar is not None and calendar.cadence is Cadence.WEEKLY
    assert len(tables["weeks"].readings[0].keys("2025-01-12")) == 7


def test_a_model_sees_its_own_past(tmp_path: Path) -> None:
    own = DAYS.replace("key=['flight']", "key=['flight'], materialized='incremental', lookback={'this': 3}").replace(
        "AS flights", "AS flights LEFT JOIN {{ this }} AS earlier USING (flight)"
    )
    tables = read_project(tmp_path, {"models/days.sql": own, SCHEMA: CONTRACT.format(name="days")})
    reading = next(r for r in tables["days"].readings if r.timeline.table == "features/days")
    assert (reading.first, reading.last) == (3, 1)


def test_a_rule_on_a_later_table_moves_there(tmp_path: Path) -> None:
    """dbt tests after the run; here the rule waits for the table that it reads."""
    tables = read_project(
        tmp_path,
        {
            "models/ports.sql": "SELECT airport FROM {{ source('snapshots', 'airports') }}",
            "models/known.sql": "SELECT airport FROM {{ ref('ports') }}",
            SCHEMA: "models:\n  - name: ports\n    columns:\n      - name: airport\n"
            "        data_tests: [{relationships: {to: ref('known'), field: airport}}]\n",
            "tests/ports_have_names.sql": "SELECT * FROM {{ ref('ports') }} WHERE airport = ''",
        },
    )
    assert not tables["ports"].contract.set_rules
    assert [query.name for query in tables["ports"].contract.queries] == ["ports_have_names"]
    (moved,) = tables["known"].contract.queries
    assert moved.name == "features/ports: airport: relationships(features/known, airport)"
    assert {r.timeline.table for r in tables["known"].readings} == {"features/ports"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"models/days.sql": DAYS}, "/shop/models/days.sql: model 'days' has no contract"),
        (
            DAY | {"models/days.sql": DAYS.replace("key=['flight']", "")},
            "/shop/models/days.sql:1: the model names no key",
        ),
        (
            DAY | {"models/days.sql": DAYS.replace("key=['flight']", "key=['fligth']")},
            "days declares no column fligth",
        ),
        (
            DAY | {"models/days.sql": DAYS.replace("'flights') }}", "'flghts') }}")},
            "/shop/models/days.sql:3: reads snapshots/flghts, which no component declares",
        ),
        (
            DAY | {"models/days.sql": DAYS.replace("flights.distance_miles", "flights.distnce_miles")},
            '/shop/models/days.sql:2: Binder Error: Table "flights" does not have a column named "distnce_miles"',
        ),
        (
            DAY | {"models/days.sql": DAYS.replace("flights.distance_miles", "flights.distance_miles AS miles")},
            "its columns differ from the contract: missing distance_miles; undeclared miles",
        ),
        (
            DAY
            | {"models/days.sql": DAYS.replace("flights.distance_miles", "[1] AS distance_miles").replace("SEL", "S")},
            "/shop/models/days.sql",
        ),
        (
            {
                "models/a.sql": "SELECT * FROM {{ ref('b') }}",
                "models/b.sql": "SELECT 1\n-- over\nFROM {{ ref('c') }}",
                "models/c.sql": "SELECT * FROM {{ ref('b') }}",
            },
            "models read one another in a circle",
        ),
        (
            {"models/a.sql": "SELECT a.airport, [a.runways] AS r FROM {{ source('snapshots', 'airports') }} AS a"},
            "/shop/models/a.sql: column r is list<l: int32>, which the lake does not store",
        ),
        (
            DAY
            | {"models/days.sql": DAYS.replace("flights.distance_miles", "TIMESTAMPTZ '2025-01-06' AS distance_miles")},
            "distance_miles is TIMESTAMPTZ, declared BIGINT",
        ),
        (
            DAY | {"models/days.sql": DAYS.replace("key=['flight']", "key=['flight'], lookback={'nobody': 3}")},
            "nobody",
        ),
        (
            DAY | {"models/days.sql": DAYS.replace("'flights'", "'outcomes'").replace("distance_miles", "late")},
            "/shop/models/days.sql:3: snapshots/outcomes is known at '+2d', after the decision time",
        ),
        (
            {"models/a.sql": "{{ config(cadence='daily') }}\nSELECT * FROM {{ source('snapshots', 'airports') }}"},
            "/shop/models/a.sql:1: reads no partitioned table",
        ),
        (
            DAY | {"models/days.sql": "COPY (SELECT 1) TO '/tmp/x'"},
            "/shop/models/days.sql",
        ),
    ],
)
def test_what_cannot_be_is_told_when_definitions_load(tmp_path: Path, files: dict[str, str], said: str) -> None:
    assert said in _refused(tmp_path, files)


def test_one_table_with_two_lookbacks_is_refused(tmp_path: Path) -> None:
    told = _refused(
        tmp_path,
        DAY
        | {
            "models/late.sql": "{{ config(materialized='view', cadence='daily', lookback={'flights': 3}) }}\n"
            "SELECT * FROM {{ source('snapshots', 'flights') }}",
            "models/days.sql": DAYS + "LEFT JOIN {{ ref('late') }} AS late USING (flight)",
        },
    )
    assert "reads snapshots/flights with two lookbacks, none and 3" in told
    assert told.startswith("/shop/models/days.sql:4: ")


def test_a_model_that_reads_itself_says_how_far(tmp_path: Path) -> None:
    own = DAYS.replace("AS flights", "AS flights LEFT JOIN {{ this }} AS earlier USING (flight)")
    told = _refused(tmp_path, {"models/days.sql": own, SCHEMA: CONTRACT.format(name="days")})
    assert "reads itself without saying how many of its earlier partitions" in told


def test_an_incremental_model_keeps_its_columns(tmp_path: Path) -> None:
    sql = (
        "{{ config(materialized='incremental') }}\nSELECT airport{% if not is_incremental() %}, runways{% endif %}\n"
        "FROM {{ source('snapshots', 'airports') }}{% if is_incremental() %}\n"
        "WHERE airport NOT IN (SELECT airport FROM {{ this }}){% endif %}"
    )
    assert "its columns differ where is_incremental() is true" in _refused(tmp_path, {"models/ports.sql": sql})


def test_the_digest_follows_what_may_be_read(tmp_path: Path) -> None:
    """Other partitions give other rows: a changed decision time or lookback makes what is stored stale."""
    late = "{{ config(key=['flight'], cadence='daily', lookback={'outcomes': 2}) }}\n" + DAYS.split("\n", 1)[1].replace(
        "flights.distance_miles", "CAST(1 AS BIGINT) AS distance_miles"
    ).replace("'flights')", "'outcomes')")
    files = {"models/days.sql": late, SCHEMA: CONTRACT.format(name="days")}
    first = read_project(tmp_path, files)["days"].sql_digest
    assert read_project(tmp_path, files)["days"].sql_digest == first
    assert read_project(tmp_path, files, known_at="+3d")["days"].sql_digest != first
    ports = {"models/ports.sql": "SELECT airport FROM {{ source('snapshots', 'airports') }}"}
    plain = [read_project(tmp_path / "plain", ports, known_at=at)["ports"].sql_digest for at in ("0d", "+3d")]
    assert plain[0] == plain[1]
