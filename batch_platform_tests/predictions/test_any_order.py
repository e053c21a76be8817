"""Runs, kills, retries, corrections, new models, new columns, losses of power and vacuums, in any order.

The same world as the crash harness (`make crash-test`), with orders that hypothesis looks for and shrinks.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from batch_platform_tests.harness.invariants import Watch
from batch_platform_tests.harness.mortal import Death, Moment
from batch_platform_tests.harness.world import KEYS, World

STRETCHES = st.tuples(st.integers(0, len(KEYS) - 1), st.integers(1, len(KEYS))).map(
    lambda ends: KEYS[ends[0] : ends[0] + ends[1]]
)
DEATHS = st.builds(Death, st.sampled_from(list(Moment)), st.integers(1, 3))


class AnyOrder(RuleBasedStateMachine):
    """After every rule the watch finds each row once, whole partitions, and no shard scored without need."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)

    @initialize(seed=st.integers(0, 9))
    def begin(self, seed: int) -> None:
        self.world = World(Path(self.folder.name), random.Random(seed))
        self.watch = Watch(self.world)
        self.world.settle()

    @rule(keys=STRETCHES)
    def a_run_ends(self, keys: tuple[str, ...]) -> None:
        [run] = self.world.run([self.world.job(keys)])
        assert not run.killed
        self.watch.look([run])

    @rule(keys=STRETCHES, death=DEATHS)
    def a_run_is_killed_and_started_again(self, keys: tuple[str, ...], death: Death) -> None:
        self.watch.look(self.world.run([self.world.job(keys, death)]))
        self.a_run_ends(keys)

    @rule(runs=st.lists(st.tuples(STRETCHES, st.none() | DEATHS), min_size=2, max_size=3), key=st.sampled_from(KEYS))
    def runs_take_place_at_once(self, runs: list[tuple[tuple[str, ...], Death | None]], key: str) -> None:
        jobs = [self.world.job(keys, death) for keys, death in runs]
        self.watch.look(self.world.run(jobs, [lambda: self.world.correct_features(key), self.world.clean_now]))

    @rule(key=st.sampled_from(KEYS))
    def features_are_corrected(self, key: str) -> None:
        self.world.correct_features(key)
        self._nothing_runs()

    @rule()
    def another_model_serves(self) -> None:
        self.world.new_model()
        self._nothing_runs()

    @rule()
    def outputs_change(self) -> None:
        self.world.change_outputs()
        self._nothing_runs()

    @rule()
    def the_power_fails(self) -> None:
        self.world.damage()
        self._nothing_runs()

    @rule()
    def leftovers_are_deleted(self) -> None:
        self.world.clean()
        self._nothing_runs()

    def _nothing_runs(self) -> None:
        self.world.settle()
        self.watch.look()

    def teardown(self) -> None:
        self.folder.cleanup()


@pytest.mark.slow
def test_any_order_of_events_ends_with_every_row_once() -> None:
    limits = settings(
        max_examples=3,
        stateful_step_count=6,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(AnyOrder, settings=limits)
