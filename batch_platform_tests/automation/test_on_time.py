"""What a result of the check `on_time` says, and how severe it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from batch_platform.automation.on_time import length, line, on_time_check, outcome
from batch_platform.schedules.freshness import PartitionFreshness, State
from batch_platform_tests.schedules.deadlines import DAYS, table_of

DUE = datetime(2026, 3, 6, 9, tzinfo=UTC)
WHERE = ("snapshots/a", "2026-03-05")


def told(state: State, by: timedelta = timedelta(), text: str = "") -> PartitionFreshness:
    """A judged partition."""
    return PartitionFreshness("features/b", "2026-03-05", state, DUE, by=by, root=WHERE, text=text)


@pytest.mark.parametrize(
    ("state", "by", "text", "said", "passed", "warns"),
    [
        (State.FRESH, 0, "", "there in time", True, False),
        (State.FRESH, 90, "", "there, 1 h 30 min after its deadline", True, False),
        (State.OUTDATED, 0, "a: b", "there in time; to be made again: a: b", True, False),
        (State.DUE, 0, "a: has not arrived", "due 2026-03-06 09:00 UTC: a: has not arrived", True, False),
        (State.WARNED, 0, "a: b", "due 2026-03-06 09:00 UTC: a: b", True, True),
        (State.OVERDUE, 5, "a: b", "overdue since 2026-03-06 09:00 UTC: a: b", False, False),
    ],
)
def test_a_result_fails_if_overdue_and_warns_before(
    state: State, by: int, text: str, said: str, passed: bool, warns: bool
) -> None:
    found = told(state, timedelta(minutes=by), text)
    result = outcome(found)
    assert line(found) == result.description == said
    assert (result.passed, result.warns) == (passed, warns)
    assert result.details["state"] == state.value and result.details["due"] == "2026-03-06 09:00 UTC"
    assert ("reason" in result.details) == bool(text)
    assert result.details.get("past its deadline") == (length(timedelta(minutes=by)) if by else None)


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=59), "59 s"),
        (timedelta(minutes=1), "1 min"),
        (timedelta(minutes=61), "1 h 1 min"),
        (timedelta(days=3, hours=4, minutes=50), "3 d 4 h"),
        (timedelta(days=400), "400 d"),
    ],
)
def test_a_length_is_told_in_its_two_largest_units(by: timedelta, said: str) -> None:
    assert length(by) == said


def test_a_table_without_an_objective_has_no_check() -> None:
    with pytest.raises(ValueError, match="no deadline"):
        on_time_check(table_of("snapshots/a", DAYS, "+1d"), lambda *_: [])
