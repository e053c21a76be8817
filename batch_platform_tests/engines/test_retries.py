"""Only errors that may pass are tried again: three times in all, after random waits that grow."""

from __future__ import annotations

import pickle
import threading

import pytest

from batch_platform.engines.cancellation import cancelled_by
from batch_platform.engines.retries import Retries, Retrying
from batch_platform.errors import Cancelled, ConfigurationError, LakeError


class Work:
    """Fails with one error after the other and then gives its shard."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self, shard: str) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return shard


def retries(waits: list[float], jitter: float = 0.5) -> Retries:
    return Retries(sleep=waits.append, jitter=lambda: jitter)


def test_waits_double_and_are_drawn_from_the_whole_interval() -> None:
    waits: list[float] = []
    work = Work(ConnectionResetError("one"), LakeError("two", transient=True))
    assert Retrying(work, retries(waits))("shard") == "shard"
    assert waits == [0.5, 1.0] and work.calls == 3
    assert [retries([], drawn).pause(3) for drawn in (0.0, 0.25)] == [0.0, 1.0]


def test_after_three_tries_the_last_error_is_raised() -> None:
    waits: list[float] = []
    last = ConnectionResetError("three")
    work = Work(ConnectionResetError("one"), ConnectionResetError("two"), last, ConnectionResetError("four"))
    with pytest.raises(ConnectionResetError) as caught:
        Retrying(work, retries(waits))("shard")
    assert caught.value is last and len(waits) == 2


@pytest.mark.parametrize("error", [ConfigurationError("wrong"), ValueError("wrong"), FileNotFoundError("gone")])
def test_an_error_that_stays_is_raised_at_once(error: Exception) -> None:
    waits: list[float] = []
    with pytest.raises(type(error)):
        Retrying(Work(error), retries(waits))("shard")
    assert waits == []


def test_a_cancelled_shard_is_not_tried_again() -> None:
    flag = threading.Event()
    work = Work(ConnectionResetError("one"))
    with cancelled_by(flag), pytest.raises(Cancelled):
        Retrying(work, Retries(sleep=lambda _: flag.set()))("shard")
    assert work.calls == 1


def test_the_defaults_can_be_sent_to_a_process_and_differ_in_each_draw() -> None:
    received = pickle.loads(pickle.dumps(Retries()))
    assert received == Retries()
    assert len({received.pause(1) for _ in range(8)}) == 8
