"""A team never has more runs of the platform's own than its quota, and the most urgent of them go first."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from batch_platform.schedules.quotas import within_quotas

TEAMS = st.sampled_from(["", "flight-ops", "sales", "risk"])
RUNS = st.lists(st.tuples(TEAMS, st.integers(0, 1000)), max_size=30)
COUNTS = st.dictionaries(TEAMS.filter(bool), st.integers(0, 6))


def _team(run: tuple[str, int]) -> str:
    return run[0]


@given(RUNS, COUNTS, COUNTS)
def test_no_team_exceeds_its_quota_and_no_place_stays_empty(
    runs: list[tuple[str, int]], running: dict[str, int], quotas: dict[str, int]
) -> None:
    start, wait = within_quotas(runs, _team, running, quotas)
    assert Counter(start) + Counter(wait) == Counter(runs)
    for team in {_team(run) for run in runs}:
        own = [run for run in runs if _team(run) == team]
        room = max(0, quotas[team] - running.get(team, 0)) if team in quotas else len(own)
        assert [run for run in start if _team(run) == team] == own[:room]
        assert [run for run in wait if _team(run) == team] == own[room:]


def test_runs_of_a_team_wait_for_those_that_it_has_already() -> None:
    runs = [("flight-ops", 1), ("sales", 2), ("flight-ops", 3), ("", 4)]
    start, wait = within_quotas(runs, _team, {"flight-ops": 1}, {"flight-ops": 2})
    assert start == [("flight-ops", 1), ("sales", 2), ("", 4)]
    assert wait == [("flight-ops", 3)]
