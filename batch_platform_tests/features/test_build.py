"""Building: the contract applied, both tables committed in order, a partition sees what it may and nothing else."""

from __future__ import annotations

import random
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from batch_platform.errors import ConfigurationError, ContractError, PartitionKeyError, UnreadableError
from batch_platform.features import build as module
from batch_platform.features import query as queries
from batch_platform.lake.provenance import Ledger
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.features.tables import (
    CONTRACT,
    DAYS,
    FEATURES,
    FLIGHTS,
    OUTCOMES,
    QUARANTINE,
    SQL,
    built,
    feature_table,
    last_commit,
    put,
    put_days,
    versions,
)

DAY = DAYS[5]
ONE_COLUMN = "SELECT 'x' AS flight, 1 AS distance_miles, 1 AS delay_3_days_minutes, 1 AS flown_3_days_count"
POSITION = "'f' AS _source_file, 1 AS _source_row"


def query(text: str) -> str:
    """A model that reads its usual inputs and is this query."""
    return "{{ config(key=['flight'], lookback={'outcomes': 3}) }}" + (
        "{% set flights = source('snapshots', 'flights') %}{% set outcomes = source('snapshots', 'outcomes') %}" + text
    )


def test_a_partition_holds_its_rows_and_its_log_says_where_they_come_from(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    (outcome,) = built(features, lake, [DAY])
    assert outcome.error is None and outcome.rows == 3 and all(check.passed for check in outcome.checks)
    assert {check.name for check in outcome.checks} == {
        "contract", "ledger", "key_is_unique", "inputs_are_fresh", "no_future"
    }  # fmt: skip
    # Days 1 to 3 are 4 to 2 days before day 5: 1 + 4 + 9.
    rows = Table(lake, FEATURES).read([DAY]).to_pydict()
    assert rows["delay_3_days_minutes"] == [14, 3, 6] and rows["flown_3_days_count"] == [3, 3, 3]
    assert rows["_source_file"] == [f"flights-{DAY}.csv"] * 3 and rows["_source_row"] == [1, 2, 3]

    commit = last_commit(lake, FEATURES)
    record = commit.partitions[DAY]
    assert (commit.stage, commit.run_id, commit.engine) == ("features", "a-run", "local")
    assert commit.sql_digest and commit.package_version and commit.git_commit and commit.seconds > 0
    assert record.digest == outcome.digest and record.ledger == Ledger(3, {"valid": 3, "quarantined": 0})
    assert record.inputs[FLIGHTS].partitions == (DAY, DAY)
    assert record.inputs[FLIGHTS].version == Table(lake, FLIGHTS).version()
    assert record.inputs[OUTCOMES].partitions == (DAYS[1], DAYS[3])


def test_broken_rows_stand_in_quarantine_with_their_rule_and_position(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    put(lake, FLIGHTS, {DAY: {"flight": ["AA1", "B62", "UA3"], "distance_miles": [100, -7, 300]}})
    (outcome,) = built(feature_table(tmp_path / "sql"), lake, [DAY])
    assert outcome.error is None and outcome.rows == 2 and outcome.extra[QUARANTINE].rows == 1
    assert Table(lake, FEATURES).read([DAY]).column("flight").to_pylist() == ["AA1", "UA3"]
    (rejected,) = Table(lake, QUARANTINE).read([DAY]).to_pylist()
    assert (rejected["flight"], rejected["distance_miles"], rejected["_resolved"]) == ("B62", -7, False)
    assert (rejected["_source_file"], rejected["_source_row"]) == (f"flights-{DAY}.csv", 2)
    assert "distance_miles" in rejected["_rules"] and "range" in rejected["_rules"]

    ledger = last_commit(lake, FEATURES).partitions[DAY].ledger
    assert ledger.balanced and (ledger.rows, dict(ledger.outcomes)) == (3, {"valid": 2, "quarantined": 1})
    (contract,) = [check for check in outcome.checks if check.name == "contract"]
    assert contract.passed and "1 rows quarantined" in contract.description


def test_the_main_commit_names_the_version_of_the_quarantine_that_goes_with_it(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    built(features, lake, [DAYS[4]])
    put(lake, FLIGHTS, {DAY: {"flight": ["AA1", "B62"], "distance_miles": [100, -7]}})
    built(features, lake, [DAY])
    named = last_commit(lake, FEATURES).quarantine_version
    assert named == Table(lake, QUARANTINE).version()
    assert Table(lake, QUARANTINE).read([DAY], version=named).num_rows == 1


def test_a_rejected_row_that_changes_is_a_new_version_of_both_tables(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    for version, distance in enumerate((-7, -8), start=1):
        put(lake, FLIGHTS, {DAY: {"flight": ["AA1", "B62"], "distance_miles": [100, distance]}})
        (outcome,) = built(features, lake, [DAY])
        assert versions(lake) == (version, version)
        found = last_commit(lake, FEATURES)
        assert found.quarantine_version == version
        assert found.partitions[DAY].rejected == outcome.extra[QUARANTINE].digest
    assert built(features, lake, [DAY])[0].error is None and versions(lake) == (2, 2)


def test_an_error_that_may_pass_ends_the_run_and_changes_nothing(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    error = ContractError("busy", transient=True)

    def failing(*given: Any) -> Generator[Any, None, None]:
        yield next(queries.query(*given))
        yield queries.Failed(DAY, error)

    monkeypatch.setattr(module, "query", failing)
    with pytest.raises(ContractError) as caught:
        built(features, lake, [DAYS[4], DAY])
    assert caught.value is error and versions(lake) == (-1, -1)


def test_above_the_tolerance_the_partition_is_refused_and_its_earlier_content_stays(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql", stop_above="1 rows")
    built(features, lake, DAYS[4:7])
    before, rows = versions(lake), Table(lake, FEATURES).read([DAY])
    put(lake, FLIGHTS, {DAY: {"flight": ["AA1", "B62", "UA3"], "distance_miles": [0, -7, 300]}})
    (outcome,) = built(features, lake, [DAY])
    assert (
        isinstance(outcome.error, ContractError) and "2 of 3 rows" in str(outcome.error) and DAY in str(outcome.error)
    )
    assert [(check.name, check.passed) for check in outcome.checks] == [("contract", False)]
    assert versions(lake) == before and Table(lake, FEATURES).read([DAY]).equals(rows)


def test_a_refused_day_does_not_hold_up_the_good_ones(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    put(lake, FLIGHTS, {DAYS[5]: {"flight": ["AA1", "AA1"], "distance_miles": [1, 1]}})
    outcomes = built(feature_table(tmp_path / "sql"), lake, DAYS[4:7])
    assert [outcome.key for outcome in outcomes] == DAYS[4:7]
    assert [type(outcome.error) for outcome in outcomes] == [type(None), ContractError, type(None)]
    assert "1 rows repeat the key (flight)" in str(outcomes[1].error)
    assert Table(lake, FEATURES).partitions() == Table(lake, QUARANTINE).partitions() == {DAYS[4], DAYS[6]}


def test_a_day_without_rows_counts_as_computed(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    (outcome,) = built(feature_table(tmp_path / "sql", query("SELECT * FROM (" + SQL.split("}}", 1)[1].replace(
        "ORDER BY flight", "") + ") WHERE flight = 'none'")), lake, [DAY])  # fmt: skip
    assert outcome.error is None and outcome.rows == 0 and outcome.digest
    assert Table(lake, FEATURES).partitions() == Table(lake, QUARANTINE).partitions() == {DAY}


@pytest.mark.parametrize(
    ("table", "missing", "said"),
    [
        (FLIGHTS, [DAY], f"{FLIGHTS} lacks partition {DAY} "),
        (OUTCOMES, [DAYS[2]], f"{OUTCOMES} lacks partition {DAYS[2]} "),
        (OUTCOMES, DAYS[1:4], f"{OUTCOMES} lacks partition {DAYS[1]} and 2 more "),
    ],
)
def test_a_partition_that_lacks_an_input_is_refused(
    lake: Lake, tmp_path: Path, table: str, missing: list[str], said: str
) -> None:
    for own in (FLIGHTS, OUTCOMES):
        columns = {"flight": ["AA1"], ("distance_miles" if own == FLIGHTS else "delay_minutes"): [1]}
        put(lake, own, {day: columns for day in DAYS if own != table or day not in missing})
    outcomes = built(feature_table(tmp_path / "sql"), lake, [DAY, DAYS[8]])
    assert isinstance(outcomes[0].error, ContractError)
    assert said in str(outcomes[0].error) and f"{FEATURES}[{DAY}]" in str(outcomes[0].error)
    assert [(check.name, check.passed) for check in outcomes[0].checks] == [("inputs_are_fresh", False)]
    assert outcomes[1].error is None and Table(lake, FEATURES).partitions() == {DAYS[8]}


def test_an_input_that_was_never_captured_is_named(lake: Lake, tmp_path: Path) -> None:
    put(lake, FLIGHTS, {DAYS[0]: {"flight": ["AA1"], "distance_miles": [1]}})
    (outcome,) = built(feature_table(tmp_path / "sql"), lake, [DAYS[0]])
    assert isinstance(outcome.error, ContractError) and f"{OUTCOMES} lacks the table" in str(outcome.error)
    assert versions(lake) == (-1, -1)


def test_the_first_day_has_no_history_and_says_so(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    (outcome,) = built(feature_table(tmp_path / "sql"), lake, [DAYS[0]])
    assert outcome.error is None and OUTCOMES not in last_commit(lake, FEATURES).partitions[DAYS[0]].inputs
    assert Table(lake, FEATURES).read([DAYS[0]]).column("flown_3_days_count").to_pylist() == [0, 0, 0]


@pytest.mark.parametrize("key", ["../../etc", "2025-01-32", "x' OR 'a'='a", "", "2025-01-05"])
def test_a_key_that_the_calendar_does_not_know_is_refused_alone(lake: Lake, tmp_path: Path, key: str) -> None:
    put_days(lake)
    outcomes = built(feature_table(tmp_path / "sql"), lake, [key, DAY])
    assert isinstance(outcomes[0].error, PartitionKeyError) and outcomes[1].error is None
    assert Table(lake, FEATURES).partitions() == {DAY}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('https://example.com/x.parquet')",
        "COPY (SELECT 1) TO '{folder}/stolen.csv'",
        "ATTACH '{folder}/stolen.db'",
        "EXPORT DATABASE '{folder}/stolen'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET threads = 1",
        "RESET lock_configuration",
        "CREATE TABLE kept AS SELECT 1",
        "SET enable_external_access = true; SELECT * FROM read_csv('/etc/passwd')",
        "DROP VIEW snapshots.outcomes; SELECT 1",
        "SELECT 1; SELECT 2",
        "-- nothing",
        "SELECT * FROM outcomes_of_tomorrow",
        "SELECT * FROM readings",
        "SELECT nonsense FROM {flights}",
        "SELEC 1",
    ],
)
def test_sql_that_reaches_out_or_fails_is_refused_in_one_line(lake: Lake, tmp_path: Path, text: str) -> None:
    put_days(lake)
    text = text.replace("{folder}", str(tmp_path)).replace("{flights}", "{{ flights }}")
    features = feature_table(tmp_path / "sql", query(text))
    outcomes = built(features, lake, [DAYS[4], DAY])
    for outcome in outcomes:
        assert isinstance(outcome.error, ConfigurationError)
        message = str(outcome.error)
        assert "\n" not in message and message.startswith(f"{features.model.path}: ")
        assert "root:" not in message
    assert versions(lake) == (-1, -1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lake", "sql"]


@pytest.mark.parametrize(
    "hidden",
    [
        "SELECT 'x' AS flight, count(*) AS n FROM {{ outcomes }}",
        "SELECT table_name AS flight, sum(estimated_size) AS n FROM duckdb_tables() GROUP BY ALL",
    ],
)
def test_rows_of_other_partitions_are_absent_not_hidden(lake: Lake, tmp_path: Path, hidden: str) -> None:
    """Whatever relation the catalog names, its rows are those of the permitted partitions."""
    put_days(lake)
    sql = query(
        f"SELECT 'x' AS flight, CAST(max(n) AS BIGINT) AS distance_miles, 0 AS delay_3_days_minutes,"
        f" 0 AS flown_3_days_count, {POSITION} FROM ({hidden})"
    )
    built(feature_table(tmp_path / "sql", sql), lake, [DAYS[4], DAY, DAYS[9]])
    seen = Table(lake, FEATURES).read([DAY]).column("distance_miles").to_pylist()
    assert seen == ([9] if "outcomes" in hidden else [None])


def test_every_name_in_the_catalog_shows_only_permitted_partitions(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    names = []
    for text in ("SELECT DISTINCT view_name", "SELECT DISTINCT table_name"):
        catalog = "duckdb_views() WHERE NOT internal" if "view" in text else "duckdb_tables()"
        names.append(f"({text} AS name FROM {catalog})")
    listing = query(
        "SELECT name AS flight, 1 AS distance_miles, 0 AS delay_3_days_minutes, 0 AS flown_3_days_count, "
        f"{POSITION} FROM ({names[0]} UNION {names[1]}) ORDER BY name"
    )
    built(feature_table(tmp_path / "list", listing), lake, [DAY])
    found = Table(lake, FEATURES).read([DAY]).column("flight").to_pylist()
    assert "outcomes" in found
    for number, name in enumerate(found):
        relation = f'"{name}"' if "/" in name else f"snapshots.{name}"
        sql = query(
            f"SELECT DISTINCT partition_key AS flight, 1 AS distance_miles, 0 AS delay_3_days_minutes, "
            f"0 AS flown_3_days_count, {POSITION} FROM {relation} ORDER BY 1"
        )
        built(feature_table(tmp_path / f"peek{number}", sql), lake, [DAYS[4], DAY, DAYS[9]])
        peeked = Table(lake, FEATURES).read([DAY]).column("flight").to_pylist()
        assert peeked == ([DAY] if "flights" in name else DAYS[1:4])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (f"SELECT INTERVAL 1 DAY AS flight, 1 AS distance_miles, {POSITION}", "flight"),
        (f"{ONE_COLUMN}, 'f' AS _source_file, 'one' AS _source_row", "_source_row"),
        (f"{ONE_COLUMN}, 7 AS _source_file, 1 AS _source_row", "_source_file"),
        (f"{ONE_COLUMN}, 1 AS distance_miles, {POSITION}", "distance_miles"),
        (f"{ONE_COLUMN}, {{'a': 1}} AS nested, {POSITION}", "undeclared nested"),
        (ONE_COLUMN, "missing _source_file, _source_row"),
    ],
)
def test_rows_of_another_shape_are_refused_in_one_line(lake: Lake, tmp_path: Path, columns: str, said: str) -> None:
    put_days(lake)
    sql = query("{% raw %}" + columns + "{% endraw %}")
    (outcome,) = built(feature_table(tmp_path / "sql", sql), lake, [DAY])
    assert isinstance(outcome.error, ContractError | ConfigurationError)
    assert said in str(outcome.error) and "\n" not in str(outcome.error)
    assert versions(lake) == (-1, -1)


@pytest.mark.parametrize("seed", range(6))
def test_a_range_gives_the_digests_of_single_days(lake: Lake, tmp_path: Path, seed: int) -> None:
    """Whatever days are built together, in whatever order and with whatever gaps."""
    chosen = random.Random(seed)
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    alone = Lake(str(tmp_path / "alone"))
    put_days(alone)
    days = chosen.sample(DAYS, chosen.randint(2, 5))
    together = {outcome.key: outcome.digest for outcome in built(features, lake, days)}
    one_by_one = {day: built(features, alone, [day])[0].digest for day in sorted(days)}
    assert together == one_by_one and len(set(together.values())) == len(days)
    for day in days:
        rows = [Table(own, FEATURES).read([day]).sort_by("flight") for own in (lake, alone)]
        assert rows[0].equals(rows[1])


def test_a_rerun_commits_nothing(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    first = built(features, lake, DAYS[3:6])
    before = versions(lake)
    again = built(features, lake, DAYS[3:6])
    assert [outcome.digest for outcome in again] == [outcome.digest for outcome in first]
    assert versions(lake) == before


def test_a_late_correction_changes_exactly_the_days_whose_window_holds_it(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    before = {outcome.key: outcome.digest for outcome in built(features, lake, DAYS)}
    put(lake, OUTCOMES, {DAYS[3]: {"flight": ["AA1", "B62", "UA3"], "delay_minutes": [9, 1, 3]}})
    after = {outcome.key: outcome.digest for outcome in built(features, lake, DAYS)}
    assert {day for day in DAYS if before[day] != after[day]} == set(DAYS[5:8])
    assert set(last_commit(lake, FEATURES).partitions) == set(DAYS[5:8])


def test_a_damaged_input_fails_the_days_that_read_it_and_no_other(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    features = feature_table(tmp_path / "sql")
    built(features, lake, [DAYS[4]])
    before = versions(lake)
    (file,) = Table(lake, FLIGHTS).files([DAY])
    Path(file).write_bytes(b"PAR1")
    healthy, damaged = built(features, lake, [DAYS[4], DAY])
    assert healthy.error is None
    assert isinstance(damaged.error, UnreadableError) and f"snapshots/flights[{DAY}]" in str(damaged.error)
    assert versions(lake) == before


def test_a_model_that_fails_on_one_day_names_the_day(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    put(lake, FLIGHTS, {DAY: {"flight": ["not a number"], "distance_miles": [1]}})
    sql = SQL.replace("flights.distance_miles", "CAST(substr(flights.flight, 3) AS BIGINT) AS distance_miles")
    outcomes = built(feature_table(tmp_path / "sql", sql, CONTRACT), lake, DAYS[4:7])
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert f"the query fails for partition {DAY}: " in str(outcomes[1].error)
