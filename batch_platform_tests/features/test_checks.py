"""The checks fail when they should: each is shown a partition that it must refuse, and says why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import polars as pl
import pytest

from batch_platform.contracts.contract import Verdict
from batch_platform.features.checks import CHECKS, Reads, describe_reads, feature_checks, key_uniqueness
from batch_platform.lake.provenance import InputRead, Ledger
from batch_platform.outcomes import CheckOutcome
from batch_platform.partitions import Calendar, Offset
from batch_platform.timelines import Reading, Timeline, reading
from batch_platform_tests.features.tables import CALENDAR, DAYS, FLIGHTS, KNOWN_AT, OUTCOMES, TIMELINES

DAY = DAYS[5]
READINGS = (
    reading(TIMELINES[FLIGHTS], None, CALENDAR, KNOWN_AT),
    reading(TIMELINES[OUTCOMES], 3, CALENDAR, KNOWN_AT),
    reading(TIMELINES["snapshots/airports"], None, CALENDAR, KNOWN_AT),
)
Shown: TypeAlias = Mapping[str, tuple[str, str] | None]
GOOD: Shown = {FLIGHTS: (DAY, DAY), OUTCOMES: (DAYS[1], DAYS[3]), "snapshots/airports": None}
NO_ROWS = pl.DataFrame(schema={"flight": pl.String, "leg": pl.Int64})


def verdict(flights: list[str | None], legs: list[int | None], rejected: int = 0) -> Verdict:
    rows = pl.DataFrame({"flight": flights, "leg": legs}, schema=NO_ROWS.schema)
    broken = pl.DataFrame({"flight": ["XX"] * rejected, "leg": [0] * rejected}, schema=NO_ROWS.schema)
    return Verdict(rows, broken, {"leg is positive": rejected, "leg is small": 1} if rejected else {})


def checked(
    shown: Shown = GOOD,
    rows: Verdict | None = None,
    ledger: Ledger | None = None,
    readings: tuple[Reading, ...] = READINGS,
    unique: CheckOutcome | None = None,
) -> dict[str, CheckOutcome]:
    """All checks on one partition, which is good in whatever is not given."""
    decision = KNOWN_AT.after(CALENDAR.start_of(DAY))
    outcomes = feature_checks(
        Reads(readings, shown, DAY, decision),
        rows or verdict(["AA", "AA"], [1, 2]),
        unique or key_uniqueness(("flight", "leg"), 0, 0),
        ledger or Ledger(2, {"valid": 2, "quarantined": 0}),
    )
    assert [outcome.name for outcome in outcomes] == list(CHECKS)
    return {outcome.name: outcome for outcome in outcomes}


def failed(checks: Mapping[str, CheckOutcome]) -> list[str]:
    return [name for name, check in checks.items() if not check.passed]


def test_a_good_partition_passes_every_check_and_each_says_what_it_saw() -> None:
    checks = checked()
    assert failed(checks) == []
    assert all(CHECKS[name] and check.description for name, check in checks.items())
    assert "2025-01-10 18:00 UTC" in checks["no_future"].description
    assert dict(checks["ledger"].details) == {"rows": 2, "valid": 2, "quarantined": 0}


@pytest.mark.parametrize("newest", DAYS[4:])
def test_no_future_fails_for_an_input_that_became_known_later(newest: str) -> None:
    """Outcomes of a day are known at noon of the next; the decision falls at six on the evening before."""
    checks = checked({**GOOD, OUTCOMES: (DAYS[1], newest)})
    assert "no_future" in failed(checks)
    known = f"{OUTCOMES}[{newest}] is known at {CALENDAR.shift(newest, 1)} 12:00"
    assert known in checks["no_future"].description


def test_no_future_does_not_take_the_declared_reading_for_granted() -> None:
    """A reading that permits too much is caught by the times alone."""
    careless = tuple(Reading(one.timeline, 3, 0) if one.timeline.table == OUTCOMES else one for one in READINGS)
    checks = checked({**GOOD, OUTCOMES: (DAYS[2], DAY)}, readings=careless)
    assert failed(checks) == ["no_future"]


def test_an_input_known_at_the_very_decision_time_is_no_future() -> None:
    calendar = Calendar(CALENDAR.cadence, CALENDAR.start)
    for available, known in (("-1d 18:00", True), ("-1d 18:01", False)):
        exact = (Reading(Timeline(FLIGHTS, calendar, Offset.parse(available)), 0, 0),)
        assert (failed(checked({FLIGHTS: GOOD[FLIGHTS]}, readings=exact)) == []) is known


@pytest.mark.parametrize("table", [FLIGHTS, OUTCOMES])
def test_inputs_are_fresh_fails_for_an_older_partition(table: str) -> None:
    expected = GOOD[table]
    assert expected is not None
    checks = checked({**GOOD, table: (DAYS[0], CALENDAR.shift(expected[1], -1))})
    assert failed(checks) == ["inputs_are_fresh"]
    said = f"{table}: expected {expected[1]}, read {CALENDAR.shift(expected[1], -1)}"
    assert said in checks["inputs_are_fresh"].description


def test_inputs_are_fresh_fails_where_nothing_was_read() -> None:
    for shown in ({**GOOD, OUTCOMES: None}, {name: read for name, read in GOOD.items() if name != OUTCOMES}):
        checks = checked(shown)
        assert failed(checks) == ["inputs_are_fresh"]
        assert checks["inputs_are_fresh"].description == f"{OUTCOMES}: expected {DAYS[3]}, read nothing"


@pytest.mark.parametrize(("twins", "blanks"), [(2, 0), (0, 1), (1, 2)])
def test_key_is_unique_tells_twins_and_nulls(twins: int, blanks: int) -> None:
    checks = checked(unique=key_uniqueness(("flight", "leg"), twins, blanks))
    assert failed(checks) == ["key_is_unique"]
    said = f"{twins} rows repeat the key (flight, leg), {blanks} have a null in it"
    assert checks["key_is_unique"].description == said


def test_a_table_without_a_key_repeats_none() -> None:
    assert key_uniqueness((), 0, 0).passed


@pytest.mark.parametrize("counts", [{"valid": 1, "quarantined": 0}, {"valid": 3, "quarantined": -1}])
def test_a_ledger_that_does_not_balance_fails(counts: dict[str, int]) -> None:
    checks = checked(ledger=Ledger(2, counts))
    assert failed(checks) == ["ledger"] and checks["ledger"].description.startswith("2 rows = ")


def test_quarantined_rows_are_counted_by_rule_most_broken_first() -> None:
    contract = checked(rows=verdict(["AA"], [1], rejected=3))["contract"]
    assert contract.passed and contract.details == {"quarantined": 3}
    assert contract.description == "3 rows quarantined (leg is positive: 3, leg is small: 1)"


def test_reads_are_told_by_table_partitions_version_and_digest() -> None:
    inputs = {
        FLIGHTS: InputRead(3, "f" * 32, (DAY, DAY)),
        OUTCOMES: InputRead(4, "e" * 32, (DAYS[1], DAYS[3])),
        "snapshots/airports": InputRead(0, "d" * 32),
    }
    assert describe_reads(inputs) == [
        f"{FLIGHTS}[{DAY}] version 3, digest ffffffffffff",
        f"{OUTCOMES}[{DAYS[1]} to {DAYS[3]}] version 4, digest eeeeeeeeeeee",
        "snapshots/airports version 0, digest dddddddddddd",
    ]
