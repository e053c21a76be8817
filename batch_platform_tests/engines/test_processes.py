"""Worker processes: killed ones are told of, none outlives its run, and what cannot be sent is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batch_platform.engines import processes
from batch_platform.engines.local import LocalEngine
from batch_platform.errors import EngineError, ModelError, UnexpectedError
from batch_platform_tests.engines import work
from batch_platform_tests.engines.work import Failing, Loaded, Steps, marks, wait_for

_PARENT = """
import sys
from pathlib import Path
from batch_platform.engines.local import LocalEngine
from batch_platform_tests.engines.work import Sleeping
list(LocalEngine(2, "processes").map(Sleeping(Path(sys.argv[1])), range(4)))
"""


def engine(workers: int = 2) -> LocalEngine:
    return LocalEngine(workers, "processes")


def children() -> set[int]:
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_worker_is_told_of_and_the_others_are_ended() -> None:
    before = children()
    with pytest.raises(EngineError, match=r"killed by SIGKILL in the middle of a shard; the machine ran out of memory"):
        list(engine().map(work.killed, range(20)))
    assert children() == before


def test_a_worker_that_ends_by_itself_is_told_of() -> None:
    with pytest.raises(EngineError, match="ended with exit code 7"):
        list(engine().map(work.exits, range(3)))


def test_what_a_worker_needs_is_received_once_by_each(tmp_path: Path) -> None:
    found = list(engine().map(Loaded(str(tmp_path)), range(12)))
    assert {count for _, count in found} == {1}
    assert len({process for process, _ in found}) == 2
    assert os.getpid() not in {process for process, _ in found}


def test_there_are_no_more_processes_than_shards(tmp_path: Path) -> None:
    assert len({process for process, _ in engine(8).map(Loaded(str(tmp_path)), [1])}) == 1


@pytest.mark.parametrize(
    ("function", "shard", "what"),
    [
        (lambda shard: shard, 1, "the function cannot be sent"),
        (work.same, lambda: None, "a shard cannot be sent"),
        (work.lock, 1, "a result cannot be sent"),
    ],
)
def test_what_cannot_cross_is_named(function: Callable[[object], object], shard: object, what: str) -> None:
    before = children()
    with pytest.raises(EngineError, match=what):
        list(engine().map(function, [shard]))
    assert children() == before


def test_a_function_of_the_script_that_was_started_is_refused() -> None:
    script = "from batch_platform.engines.local import LocalEngine\ndef f(x): return x\n"
    script += "list(LocalEngine(1, 'processes').map(f, [1]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "EngineError: the function cannot be received by a process" in done.stderr


def test_the_workers_traceback_goes_along_with_its_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        list(engine().map(Failing(Steps(tmp_path), 1, "begun-0"), [0, 1]))
    assert any("work.py" in note and "no space left" in note for note in caught.value.__notes__)


def test_an_error_that_cannot_be_copied_comes_as_its_text() -> None:
    with pytest.raises(UnexpectedError, match="Untransferable: number 3"):
        list(engine().map(work.untransferable, [3]))


def test_a_worker_that_does_not_listen_is_ended_by_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.2)
    results = engine().map(Failing(Steps(tmp_path, ((0, 10**6),)), 1, "never"), [0, 1])
    before, began = children(), time.monotonic()
    with pytest.raises(TimeoutError):
        _interrupt_when(lambda: marks(tmp_path, "begun-") == {0}, results)
    assert time.monotonic() - began < 20
    assert children() == before


def _interrupt_when(ready: Callable[[], bool], results: object) -> None:
    """Raise in the main thread, as a signal's handler does, while it waits for a result."""

    def handler(*_: object) -> None:
        if ready():
            raise TimeoutError
        signal.setitimer(signal.ITIMER_REAL, 0.05)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        next(results)  # type: ignore[call-overload]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_no_worker_outlives_the_run(tmp_path: Path, name: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(marks(tmp_path, "pid-")) == 2)
        assert all(alive(worker) for worker in marks(tmp_path, "pid-"))
        parent.send_signal(getattr(signal, name))
        wait_for(lambda: not any(alive(worker) for worker in marks(tmp_path, "pid-")))
        parent.wait(30)
    finally:
        parent.kill()
        parent.wait()
