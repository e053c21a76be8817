"""The local engine works on as many shards at once as it has workers, and ends early when one fails."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from batch_platform.engines import engine_named
from batch_platform.engines.local import LocalEngine
from batch_platform.errors import ConfigurationError


def test_workers_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=30)
    assert sorted(LocalEngine(2).map(lambda shard: (both.wait() >= 0, shard), [1, 2])) == [(True, 1), (True, 2)]


def test_shards_that_have_not_begun_when_one_fails_are_not_begun() -> None:
    begun: list[int] = []

    def work(shard: int) -> int:
        begun.append(shard)
        if shard == 1:
            raise ValueError("shard 1")
        time.sleep(0.005)
        return shard

    engine = LocalEngine(1)
    results = engine.map(work, range(1000))
    with pytest.raises(ValueError, match="shard 1"):
        list(results)
    assert len(begun) < 1000


def test_results_come_as_they_finish() -> None:
    release = threading.Event()

    def work(shard: str) -> str:
        if shard == "slow":
            assert release.wait(30)
        return shard

    results = LocalEngine(2).map(work, ["slow", "fast"])
    assert next(results) == "fast"
    release.set()
    assert list(results) == ["slow"]


def test_each_worker_computes_on_one_thread_and_the_setting_returns() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert set(LocalEngine(2).map(lambda _: torch.get_num_threads(), range(8))) == {1}
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError):
            list(LocalEngine(1).map(_fail, [1]))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def _fail(shard: int) -> int:
    raise RuntimeError(shard)


def test_by_default_there_is_a_worker_for_each_processor() -> None:
    assert LocalEngine().workers >= 1
    assert LocalEngine(3).workers == 3


def test_unknown_engines_are_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="warp"):
        engine_named("warp")
