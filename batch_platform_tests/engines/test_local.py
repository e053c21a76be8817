"""The local engine: how many workers, of which kind, each of them computing on one thread."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
import torch

from batch_platform.engines import WorkerKind, engine_named
from batch_platform.engines.local import LocalEngine, processors
from batch_platform.errors import ConfigurationError
from batch_platform_tests.engines.work import compute_threads


def test_worker_threads_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=30)
    assert sorted(LocalEngine(2).map(lambda shard: (both.wait() >= 0, shard), [1, 2])) == [(True, 1), (True, 2)]


def test_each_worker_thread_computes_on_one_thread_and_the_setting_returns() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert set(map(frozenset, LocalEngine(2).map(compute_threads, range(8)))) == {frozenset({1})}
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError):
            list(LocalEngine(1).map(_fail, [1]))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def _fail(shard: int) -> int:
    raise RuntimeError(shard)


@pytest.mark.slow
def test_each_worker_process_computes_on_one_thread_whatever_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert list(LocalEngine(1, WorkerKind.PROCESSES).map(compute_threads, [1])) == [{1}]


def test_the_engine_itself_brings_no_numeric_library() -> None:
    code = "import sys; from batch_platform.engines.local import LocalEngine as E; list(E(2).map(abs, [1, -2]));"
    code += "print({'torch', 'numpy', 'pyarrow', 'dagster'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_by_default_there_is_a_worker_thread_for_each_processor() -> None:
    assert (LocalEngine().workers, LocalEngine().kind) == (processors(), WorkerKind.THREADS)
    assert LocalEngine(3).workers == 3


def test_options_are_handed_to_the_engine_that_is_named() -> None:
    engine = engine_named("local", workers=3, kind=WorkerKind.PROCESSES)
    assert isinstance(engine, LocalEngine) and (engine.workers, engine.kind) == (3, WorkerKind.PROCESSES)


def test_unknown_engines_and_impossible_numbers_of_workers_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="warp"):
        engine_named("warp")
    with pytest.raises(ConfigurationError, match="0 workers"):
        LocalEngine(0)
