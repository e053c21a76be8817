"""The crash harness: kill scoring runs at random and at chosen moments until so many died, and check after each step.

    python -m batch_platform_tests.harness.crash --kills 300 --seed 1

Prints how many runs died at which moment and what became of them, and ends with 1 as soon as an invariant is violated,
naming the seed and the step.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from batch_platform.errors import BatchPlatformError
from batch_platform_tests.harness.invariants import Violated, Watch
from batch_platform_tests.harness.mortal import Death, Moment
from batch_platform_tests.harness.nursery import Past
from batch_platform_tests.harness.world import KEYS, World

_CALLS = {
    Moment.PLANNING: len(KEYS),
    Moment.MID_SHARD: 8,
    Moment.WRITING: 8,
    Moment.BEFORE_RECEIPT: 8,
    Moment.MID_COMMIT: 2,
}
"""The highest call at which a run is made to die; all others happen once."""


@dataclass
class Tally:
    """What was seen, by the moment of death."""

    kills: Counter[Moment] = field(default_factory=Counter)
    survived: Counter[Moment] = field(default_factory=Counter)
    committed: Counter[Moment] = field(default_factory=Counter)
    kept: Counter[Moment] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def add(self, run: Past, committed: bool) -> None:
        """Count a run that was to die."""
        assert run.job.death is not None
        moment = run.job.death.moment
        (self.kills if run.killed else self.survived)[moment] += 1
        if run.killed:
            self.committed[moment] += committed
            self.kept[moment] += len(run.ended)

    def table(self) -> str:
        """The table of results."""
        lines = [f"{'died':<52}{'kills':>7}{'old':>7}{'new':>7}{'shards kept':>13}{'ended before':>14}"]
        for moment in Moment:
            kills, new = self.kills[moment], self.committed[moment]
            lines.append(
                f"{moment:<52}{kills:>7}{kills - new:>7}{new:>7}{self.kept[moment]:>13}{self.survived[moment]:>14}"
            )
        kills, new = self.kills.total(), self.committed.total()
        lines.append(f"{'all':<52}{kills:>7}{kills - new:>7}{new:>7}{self.kept.total():>13}{self.survived.total():>14}")
        lines.append(", ".join(f"{count} {event}" for event, count in sorted(self.events.items())))
        return "\n".join(lines)


class Course:
    """A random course of events in one world.

    Args:
        folder: an empty folder.
        seed: names the course.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = World(folder, self.random)
        self.watch = Watch(self.world)
        self.tally = Tally()
        self.world.settle()

    def step(self) -> None:
        """One step: something changes, or runs take place, and everything is checked.

        Raises:
            Violated: an invariant does not hold.
        """
        choices: list[tuple[int, Callable[[], None]]] = [
            (16, self.one_dies),
            (12, self.many_die),
            (1, self.retry),
            (1, self.many),
            (1, self.features_change),
            (1, self.model_changes),
            (1, self.outputs_change),
            (2, self.power_fails),
            (1, self.vacuumed),
        ]
        choice = self.random.choices([call for _, call in choices], [weight for weight, _ in choices])[0]
        choice()

    def one_dies(self) -> None:
        """A run dies; mostly it is started again, which ends it."""
        keys = self.world.some_keys()
        self.something_new(keys)
        self.take_place([(keys, self.death())])
        if self.random.random() < 0.3:
            self.power_fails()
        if self.random.random() < 0.4:
            self.take_place([(keys, None)])

    def something_new(self, keys: tuple[str, ...]) -> None:
        """Mostly give a run something to do."""
        chance = self.random.random()
        if chance < 0.5:
            self.world.new_model()
        elif chance < 0.8:
            for key in keys:
                self.world.correct_features(key)

    def many_die(self) -> None:
        """Up to six runs over overlapping partitions, most of which die, while features change and a vacuum runs."""
        self.something_new(KEYS)
        runs = [
            (self.world.some_keys(), self.death() if self.random.random() < 0.85 else None)
            for _ in range(self.random.randrange(2, 7))
        ]
        self.take_place(runs, busy=True)

    def many(self) -> None:
        """Up to twenty runs over overlapping partitions, all of which end."""
        self.take_place([(self.world.some_keys(), None) for _ in range(self.random.choice((2, 3, 5, 20)))], busy=True)

    def retry(self) -> None:
        """A run that is left in peace."""
        self.take_place([(KEYS, None)])

    def features_change(self) -> None:
        """Late or corrected features of some partitions."""
        for key in self.world.some_keys():
            self.world.correct_features(key)
        self._quiet("corrections of features")

    def model_changes(self) -> None:
        """A new version."""
        self.world.new_model()
        self._quiet("new model versions")

    def outputs_change(self) -> None:
        """Another output column or rule."""
        self.world.change_outputs()
        self._quiet("changes of outputs")

    def power_fails(self) -> None:
        """Files that no commit names are cut short or zeroed."""
        self.tally.events["files damaged"] += self.world.damage()
        self._quiet("losses of power")

    def vacuumed(self) -> None:
        """Leftovers are deleted."""
        self.tally.events["files deleted"] += self.world.clean()
        self._quiet("vacuums")

    def death(self) -> Death:
        """A random one; half of them come from outside."""
        if self.random.random() < 0.4:
            return Death(Moment.ANYWHERE)
        moment = self.random.choice([moment for moment in Moment if moment is not Moment.ANYWHERE])
        # The first replacement is the quarantine's: before the second is between the two.
        latest = 2 if moment is Moment.MID_COMMIT else 1
        call = self.random.randint(latest, _CALLS.get(moment, 1))
        return Death(moment, call)

    def take_place(self, runs: list[tuple[tuple[str, ...], Death | None]], busy: bool = False) -> None:
        """Let runs take place at once and look at what is left."""
        meanwhile: list[Callable[[], None]] = []
        if busy and self.random.random() < 0.5:
            meanwhile.append(lambda: self.world.correct_features(self.random.choice(KEYS)))
        if busy and self.random.random() < 0.3:
            meanwhile.append(self.world.clean_now)
        past = self.world.run([self.world.job(keys, death) for keys, death in runs], meanwhile)
        seen = self.watch.look(past)
        self.tally.events["shards scored again"] += seen.again
        self.tally.events["runs"] += len(past)
        for run in past:
            if run.job.death is not None:
                self.tally.add(run, run.job.run_id in seen.committed)

    def _quiet(self, event: str) -> None:
        self.tally.events[event] += 1
        self.world.settle()
        self.watch.look()


def main() -> int:
    """Run the harness as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300, help="runs that must have died")
    parser.add_argument("--seed", type=int, default=1, help="names the course of events")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    began, step = time.monotonic(), 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        course = Course(Path(folder), options.seed)
        try:
            while course.tally.kills.total() < options.kills:
                step += 1
                course.step()
                if step % 20 == 0:
                    print(f"step {step}: {course.tally.kills.total()} kills", file=sys.stderr, flush=True)
            course.retry()
        except (Violated, BatchPlatformError, TimeoutError, RuntimeError) as error:
            print(course.tally.table())
            print(f"seed {options.seed}, step {step}: {error}")
            return 1
        print(course.tally.table())
    checked = course.watch.checked
    print(
        f"seed {options.seed}: {step} steps in {time.monotonic() - began:.0f} s; looked at {checked['partitions']} "
        f"partitions with {checked['rows']} rows: none lost, duplicated or torn"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
