"""What a person does and sees in Dagster's web UI, in a real browser; what came of it is asked for over GraphQL."""

from __future__ import annotations

import re

import pytest

from batch_platform.automation.on_time import CHECK as ON_TIME
from batch_platform.automation.reporting import ERROR_CHECK
from batch_platform.lake.table import Table
from batch_platform_tests.pipelines.deployed import Deployment, Server, days_before, today
from batch_platform_tests.ui.browser import Screen
from batch_platform_tests.ui.conftest import BAD, LATE

pytestmark = pytest.mark.slow

SNAPSHOT, FEATURES, PREDICTIONS = "snapshots/visits", "features/visit_features", "predictions/visits"
GROUP = "/locations/__repository__@project/asset-groups/visits/lineage"
MADE_SECONDS = 180


def _made(server: Server, table: str) -> set[str]:
    return server.partitions(table).get("MATERIALIZED", set())


def _on_time(server: Server, status: str) -> set[str]:
    return server.checks(PREDICTIONS)[ON_TIME].get(status, set())


def _runs_of(deployment: Deployment, table: str, days: list[str]) -> dict[str, str]:
    return {key: found.provenance.run_id for key, found in Table(deployment.settings.lake, table).records(days).items()}


def test_one_partition_is_materialized_with_a_click(server: Server, screen: Screen) -> None:
    day = days_before(today(), 42, 42)[0]
    screen.open(f"/assets/{SNAPSHOT}?view=partitions")
    screen.launch(re.compile("Materialize"), day, "Launch 1 run", "1-materialize-one-day")
    server.wait("the partition", MADE_SECONDS, lambda: day in _made(server, SNAPSHOT))
    assert server.checks(SNAPSHOT)[ERROR_CHECK]["SUCCEEDED"] >= {day}
    assert not _made(server, SNAPSHOT) & set(days_before(today(), 45, 43))
    screen.open(f"/assets/{SNAPSHOT}?view=partitions&partition={day}")
    screen.see(day)
    screen.see("digest")
    screen.keep("2-one-day-is-made")


def test_a_backfill_of_two_weeks_makes_the_good_days_and_shows_the_one_bad_day(server: Server, screen: Screen) -> None:
    days, bad = days_before(today(), 36, 23), days_before(today(), BAD, BAD)[0]
    screen.open(GROUP)
    chosen = f"[{days[0]}...{days[-1]}]"
    screen.launch(re.compile("Materialize all"), chosen, "Launch backfill", "3-backfill-two-weeks")

    def ended() -> bool:
        found = server.ask("{ partitionBackfillsOrError { ... on PartitionBackfills { results { id status } } } }")
        states = {each["status"] for each in found["partitionBackfillsOrError"]["results"]}
        return bool(states) and states.isdisjoint({"REQUESTED", "CANCELING", "FAILING"})

    server.wait("the end of the backfill", MADE_SECONDS, ended)
    wanted = set(days)
    assert _made(server, SNAPSHOT) & wanted == wanted - {bad}
    produced = server.checks(SNAPSHOT)[ERROR_CHECK]
    assert produced["FAILED"] & wanted == {bad}
    assert produced["SUCCEEDED"] & wanted == wanted - {bad}
    # A day's features read three days: the first two lack what lies before the backfill, three more the bad day.
    whole = wanted - {*days[:2], *days_before(today(), BAD, BAD - 2)}
    for table in (FEATURES, PREDICTIONS):
        assert _made(server, table) & wanted == whole
    screen.open(f"/assets/{SNAPSHOT}?view=partitions&partition={bad}")
    screen.see(bad)
    screen.keep("4-two-weeks-with-one-bad-day")
    screen.open_check(SNAPSHOT, ERROR_CHECK, bad, days)
    screen.see(f"data/visits/{bad}.csv, row 2, column 'distance': 'far' is not DOUBLE")
    screen.keep("5-the-failed-check-of-the-bad-day")


def test_the_sensor_says_what_it_does_and_why_the_rest_waits(server: Server, screen: Screen) -> None:
    def looked() -> bool:
        state = server.sensor("scheduling")
        return state["status"] == "RUNNING" and any(tick["status"] == "SUCCESS" for tick in state["ticks"])

    server.wait("a look that starts runs", MADE_SECONDS, looked)
    assert not [tick for tick in server.sensor("scheduling")["ticks"] if tick["error"]]
    screen.open("/locations/project/sensors/scheduling")
    screen.see("Compares what tables hold with what they should hold")
    screen.see(re.compile(r"^[1-9]\d* runs? requested"))
    screen.keep("6-the-sensor-and-its-ticks")


def test_a_late_file_makes_its_day_and_the_rolling_days_after_by_itself(
    deployment: Deployment, server: Server, screen: Screen
) -> None:
    before, late = days_before(today(), 7, LATE + 1), days_before(today(), LATE, 1)
    server.wait("the days before", MADE_SECONDS, lambda: _made(server, PREDICTIONS) >= set(before))
    assert _made(server, FEATURES).isdisjoint(late)
    earlier = _runs_of(deployment, PREDICTIONS, before)
    server.wait("the days before on time", MADE_SECONDS, lambda: _on_time(server, "SUCCEEDED") >= set(before))
    assert late[0] in _on_time(server, "FAILED")
    screen.open_check(PREDICTIONS, ON_TIME, late[0], [*before, *late])
    screen.see(re.compile(rf"overdue since .* {SNAPSHOT}\[{late[0]}\]: has not arrived"))
    screen.keep("7-overdue-and-why")

    deployment.write_visits([late[0]])
    server.wait("the late day and those after", 2 * MADE_SECONDS, lambda: _made(server, PREDICTIONS) >= set(late))

    assert _runs_of(deployment, PREDICTIONS, before) == earlier
    by_run = {run["id"]: run for run in server.runs()}
    made_by = set(_runs_of(deployment, PREDICTIONS, late).values())
    assert {by_run[made]["tags"].get("batch_platform/scheduled") for made in made_by} == {"true"}
    screen.open(f"/assets/{PREDICTIONS}?view=partitions&partition={late[0]}")
    screen.see(late[0])
    screen.keep("8-the-late-day-and-those-after")
    screen.open("/runs")
    screen.see(re.compile("Success"))
    screen.keep("9-runs-that-nobody-launched")

    server.wait("the day that is healed", MADE_SECONDS, lambda: late[0] in _on_time(server, "SUCCEEDED"))
    screen.open_check(PREDICTIONS, ON_TIME, late[0], [*before, *late])
    screen.see(re.compile("there, .* after its deadline"))
    screen.keep("10-there-after-its-deadline")
