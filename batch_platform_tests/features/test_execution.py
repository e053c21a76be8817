"""How rows pass through a build: in batches or at once, within a memory limit, with views, over earlier rows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError, ContractError, UnreadableError
from batch_platform.features import partition_writer, sandbox
from batch_platform.features.build import build
from batch_platform.features.definition import FeatureTable
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import PartitionOutcome
from batch_platform.resources import LEAST_MEMORY, Resources
from batch_platform.sql.config import Materialization
from batch_platform.sql.model import SqlModel, load_model
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Reading, Timeline
from batch_platform_tests.features.tables import (
    CONTRACT,
    DAYS,
    FEATURES,
    FLIGHTS,
    KNOWN_AT,
    OUTCOMES,
    QUARANTINE,
    RUN,
    SQL,
    built,
    feature_table,
    put,
    put_days,
)

DAY = DAYS[5]
MANY = """{{ config(key=['flight']) }}
SELECT 'f' || lpad(CAST(r.n * 7919 % 20000 AS VARCHAR), 6, '0') AS flight, r.n % 6000 AS distance_miles,
    r.n AS delay_3_days_minutes, CAST(hash(r.n) % 1000 AS BIGINT) AS flown_3_days_count, _source_file, _source_row
FROM {{ source('snapshots', 'flights') }} AS f, range(20000) AS r(n) WHERE f.flight = 'AA1'"""


def in_batches(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let rows come out of a query in batches of so many at most."""
    monkeypatch.setattr(sandbox, "BATCH_ROWS", rows)


def content(lake: Lake, table: str = FEATURES, key: str = DAY) -> bytes:
    (file,) = Table(lake, table).files([key])
    return Path(file).read_bytes()


@pytest.mark.parametrize("rows", [2048, 6000, 19_999, 20_000])
def test_a_partition_has_the_same_bytes_in_batches_and_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """And the same digest, ledger, statistics and quarantine: 5999 of every 6000 distances are in the contract."""
    found = []
    for name, size in (("whole", 10**6), ("parts", rows)):
        lake = Lake(str(tmp_path / name))
        put_days(lake)
        in_batches(monkeypatch, size)
        monkeypatch.setattr("batch_platform.lake.row_groups.ROW_GROUP_ROWS", 3000)
        (outcome,) = built(feature_table(tmp_path / "sql", MANY), lake, [DAY])
        assert outcome.error is None
        delta = Table(lake, FEATURES).open()
        assert delta is not None
        actions = pa.table(delta.get_add_actions()).to_pylist()
        statistics = [{**action, "modification_time": None} for action in actions]
        found.append((outcome.digest, outcome.metadata["ledger"], content(lake), content(lake, QUARANTINE), statistics))
    assert found[0] == found[1]
    assert "quarantined" in str(found[0][1]) and " 0 quarantined" not in str(found[0][1])
    assert not list(tmp_path.rglob("*.partial"))


def test_a_key_that_repeats_across_batches_is_found(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_days(lake)
    sql = MANY.replace("r.n * 7919 % 20000 AS VARCHAR", "r.n // 2048 AS VARCHAR").replace("% 6000", "% 10 + 1")
    in_batches(monkeypatch, 2048)
    (outcome,) = built(feature_table(tmp_path / "sql", sql), lake, [DAY])
    assert isinstance(outcome.error, ContractError) and "19990 rows repeat the key" in str(outcome.error)
    assert not list(Path(lake.root).rglob("*.partial"))


def test_too_many_broken_rows_stop_a_partition_before_its_end(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_days(lake)
    in_batches(monkeypatch, 2048)
    sql = MANY.replace("r.n % 6000", "-r.n")
    (outcome,) = built(feature_table(tmp_path / "sql", sql, stop_above="100 rows"), lake, [DAY])
    assert "at least 2048 of 2048 rows (100.00%) break the contract, more than 100 rows" in str(outcome.error)
    monkeypatch.setattr(partition_writer, "MOST_REJECTED", 5000)
    (outcome,) = built(feature_table(tmp_path / "sql", sql, stop_above="1%"), lake, [DAY])
    assert "at least 6144 of 6144 rows (100.00%) break the contract, more than 1%" in str(outcome.error)
    assert not list(Path(lake.root).rglob("*.partial"))


def test_rows_that_do_not_fit_into_memory_are_spilled_and_the_spill_is_cleaned(lake: Lake, tmp_path: Path) -> None:
    """Sorting 1.3 million rows of text takes more than the limit; the result is that of a build without one."""
    put_days(lake)
    sql = MANY.replace("range(20000)", "range(1300000)").replace("7919 % 20000", "7919 % 1300021")
    sql = sql.replace("lpad(CAST(", "lpad(repeat('x', 60) || CAST(").replace("6, '0')", "80, '0')")
    features, spill = feature_table(tmp_path / "sql", sql), tmp_path / "spill"
    limited = Resources(LEAST_MEMORY, spill, 1)
    most = 0

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, sum(file.stat().st_size for file in spill.rglob("duckdb_temp*") if file.is_file()))

    (free,) = build(features, lake, [DAY], RUN, Meter(0.04))
    done, other = threading.Event(), Lake(str(tmp_path / "other"))
    put_days(other)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        (tight,) = build(features, other, [DAY], RUN, Meter(0.04), limited)
    finally:
        done.set()
        watcher.join()
    assert free.error is None and tight.error is None and free.rows == tight.rows > 10**6
    assert tight.digest == free.digest and content(other) == content(lake)
    assert most > 10**7 and spill.is_dir() and not list(spill.iterdir())


VIEW = "SELECT flight, delay_minutes, partition_key FROM {{ source('snapshots', 'outcomes') }} WHERE delay_minutes >= 0"
OVER_VIEW = """{{ config(key=['flight']) }}
WITH late AS (SELECT flight, sum(delay_minutes) AS total, count(*) AS n FROM {{ ref('late') }} GROUP BY flight)
SELECT flights.flight, flights.distance_miles, CAST(coalesce(late.total, 0) AS BIGINT) AS delay_3_days_minutes,
    coalesce(late.n, 0) AS flown_3_days_count, flights._source_file, flights._source_row
FROM {{ source('snapshots', 'flights') }} LEFT JOIN late USING (flight)
WHERE {{ window.start }} < {{ window.end }}"""


def with_view(folder: Path, lookback: int = 3, sql: str = OVER_VIEW, view: str = VIEW) -> FeatureTable:
    """A feature table over a view of a view of the outcomes, of which it sees so many days."""
    features = feature_table(folder, sql)
    others = folder / "views"
    others.mkdir(exist_ok=True)
    views: list[SqlModel] = []
    for name, text in (
        ("raw", view),
        ("late", "SELECT flight, delay_minutes FROM {{ ref('raw') }} WHERE {{ window.start }} IS NOT NULL"),
    ):
        (others / f"{name}.sql").write_text("{{ config(key=['flight']) }}" + text)
        views.append(load_model(others / f"{name}.sql"))
    base = feature_table(folder / "base")
    flights, outcomes = base.readings
    readings = (flights, replace(outcomes, first=1 + lookback, last=2))
    return replace(features, readings=readings, views=tuple(views))


def one_by_one(features: FeatureTable, lake: Lake, days: Sequence[str]) -> dict[str, PartitionOutcome]:
    return {day: built(features, lake, [day])[0] for day in days}


def test_a_view_is_read_alone_and_in_one_pass(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_days(lake)
    features = with_view(tmp_path / "sql")
    alone = one_by_one(features, lake, DAYS)
    plain = one_by_one(feature_table(tmp_path / "plain"), Lake(lake.root), DAYS)
    assert [item.error for item in alone.values()] == [None] * len(DAYS)
    assert {day: item.digest for day, item in alone.items()} == {day: item.digest for day, item in plain.items()}
    monkeypatch.setattr(sandbox.Sandbox, "query", None)  # every day must come out of the one pass
    other = Lake(str(tmp_path / "other"))
    put_days(other)
    together = built(features, other, DAYS)
    assert [item.error for item in together] == [None] * len(DAYS)
    assert {item.key: item.digest for item in together} == {day: item.digest for day, item in alone.items()}


@pytest.mark.parametrize("view", ["SELECT 'x' AS flight, 1 AS delay_minutes FROM read_csv('/etc/passwd')",
                                  "SELECT 1 AS flight; DROP SCHEMA snapshots CASCADE"])  # fmt: skip
def test_a_view_stands_behind_the_same_walls(lake: Lake, tmp_path: Path, view: str) -> None:
    put_days(lake)
    outcomes = built(with_view(tmp_path / "sql", view=view), lake, DAYS[4:6])
    assert all(isinstance(outcome.error, ConfigurationError) for outcome in outcomes)
    assert all("root:" not in str(outcome.error) for outcome in outcomes)


def some_rows(column: str) -> st.SearchStrategy[dict[str, pa.Array]]:
    """Rows of a day: any of some flights, in any order, each with a number; often none."""
    names = st.lists(st.sampled_from(["AA1", "B62", "UA3", "é5"]), unique=True)
    rows = names.flatmap(lambda found: st.tuples(st.just(found), st.tuples(*[st.integers(1, 99)] * len(found))))
    return rows.map(lambda r: {"flight": pa.array(r[0], pa.string()), column: pa.array(r[1], pa.int64())})


def all_days(column: str) -> st.SearchStrategy[dict[str, dict[str, pa.Array]]]:
    return st.fixed_dictionaries({day: some_rows(column) for day in DAYS})


@given(
    st.sampled_from([1, 3, 28]),
    st.booleans(),
    all_days("distance_miles"),
    all_days("delay_minutes"),
    st.sampled_from(DAYS),
    some_rows("delay_minutes"),
    st.permutations(DAYS),
    st.integers(2, len(DAYS)),
)
@settings(max_examples=7)
def test_a_range_is_its_days_one_by_one_with_gaps_late_rows_and_long_windows(
    tmp_path_factory: pytest.TempPathFactory,
    lookback: int,
    over_view: bool,
    flights: dict[str, dict[str, pa.Array]],
    outcomes: dict[str, dict[str, pa.Array]],
    late: str,
    correction: dict[str, pa.Array],
    order: list[str],
    wanted: int,
) -> None:
    """Days without rows, days in any order, and corrections after the first build."""
    folder, days = tmp_path_factory.mktemp("random"), order[:wanted]
    lake = Lake(str(folder / "lake"))
    bring(lake, FLIGHTS, flights)
    bring(lake, OUTCOMES, outcomes)
    features = (with_view if over_view else longer)(folder / "sql", lookback)
    built(features, lake, DAYS[:4])
    bring(lake, OUTCOMES, {late: correction})
    together = {outcome.key: outcome for outcome in built(features, lake, days)}
    other = Lake(str(folder / "copy"))
    shutil.copytree(lake.root, other.root, ignore=shutil.ignore_patterns("features", "quarantine"))
    alone = one_by_one(features, other, days)
    assert {key: item.digest for key, item in together.items()} == {key: item.digest for key, item in alone.items()}
    for day in days:
        assert together[day].error is None and content(lake, key=day) == content(other, key=day)


def longer(folder: Path, lookback: int) -> FeatureTable:
    return feature_table(folder, SQL.replace("'outcomes': 3", f"'outcomes': {lookback}"))


def bring(lake: Lake, table: str, partitions: dict[str, dict[str, pa.Array]]) -> None:
    """Capture partitions, empty ones among them."""
    from batch_platform.snapshots.capture import Snapshot, capture
    from batch_platform_tests.features.tables import CALENDAR, Given

    name = table.split("/")[1]
    snapshot = Snapshot(name, Given(name, partitions), (), CALENDAR, empty_allowed=True)
    outcomes = capture(snapshot, lake, list(partitions), RUN, Meter(0.04))
    assert [outcome.error for outcome in outcomes] == [None] * len(partitions)


def test_a_file_without_a_newer_column_shows_it_empty(lake: Lake, tmp_path: Path) -> None:
    names = ["AA1", "B62"]
    put(lake, FLIGHTS, {DAYS[4]: {"flight": names, "distance_miles": [1, 2]}})
    put(lake, FLIGHTS, {DAYS[5]: {"flight": names, "distance_miles": [1, 2], "seats": [30, 40]}})
    put(lake, OUTCOMES, {day: {"flight": names, "delay_minutes": [1, 2]} for day in DAYS})
    sql = SQL.replace("flights.distance_miles,", "coalesce(flights.seats, 7) AS distance_miles,")
    features = feature_table(tmp_path / "sql", sql)
    for days in ([DAYS[4]], [DAYS[5]], DAYS[4:6]):
        assert [outcome.error for outcome in built(features, lake, days)] == [None] * len(days)
        for day in days:
            rows = Table(lake, FEATURES).read([day]).column("distance_miles").to_pylist()
            assert rows == ([7, 7] if day == DAYS[4] else [30, 40])


def test_rows_bear_the_partition_of_their_file(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    sql = SQL.replace("flights.flight,", "string_agg(flown.partition_key, ' ' ORDER BY 1) AS flight,").replace(
        "GROUP BY ALL\nORDER BY flight",
        "GROUP BY flights.flight, distance_miles, flights._source_file, flights._source_row",
    )
    features = replace(feature_table(tmp_path / "sql", sql))
    for days in ([DAY], DAYS[4:6]):
        built(features, lake, days)
    sql = sql.replace("AS flight,", "|| flights.flight AS flight,")
    for days in ([DAY], DAYS[4:7]):
        assert built(feature_table(tmp_path / "sql", sql), lake, days)[0].error is None
        seen = Table(lake, FEATURES).read([DAY]).column("flight").to_pylist()
        assert seen == [" ".join(DAYS[1:4]) + name for name in ("AA1", "B62", "UA3")]


@pytest.mark.parametrize("damage", [b"", b"PAR1", None, "tail"])
def test_whatever_befalls_a_file_only_its_readers_fail(lake: Lake, tmp_path: Path, damage: object) -> None:
    put_days(lake)
    (name,) = Table(lake, OUTCOMES).files([DAYS[3]])
    file = Path(name)
    if damage is None:
        file.unlink()
    elif damage == "tail":  # as long as it was, and wrong all over
        file.write_bytes(b"\x00" * file.stat().st_size)
    else:
        file.write_bytes(bytes(damage))  # type: ignore[arg-type]
    outcomes = built(feature_table(tmp_path / "sql"), lake, DAYS)
    failed = [outcome.key for outcome in outcomes if outcome.error is not None]
    assert failed == DAYS[5:8]
    for outcome in outcomes[5:8]:
        assert isinstance(outcome.error, UnreadableError)
        assert f"{OUTCOMES}[{DAYS[3]}]" in str(outcome.error) and "materialize it again" in str(outcome.error)


def test_a_query_cannot_open_even_the_files_that_it_reads(lake: Lake, tmp_path: Path) -> None:
    """Whoever knows the path of an input's file gains nothing by it."""
    put_days(lake)
    (file,) = Table(lake, FLIGHTS).files([DAYS[5]])
    for place in (f"read_parquet('{file}')", f"'{file}'", f"parquet_scan('{file}')", f"read_text('{file}')"):
        text = "{{ config(key=['flight']) }} SELECT flight, distance_miles, 1 AS delay_3_days_minutes, " + (
            "1 AS flown_3_days_count, _source_file, _source_row FROM " + place
        )
        for sql in (text, text + " -- {{ source('snapshots', 'flights') }}"):
            outcomes = built(feature_table(tmp_path / "sql", sql), lake, DAYS[4:6])
            assert all(isinstance(outcome.error, ConfigurationError) for outcome in outcomes)


def plain(folder: Path, sql: str, materialized: Materialization = Materialization.TABLE) -> FeatureTable:
    """A table without partitions over the airports."""
    features = feature_table(
        folder,
        sql,
        CONTRACT.split("      - {name: distance")[0].replace(", data_tests: [not_null]", "")
        + ("      - {name: n, data_type: BIGINT}\n"),
    )
    model = replace(features.model, config=replace(features.model.config, materialized=materialized))
    readings = (Reading(Timeline("snapshots/airports", None, None)),)
    return replace(features, model=model, calendar=None, readings=readings, known_at=KNOWN_AT)


def test_a_table_without_partitions_needs_no_position_and_no_key(lake: Lake, tmp_path: Path) -> None:
    put(lake, "snapshots/airports", {"": {"airport": ["LGA", "JFK"], "n": [2, 1]}})
    features = plain(tmp_path / "sql", "SELECT airport AS flight, n FROM {{ source('snapshots', 'airports') }}")
    (outcome,) = built(features, lake, [""])
    assert outcome.error is None and all(check.passed for check in outcome.checks)
    rows = Table(lake, FEATURES).read()
    assert rows.to_pydict() == {"flight": ["JFK", "LGA"], "n": [1, 2]}
    assert built(features, lake, [""])[0].digest == outcome.digest and Table(lake, FEATURES).version() == 1


@pytest.mark.parametrize("key", [True, False])
def test_an_incremental_table_without_partitions_keeps_its_rows(lake: Lake, tmp_path: Path, key: bool) -> None:
    head = "{{ config(key=['flight']) }}" if key else ""
    sql = head + (
        "SELECT airport AS flight, n FROM {{ source('snapshots', 'airports') }}"
        "{% if is_incremental() %} WHERE n > (SELECT max(n) FROM {{ this }}){% endif %}"
    )
    features = plain(tmp_path / "sql", sql, Materialization.INCREMENTAL)
    put(lake, "snapshots/airports", {"": {"airport": ["JFK", "LGA"], "n": [1, 2]}})
    assert built(features, lake, [""])[0].error is None
    put(lake, "snapshots/airports", {"": {"airport": ["EWR", "JFK", "BOS"], "n": [3, 4, 0]}})
    (outcome,) = built(features, lake, [""])
    assert outcome.error is None
    rows = Table(lake, FEATURES).read()
    found = list(zip(rows["flight"].to_pylist(), rows["n"].to_pylist(), strict=True))
    new = [("EWR", 3), ("JFK", 4), ("LGA", 2)]
    assert found == (new if key else sorted([*new, ("JFK", 1)]))


def test_a_partition_may_read_the_one_before_it_in_the_same_run(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    sql = """{{ config(key=['flight'], materialized='incremental', lookback={'this': 1}) }}
SELECT f.flight, f.distance_miles, coalesce(old.delay_3_days_minutes, 0) + 1 AS delay_3_days_minutes,
    1 AS flown_3_days_count, f._source_file, f._source_row
FROM {{ source('snapshots', 'flights') }} AS f LEFT JOIN {{ this }} AS old USING (flight)"""
    features = feature_table(tmp_path / "sql", sql)
    own = Reading(Timeline(FEATURES, features.calendar, KNOWN_AT), 1, 1)
    features = replace(features, readings=(*features.readings, own))
    outcomes = built(features, lake, [DAYS[2], DAYS[0], DAYS[1]])
    assert [outcome.error for outcome in outcomes] == [None] * 3
    for number, day in enumerate(DAYS[:3], start=1):
        assert Table(lake, FEATURES).read([day])["delay_3_days_minutes"].to_pylist() == [number] * 3
    (gap,) = built(features, lake, [DAYS[4]])
    assert f"{FEATURES} lacks partition {DAYS[3]}" in str(gap.error)


def test_a_set_rule_is_computed_over_the_whole_partition(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches of 2048 rows of which every row's twin stands in another batch."""
    put_days(lake)
    contract = CONTRACT.replace(
        "name: flown_3_days_count, data_type: BIGINT",
        "name: flown_3_days_count, data_type: BIGINT, data_tests: [unique]",
    )
    sql = MANY.replace("CAST(hash(r.n) % 1000 AS BIGINT)", "(r.n * 7919 % 20000) % 10000").replace("% 6000", "% 10 + 1")
    in_batches(monkeypatch, 2048)
    features = feature_table(tmp_path / "sql", sql, contract, stop_above="100%")
    for days in ([DAY], DAYS[5:7]):
        for outcome in built(features, lake, days):
            assert outcome.error is None and outcome.rows == 0
            assert outcome.extra[QUARANTINE].metadata["rules"] == {"flown_3_days_count: unique": 20_000}


def test_a_build_that_is_killed_leaves_nothing_that_anyone_sees(lake: Lake, tmp_path: Path) -> None:
    put_days(lake)
    program = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from batch_platform.features import sandbox
        from batch_platform.lake import file_writer, row_groups
        from batch_platform.lake.store import Lake
        from batch_platform_tests.features.tables import built, feature_table
        from batch_platform_tests.features.test_execution import MANY
        sandbox.BATCH_ROWS = 4096
        grow = file_writer._Growing.complete
        def stop(self):
            print("growing", flush=True)
            sys.stdin.read()
        file_writer._Growing.complete = stop
        row_groups.ROW_GROUP_ROWS = 1000
        built(feature_table(Path({str(tmp_path / "sql")!r}), MANY), Lake({lake.root!r}), [{DAY!r}])
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == "growing\n"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert Table(lake, FEATURES).version() == -1 and Table(lake, QUARANTINE).version() == -1
    assert not list((Path(lake.root) / "features").rglob("*.parquet"))
    (outcome,) = built(feature_table(tmp_path / "sql", MANY), lake, [DAY])
    assert outcome.error is None and pq.read_metadata(Table(lake, FEATURES).files([DAY])[0]).num_rows == outcome.rows
