"""A grid operator's pipeline: hourly meters, weekly tariffs, daily and weekly tables over them, in Berlin's clock.

Proves, through Dagster, what SQL models promise together: cadences mapped onto one another on the day with 25 hours,
rolling windows, a macro, a seed, an ephemeral model, a model that reads its own past, singular tests and relationships,
equal content whether days are built alone or in a range, and late data that change what they affect and nothing else.
"""

from __future__ import annotations

import shutil

import dagster as dg
import pytest

from batch_platform.automation.reporting import asset_key
from batch_platform.lake.table import Table
from batch_platform.settings import Settings
from batch_platform_tests.pipelines.energy.data import hours_of, write_readings, write_tariffs
from batch_platform_tests.pipelines.project import Project, execute

DAYS = [f"2025-10-{day}" for day in range(25, 32)] + ["2025-11-01"]
LONG_DAY = "2025-10-26"
WEEKS = ["2025-10-19", "2025-10-26"]
DAILY = ("daily_consumption", "consumption_features", "meter_totals")

pytestmark = pytest.mark.slow


@pytest.fixture
def grid(project: Project, settings: Settings) -> Project:
    """The pipeline with its files; meter 4 is silent on one day."""
    shutil.rmtree(project.defs("repeat_purchase").parent)
    project.add_project("energy")
    write_readings(project.root, DAYS, absent=[(4, "2025-10-28")])
    write_tariffs(project.root, WEEKS)
    return project


def _captured(definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    job = definitions.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, asset_selection=[asset_key("seeds/meters")]).success
    first, last = f"{DAYS[0]}-00:00", f"{DAYS[-1]}-23:00"
    assert execute(definitions, instance, ["snapshots/meter_readings"], first, last).success
    assert execute(definitions, instance, ["snapshots/tariffs"], WEEKS[0], WEEKS[-1]).success


def _digests(settings: Settings, name: str) -> dict[str, str]:
    return {key: found.record.digest for key, found in Table(settings.lake, f"features/{name}").records().items()}


def _rows(settings: Settings, name: str) -> list[dict[str, object]]:
    return list(Table(settings.lake, f"features/{name}").read().to_pylist())


def test_cadences_meet_on_the_day_with_25_hours(
    grid: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    definitions = grid.definitions()
    _captured(definitions, instance)
    assert len(hours_of(LONG_DAY)) == 25
    for name in DAILY:
        assert execute(definitions, instance, [f"features/{name}"], DAYS[0], DAYS[-1]).success
    assert execute(definitions, instance, ["features/weekly_consumption"], WEEKS[-1], WEEKS[-1]).success

    daily = {(row["partition_key"], row["meter_id"]): row for row in _rows(settings, "daily_consumption")}
    assert daily[LONG_DAY, 1]["hours_count"] == 25
    assert daily["2025-10-25", 1]["hours_count"] == 24
    assert ("2025-10-28", 4) not in daily
    weekly = {row["meter_id"]: row for row in _rows(settings, "weekly_consumption")}
    assert {meter: row["days_count"] for meter, row in weekly.items()} == {1: 7, 2: 7, 3: 7, 4: 6}
    week = [row for (day, meter), row in daily.items() if meter == 1 and day >= LONG_DAY]
    assert weekly[1]["kilowatt_hours"] == pytest.approx(sum(float(row["kilowatt_hours"]) for row in week))
    totals = {(row["partition_key"], row["meter_id"]): row["hours_count"] for row in _rows(settings, "meter_totals")}
    assert totals[DAYS[-1], 1] == sum(len(hours_of(day)) for day in DAYS)
    features = {(row["partition_key"], row["meter_id"]): row for row in _rows(settings, "consumption_features")}
    assert features[DAYS[-1], 2]["days_count"] == len(DAYS)
    mean = sum(float(daily[day, 2]["kilowatt_hours"]) for day in DAYS) / len(DAYS)
    assert features[DAYS[-1], 2]["kilowatt_hours_mean_28_days"] == pytest.approx(mean)
    # The tariffs of the week that begins on Sunday are known on Saturday, but begin after it.
    assert features["2025-10-25", 2]["cents_per_day"] == pytest.approx(
        float(features["2025-10-25", 2]["kilowatt_hours_mean_28_days"]) * 20.25
    )


def test_a_range_and_single_days_hold_the_same(grid: Project, instance: dg.DagsterInstance, settings: Settings) -> None:
    definitions = grid.definitions()
    _captured(definitions, instance)
    together = {}
    for name in DAILY:
        assert execute(definitions, instance, [f"features/{name}"], DAYS[0], DAYS[-1]).success
        together[name] = _digests(settings, name)
    for day in DAYS[4:8]:
        for name in DAILY:
            assert execute(definitions, instance, [f"features/{name}"], day, day).success
    assert {name: _digests(settings, name) for name in DAILY} == together


def test_late_data_change_what_they_affect(grid: Project, instance: dg.DagsterInstance, settings: Settings) -> None:
    definitions = grid.definitions()
    _captured(definitions, instance)
    for name in DAILY:
        assert execute(definitions, instance, [f"features/{name}"], DAYS[0], DAYS[-1]).success
    before = {name: _digests(settings, name) for name in DAILY}

    late = "2025-10-28"
    write_readings(grid.root, [late])  # meter 4 reports after all
    assert execute(definitions, instance, ["snapshots/meter_readings"], f"{late}-00:00", f"{late}-23:00").success
    for name in DAILY:
        assert execute(definitions, instance, [f"features/{name}"], DAYS[0], DAYS[-1]).success
    changed = {name: sorted(k for k, d in _digests(settings, name).items() if d != before[name][k]) for name in DAILY}
    after = [day for day in DAYS if day >= late]
    assert changed == {"daily_consumption": [late], "consumption_features": after, "meter_totals": after}


def test_a_day_that_breaks_a_relationship_goes_to_quarantine(
    grid: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    """A meter that the seed does not know: its row stands aside, with the rule, and the day is refused above 1%."""
    seed = grid.root / "dbt_like_sql" / "seeds" / "meters.csv"
    seed.write_text(seed.read_text().replace("3,2,day\n", ""))
    definitions = grid.definitions()
    _captured(definitions, instance)
    found = execute(definitions, instance, ["features/daily_consumption"], DAYS[0], DAYS[0])
    assert not found.success
    reasons = [
        e.description for e in found.get_asset_check_evaluations() if not e.passed and e.check_name == "contract"
    ]
    assert reasons and "relationships" in reasons[0] and "1 of 4 rows" in reasons[0]


def test_the_plan_of_a_single_day_is_printed(grid: Project, settings: Settings) -> None:
    """What a person sees of the daily table: floats summed as exact decimals, the macro and the window written out."""
    from batch_platform.features.component import sql_models
    from batch_platform.features.preview import stages

    with grid.tree() as tree:
        found = stages(sql_models(tree.load_context)["daily_consumption"], LONG_DAY)
    assert "TIMESTAMPTZ '2025-10-26T00:00:00+02:00'" in found.rendered
    assert "{{" not in found.rendered
    assert "HUGEINT" in found.order_proof and "HUGEINT" not in found.rendered
    assert "relationships" in found.final and not found.unproven
