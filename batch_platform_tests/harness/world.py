"""A small deployment in a temporary folder, and everything that can happen to it.

Belongs here: what the world holds and the steps that change it. Does not belong here: processes (`nursery.py`), what
must hold after each step (`invariants.py`), or in which order steps come (`crash.py`).

Every choice comes from one random generator, so a seed names a course of events; only what runs do at the same time,
and when a kill from outside hits, is up to the machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from batch_platform.lake.digest import digest_table
from batch_platform.lake.lease import utc_now
from batch_platform.lake.table import Table
from batch_platform.lake.vacuum import vacuum
from batch_platform.models.registry import Registry
from batch_platform.models.versions import Version
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.options import ScoringOptions
from batch_platform.settings import Settings
from batch_platform_tests.harness.mortal import Death, Job
from batch_platform_tests.harness.nursery import Nursery, Past
from batch_platform_tests.models.registered import Line, commit_features, registered, settings_in
from batch_platform_tests.predictions.tables import predictions_of, visits

KEYS = tuple(f"2026-01-{day:02}" for day in range(5, 11))
TABLES = ("predictions/visits", "quarantine/visits")

_OUTPUTS = (
    {"chance": "score", "is_likely": "chance > 0.25"},
    {"chance": "score", "is_likely": "chance > 0.25", "twice": "chance * 2"},
    {"chance": "score", "is_likely": "chance > 0.125", "twice": "chance * 2"},
    {"chance": "score", "is_likely": "chance > 0.125", "twice": "chance * 2", "percent": "100 * chance"},
)


@dataclass
class World:
    """The deployment and what is known about it.

    Args:
        folder: an empty folder.
        random: where every choice comes from.
    """

    folder: Path
    random: random.Random
    settings: Settings = field(init=False)
    features: dict[str, pa.Table] = field(default_factory=dict)
    """Features digest -> rows, of every feature partition that ever was."""
    current: dict[str, set[str]] = field(default_factory=dict)
    """Partition -> digests of its features since the last step began."""
    checkpoints: set[str] = field(default_factory=set)
    """Shards whose receipt was kept and has not been touched since."""
    variants: list[Predictions] = field(default_factory=list)
    runs: dict[str, Past] = field(default_factory=dict)
    _versions: list[Version] = field(default_factory=list)
    _nursery: Nursery = field(init=False)

    def __post_init__(self) -> None:
        self._nursery = Nursery(self.random)
        self.settings = settings_in(self.folder)
        (self.folder / "runs").mkdir()
        self._versions = [registered(self.settings, Line(slope), promote=False) for slope in (0.5, 0.25, 1.0)]
        self.new_model()
        self.change_outputs()
        for key in KEYS:
            self.correct_features(key)

    @property
    def predictions(self) -> Predictions:
        """The table as new runs know it."""
        return self.variants[-1]

    def table(self, name: str) -> Table:
        """A table of its lake."""
        return Table(self.settings.lake, name)

    def settle(self) -> None:
        """Nothing is running: what features were before does not count any more."""
        self.current = {key: {self.digest_of(key)} for key in KEYS}

    def digest_of(self, key: str) -> str:
        """The digest of a partition's features as they are."""
        return self.table(self.predictions.features).records([key])[key].record.digest

    def correct_features(self, key: str) -> None:
        """Late or corrected features: other rows, some of which cannot be scored."""
        count = self.random.randrange(0, 40)
        distance = [self.random.randrange(64) / 64 if self.random.random() < 0.9 else None for _ in range(count)]
        rows = visits(count, distance=distance)
        commit_features(self.settings.lake, {key: rows}, files=self.random.randrange(1, 5))
        digest = digest_table(rows).hex
        self.features[digest] = rows
        self.current.setdefault(key, set()).add(digest)

    def new_model(self) -> None:
        """Another version serves all partitions from now on; it may have served before, as after a rollback."""
        Registry(self.settings).promote(self.random.choice(self._versions))

    def change_outputs(self) -> None:
        """A column more than before, or another rule."""
        outputs = _OUTPUTS[min(len(self.variants), len(_OUTPUTS) - 1)]
        scoring = ScoringOptions(workers=self.random.choice((1, 2, 3)), batch_rows=16)
        self.variants.append(predictions_of(outputs=outputs, scoring=scoring))

    def some_keys(self) -> tuple[str, ...]:
        """Partitions in a row."""
        first = self.random.randrange(len(KEYS))
        return KEYS[first : first + self.random.randrange(1, len(KEYS) + 1 - first)]

    def job(self, keys: Sequence[str], death: Death | None = None) -> Job:
        """A run that has yet to begin."""
        name = f"run{len(self.runs) + 1:05}"
        job = Job(name, self.predictions, self.settings, tuple(keys), self.folder / "runs", death)
        self.runs[name] = Past(job, None, frozenset(), frozenset())
        return job

    def run(self, jobs: Sequence[Job], meanwhile: Iterable[Callable[[], object]] = ()) -> list[Past]:
        """Let jobs run at the same time to their ends, one way or the other.

        Args:
            jobs: what to run.
            meanwhile: functions that are called while they run.
        """
        past = self._nursery.run(jobs, meanwhile)
        self.runs |= {run.job.run_id: run for run in past}
        return past

    def damage(self) -> int:
        """What a loss of power does to files that nobody made safe: cut short, or zeros; returns how many."""
        hurt = set()
        for name in TABLES:
            for path in self.uncommitted(name):
                if self.random.random() < 0.5 and path.stat().st_size:
                    content = path.read_bytes()
                    keep = self.random.randrange(len(content))
                    zeros = bytes(len(content) - keep) if self.random.random() < 0.5 else b""
                    path.write_bytes(content[:keep] + zeros)
                    hurt.add(path.stem)
        receipts = Path(self.table(TABLES[0]).uri).glob("_receipts/*/*.json")
        naming = {path.stem for path in receipts if any(name in path.read_text("utf-8", "replace") for name in hurt)}
        self.checkpoints -= hurt | naming
        return len(hurt)

    def uncommitted(self, name: str) -> list[Path]:
        """Data files that no version ever named, and receipts."""
        folder = Path(self.table(name).uri)
        log = "".join(entry.read_text() for entry in sorted(folder.glob("_delta_log/*.json")))
        data = [path for path in folder.glob(f"{PARTITION_COLUMN}=*/*.parquet") if path.name not in log]
        return sorted([*data, *folder.glob("_receipts/*/*.json")])

    def clean(self) -> int:
        """Vacuum as if all that ran were gone for long; returns how many files went."""
        self.checkpoints.clear()
        later = utc_now() + timedelta(hours=2)
        lake = self.settings.lake
        return sum(vacuum(lake, name, timedelta(hours=1), clock=lambda: later).files for name in TABLES)

    def clean_now(self) -> None:
        """Vacuum with the clock as it is, whatever runs; it passes by what a run works on or seems to."""
        for name in TABLES:
            if vacuum(self.settings.lake, name, timedelta(0)).files:
                self.checkpoints.clear()
