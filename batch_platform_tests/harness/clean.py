"""What a run that nothing disturbed gives: the truth that every disturbed one is held against.

Belongs here: clean runs in lakes of their own, remembered. Does not belong here: comparing (`invariants.py`).

A clean run has one worker and features in a single file, so shards, workers and files are compared, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from batch_platform.lake.store import Lake
from batch_platform.outcomes import Run
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.options import ScoringOptions
from batch_platform.predictions.score import score
from batch_platform.telemetry.cost import Meter
from batch_platform_tests.harness.world import World
from batch_platform_tests.models.registered import commit_features


@dataclass(frozen=True)
class Origin:
    """All that decides about a partition's content."""

    features: str
    model: str
    sql: str


@dataclass
class CleanRuns:
    """Clean results of one world."""

    world: World
    digests: dict[Origin, str] = field(default_factory=dict)

    def digest(self, origin: Origin) -> str:
        """The content digest that a partition of this origin has."""
        self.prepare([origin])
        return self.digests[origin]

    def prepare(self, origins: Iterable[Origin]) -> None:
        """Find out about several at once, which takes less time."""
        groups: dict[tuple[str, str], list[Origin]] = {}
        for origin in set(origins) - self.digests.keys():
            groups.setdefault((origin.model, origin.sql), []).append(origin)
        for (model, sql), members in groups.items():
            [variant, *_] = [found for found in self.world.variants if found.sql_digest == sql]
            self._run(replace(variant, version=model, scoring=ScoringOptions(workers=1, batch_rows=16)), members)

    def _run(self, predictions: Predictions, origins: list[Origin]) -> None:
        root = self.world.folder / "clean"
        keys = [predictions.calendar.shift("2026-01-05", index) for index in range(len(origins))]
        settings = replace(self.world.settings, lake=Lake(str(root)))
        try:
            contents = {key: self.world.features[origin.features] for key, origin in zip(keys, origins, strict=True)}
            commit_features(settings.lake, contents)
            outcomes = score(predictions, settings, keys, Run("clean"), Meter(0.04))
            for origin, outcome in zip(origins, outcomes, strict=True):
                assert outcome.error is None, str(outcome.error)
                self.digests[origin] = outcome.digest
        finally:
            shutil.rmtree(root, ignore_errors=True)
