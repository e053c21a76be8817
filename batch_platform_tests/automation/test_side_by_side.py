"""A task that hangs keeps no other from being done, and is taken when it is done."""

from __future__ import annotations

from threading import Event

import pytest

from batch_platform.automation.side_by_side import SideBySide


def test_what_takes_long_is_taken_later_and_keeps_nobody() -> None:
    tasks: SideBySide[int] = SideBySide()
    gate = Event()
    tasks.start("slow", lambda: 1 if gate.wait(30) else 0)
    tasks.start("quick", lambda: 2)
    assert {name: future.result() for name, future in tasks.take(0.5).items()} == {"quick": 2}
    assert tasks.is_running("slow") and not tasks.is_running("quick")
    assert set(tasks.late()) == {"slow"} and tasks.late()["slow"] > 0
    gate.set()
    assert {name: future.result() for name, future in tasks.take(30).items()} == {"slow": 1}
    assert tasks.late() == {} and tasks.take(0) == {}


def test_an_error_is_taken_as_a_result_is() -> None:
    tasks: SideBySide[int] = SideBySide()
    tasks.start("broken", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        tasks.take(30)["broken"].result()
