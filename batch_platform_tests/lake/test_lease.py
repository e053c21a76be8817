"""Leases: a step is known to work as long as it does, and steps and vacuums of one table keep apart."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from batch_platform.errors import LakeError
from batch_platform.lake import lease as leasing
from batch_platform.lake.lease import EXPIRY, VACUUM_EXPIRY, Mark, active_leases, all_leases, cleaning, lease
from batch_platform.lake.store import Lake

TABLE = "predictions/x"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_a_step_is_known_while_it_works_and_not_after_it(any_lake: Lake) -> None:
    with lease(any_lake, TABLE, "run/1", clock=lambda: NOW):
        assert [found.holder for found in active_leases(any_lake, TABLE, NOW)] == ["run/1"]
        assert not active_leases(any_lake, TABLE, NOW + EXPIRY)
        assert not active_leases(any_lake, "predictions/other", NOW)
    assert any_lake.list(TABLE) == []


def test_a_step_that_fails_gives_its_lease_back_too(lake: Lake) -> None:
    with pytest.raises(ValueError, match="fault"), lease(lake, TABLE, "run"):
        raise ValueError("fault")
    assert lake.list(TABLE) == []


def test_steps_of_one_run_hold_leases_of_their_own(lake: Lake) -> None:
    with lease(lake, TABLE, "run", clock=lambda: NOW):
        with lease(lake, TABLE, "run", clock=lambda: NOW):
            assert len(active_leases(lake, TABLE, NOW)) == 2
        assert len(active_leases(lake, TABLE, NOW)) == 1


def test_a_long_step_refreshes_its_lease(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "REFRESH_SECONDS", 0.01)
    times = [NOW]
    with lease(lake, TABLE, "run", clock=lambda: times[-1]):
        times.append(NOW + 2 * EXPIRY)
        deadline = time.monotonic() + 20
        while not active_leases(lake, TABLE, times[-1]) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(active_leases(lake, TABLE, times[-1])) == 1


def test_a_lease_that_cannot_be_read_counts_from_when_it_was_written(lake: Lake) -> None:
    lake.put_text(TABLE, "_leases/run-a-00000000.json", "{")
    now = datetime.now(UTC)
    assert len(active_leases(lake, TABLE, now)) == 1
    assert not active_leases(lake, TABLE, now + EXPIRY)


def test_a_step_that_cannot_announce_itself_fails_at_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LakeError("the disk is full")

    monkeypatch.setattr(Lake, "put_text", refuse)
    with pytest.raises(LakeError, match="full"), lease(lake, TABLE, "run"):
        pytest.fail("it must not begin")


def test_a_vacuum_passes_by_a_table_that_a_step_works_on(any_lake: Lake) -> None:
    with lease(any_lake, TABLE, "run"), cleaning(any_lake, TABLE) as alone:
        assert not alone
    with cleaning(any_lake, TABLE) as alone:
        assert alone
    assert not all_leases(any_lake, TABLE)


def test_a_step_waits_for_a_vacuum_that_is_at_work(lake: Lake) -> None:
    order: list[str] = []

    def step() -> None:
        with lease(lake, TABLE, "run"):
            order.append("step")

    with cleaning(lake, TABLE) as alone:
        assert alone
        thread = threading.Thread(target=step)
        thread.start()
        time.sleep(0.3)
        order.append("vacuum")
    thread.join(20)
    assert order == ["vacuum", "step"]


def test_a_vacuum_that_was_killed_stops_no_step(lake: Lake) -> None:
    begun = NOW - VACUUM_EXPIRY - timedelta(seconds=1)
    mark = cleaning(lake, TABLE, clock=lambda: begun)
    mark.__enter__()
    with lease(lake, TABLE, "run", clock=lambda: NOW):
        assert len(active_leases(lake, TABLE, NOW)) == 1
    mark.__exit__(None, None, None)


def test_a_step_waits_a_minute_at_most_for_a_killed_vacuum_and_looks_ever_less_often(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.put_text(TABLE, "_leases/vacuum-a-00000000.json", f'{{"holder": "a", "refreshed": "{NOW.isoformat()}"}}')
    pauses: list[float] = []
    monkeypatch.setattr(leasing.time, "sleep", pauses.append)
    with lease(lake, TABLE, "run", clock=lambda: NOW + timedelta(seconds=sum(pauses))):
        assert 60 <= sum(pauses) < 63
    assert pauses[:3] == [0.05, 0.1, 0.2]
    assert (max(pauses), len(pauses) < 40) == (2.0, True)


def test_a_vacuum_at_work_refreshes_its_mark_and_keeps_steps_waiting(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert timedelta(seconds=4 * leasing.VACUUM_REFRESH_SECONDS) < VACUUM_EXPIRY
    monkeypatch.setattr(leasing, "VACUUM_REFRESH_SECONDS", 0.01)
    times = [NOW]
    with cleaning(lake, TABLE, clock=lambda: times[-1]) as mark:
        assert mark is not None
        for number in range(1, 5):
            times.append(NOW + number * VACUUM_EXPIRY / 3)
            deadline = time.monotonic() + 20
            while all_leases(lake, TABLE)[0].refreshed != times[-1] and time.monotonic() < deadline:
                time.sleep(0.01)
            assert mark.holds()


@pytest.mark.parametrize("who_wakes_first", ["the vacuum", "its mark"])
def test_a_vacuum_that_was_suspended_knows_for_good_that_steps_may_have_begun(who_wakes_first: str) -> None:
    now = [NOW]
    mark = Mark(VACUUM_EXPIRY, lambda: now[0])
    mark.renew(now[0])
    assert mark.holds()
    now[0] += VACUUM_EXPIRY
    if who_wakes_first == "the vacuum":
        assert not mark.holds()
    mark.renew(now[0])
    mark.renew(now[0])
    assert not mark.holds()
