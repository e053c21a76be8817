"""The picture of the simulated month says what happened in it."""

from __future__ import annotations

from batch_platform_tests.simulation.days import days_from
from batch_platform_tests.simulation.picture import BAD, DAYS, month
from batch_platform_tests.simulation.shop import MODEL, ORDERS, SCORES


def test_what_is_written_into_the_picture_is_so() -> None:
    world = month()
    overdue = [day for day in DAYS if world.first_made(SCORES, day).isoformat() > f"{day}T06:00"]
    assert overdue == ["2025-03-06", *days_from("2025-03-15", 4), *days_from("2025-03-23", 3)]
    again = [day for day, count in world.made(SCORES).items() if count > 1]
    assert sorted(again) == days_from("2025-03-09", 4)
    assert world.made(MODEL) == {}
    back = [run for run in world.runs_of(SCORES) if run.asked > world.local("2025-03-18 11:00")][:2]
    assert [run.keys for run in back] == [("2025-03-18",), ("2025-03-15", "2025-03-16", "2025-03-17")]
    assert sum((ORDERS, BAD) in run.failed for run in world.runs) == 4
