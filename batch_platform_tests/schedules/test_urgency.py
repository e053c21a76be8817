"""Latest starts: worked back from deadlines through whatever must still be made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from batch_platform.partitions import Offset
from batch_platform.schedules.owed import Owed, Reason
from batch_platform.schedules.slo import Slo
from batch_platform.schedules.urgency import SLACK, UNKNOWN_SECONDS, latest_starts
from batch_platform_tests.schedules.tables import READER, SOURCE, facts, holding, reader, source

DAY = "2025-03-09"
DUE = datetime(2025, 3, 10, 18, tzinfo=UTC)
SLO = Slo(Offset.parse("+1d 18:00"))
OWED = {SOURCE: {DAY: Owed(Reason.MISSING, "")}, READER: {DAY: Owed(Reason.MISSING, "")}}
SECONDS = {SOURCE: 60.0, READER: 600.0}


def test_a_chain_starts_in_time_for_its_end() -> None:
    found = latest_starts([source(), reader(slo=SLO)], OWED, facts(holding({}), seconds=SECONDS))
    reading = DUE - timedelta(seconds=600) - SLACK
    assert found == {(READER, DAY): reading, (SOURCE, DAY): reading - timedelta(seconds=60) - SLACK}


def test_the_earlier_of_two_deadlines_counts() -> None:
    own = Slo(Offset.parse("+1d 12:00"))
    found = latest_starts([source(slo=own), reader(slo=SLO)], OWED, facts(holding({}), seconds=SECONDS))
    assert found[SOURCE, DAY] == datetime(2025, 3, 10, 12, tzinfo=UTC) - timedelta(seconds=60) - SLACK


def test_what_is_there_already_need_not_start() -> None:
    found = latest_starts([source(), reader(slo=SLO)], {READER: OWED[READER]}, facts(holding({}), seconds=SECONDS))
    assert found.keys() == {(READER, DAY)}


def test_without_a_deadline_nothing_is_urgent() -> None:
    assert latest_starts([source(), reader()], OWED, facts(holding({}))) == {}


def test_what_was_never_measured_is_taken_to_last_some_minutes() -> None:
    found = latest_starts([reader(slo=SLO)], OWED, facts(holding({})))
    assert found[READER, DAY] == DUE - timedelta(seconds=UNKNOWN_SECONDS) - SLACK
