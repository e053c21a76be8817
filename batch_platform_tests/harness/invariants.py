"""What must hold whatever happened: no row lost, repeated or half shown, and nothing scored twice without need.

Belongs here: looking at a world after a step, and saying what is wrong with it. Does not belong here: what happens to
it (`world.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from batch_platform.lake.digest import digest_table
from batch_platform.lake.log import Recorded, live_files
from batch_platform.lake.provenance import METADATA_KEY, Provenance
from batch_platform.partitions import PARTITION_COLUMN
from batch_platform_tests.harness.clean import CleanRuns, Origin
from batch_platform_tests.harness.nursery import Past
from batch_platform_tests.harness.world import KEYS, World

MAIN, ASIDE = "predictions/visits", "quarantine/visits"


class Violated(AssertionError):
    """An invariant does not hold."""


@dataclass(frozen=True)
class Seen:
    """What a step did, for the table of results.

    Args:
        again: shards that were begun before, without a receipt that lasted.
        committed: ids of runs that committed.
    """

    again: int
    committed: frozenset[str]


@dataclass
class Watch:
    """Looks at a world after each step.

    Args:
        world: it.
    """

    world: World
    clean: CleanRuns = field(init=False)
    _version: int = -1
    _held: dict[str, Origin] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)
    _begun: set[str] = field(default_factory=set)
    checked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.clean = CleanRuns(self.world)

    def look(self, past: Sequence[Past] = ()) -> Seen:
        """Check everything after a step in which some runs took place; without runs, what did not change, too.

        Raises:
            Violated: with what is wrong and where.
        """
        log = self._new_commits()
        before = dict(self._held)
        held: dict[str, set[Origin]] = {key: {origin} for key, origin in before.items()}
        committed = self._follow(log, past, held)
        self._look_at_files()
        records = self.world.table(MAIN).records(KEYS)
        self._refuse(set(records) != set(self._held), "a partition is live that no commit of a known run made")
        for key, found in records.items():
            if not past or self._seen.get(key) != found.version:
                self._look_at(key, found)
            self._seen[key] = found.version
        self._finished(past, held)
        self._look_at_agreement(past)
        return self._work(past, committed)

    def _new_commits(self) -> list[Provenance]:
        opened = self.world.table(MAIN).open()
        if opened is None:
            return []
        newest = int(opened.version())
        entries = opened.history(newest - self._version) if newest > self._version else []
        self._version = newest
        return [Provenance.from_json(entry[METADATA_KEY]) for entry in reversed(entries) if METADATA_KEY in entry]

    def _follow(self, log: Sequence[Provenance], past: Sequence[Past], held: dict[str, set[Origin]]) -> frozenset[str]:
        """The log is the serial order: each run comes once, with all of its partitions."""
        runs = {run.job.run_id: run for run in past}
        counts = Counter(provenance.run_id for provenance in log)
        for provenance in log:
            run = runs.get(provenance.run_id)
            self._refuse(run is None, f"{provenance.run_id} committed although it does not take place in this step")
            assert run is not None
            self._refuse(counts[provenance.run_id] > 1, f"{provenance.run_id} committed twice")
            for key in run.job.keys:
                if key in provenance.partitions:
                    record = provenance.partitions[key]
                    assert record.model is not None
                    features = record.inputs[run.job.predictions.features].digest
                    self._refuse(features not in self.world.current[key], f"{key} comes of features of another time")
                    origin = Origin(features, record.model.version, str(provenance.sql_digest))
                    self._refuse(origin.sql != run.job.predictions.sql_digest, f"{key} was made with another's SQL")
                    self._held[key] = origin
                    held.setdefault(key, set()).add(origin)
                else:
                    same = self._held.get(key)
                    torn = same is None or same.sql != run.job.predictions.sql_digest
                    self._refuse(torn, f"{provenance.run_id} committed without its partition {key}: torn")
        return frozenset(counts)

    def _look_at(self, key: str, found: Recorded) -> None:
        origin, record = self._held[key], found.record
        rows = self.world.table(MAIN).read([key])
        features = self.world.features[origin.features]
        visits = Counter(rows.column("visit").to_pylist())
        scorable = ~np.isnan(features.column("distance").to_numpy(zero_copy_only=False))
        wanted = set(features.filter(pa.array(scorable)).column("visit").to_pylist())
        self._refuse(max(visits.values(), default=1) > 1, f"{key} holds a row twice")
        self._refuse(bool(wanted - visits.keys()), f"{key} lost rows: {sorted(wanted - visits.keys())[:5]}")
        self._refuse(bool(visits.keys() - wanted), f"{key} holds rows that its features have not")
        # Columns that other versions of the table had are not this content's.
        columns = [name for name in rows.column_names if name != PARTITION_COLUMN]
        [variant, *_] = [found for found in self.world.variants if found.sql_digest == origin.sql]
        unknown = [name for name in columns if name in _DERIVED and name not in variant.outputs]
        digest = digest_table(rows.select([name for name in columns if name not in unknown])).hex
        self._refuse(digest != record.digest, f"{key} is torn: its rows do not have the digest of its record")
        clean = self.clean.digest(origin)
        self._refuse(digest != clean, f"{key} differs from a clean run: {digest} instead of {clean} for {origin}")
        ledger = record.ledger
        self._refuse(not ledger.balanced or ledger.rows != features.num_rows, f"{key}: the ledger says {ledger}")
        self._refuse(ledger.outcomes["failed"] != features.num_rows - len(wanted), f"{key}: the ledger says {ledger}")
        self._look_aside(key, found, self._failing(origin))
        self.checked["partitions"] += 1
        self.checked["rows"] += len(wanted)

    def _failing(self, origin: Origin) -> list[int]:
        """The rows of a partition that no model can score."""
        features = self.world.features[origin.features]
        return features.filter(features.column("distance").is_null()).column("visit").to_pylist()

    def _look_aside(self, key: str, found: Recorded, failing: list[int]) -> None:
        """The quarantine that the newest record names is there, with the rows that failed."""
        version = found.provenance.quarantine_version
        self._refuse(version is None, f"{key}: its record names no quarantine")
        held = self._unresolved(key, version)
        self._refuse(held != sorted(failing), f"{key}: quarantine version {version} holds {held} for {failing}")

    def _unresolved(self, key: str, version: int | None = None) -> list[int]:
        rows = self.world.table(ASIDE).read([key], ["visit", "_resolved"], version)
        return sorted(row["visit"] for row in rows.to_pylist() if not row["_resolved"])

    def _look_at_agreement(self, past: Sequence[Past]) -> None:
        """Where all runs came to their ends, the live quarantine is that of the live rows."""
        if past and not any(run.killed for run in past):
            for key in {key for run in past for key in run.job.keys}:
                held, failing = self._unresolved(key), self._failing(self._held[key])
                self._refuse(held != sorted(failing), f"{key}: the live quarantine holds {held} for {failing}")

    def _look_at_files(self) -> None:
        for name in (MAIN, ASIDE):
            table = self.world.table(name)
            opened = table.open()
            for path in live_files(opened) if opened is not None else ():
                self._refuse(path.endswith(".partial"), f"{name} shows a file that never finished growing")
                self._refuse(not table.lake.size(name, path), f"{name} names {path}, which is not there")

    def _finished(self, past: Sequence[Past], held: Mapping[str, set[Origin]]) -> None:
        """What a run that ended said was so at some moment while it ran."""
        for run in past:
            if run.outcome is None:
                continue
            self._refuse(isinstance(run.outcome, str), f"{run.job.run_id} raised {run.outcome}")
            assert isinstance(run.outcome, dict)
            sql = run.job.predictions.sql_digest
            for key, (digest, error) in run.outcome.items():
                self._refuse(bool(error), f"{run.job.run_id}, {key}: {error}")
                possible = [origin for origin in held.get(key, ()) if origin.sql == sql]
                told = [origin for origin in possible if self.clean.digest(origin) == digest]
                self._refuse(not told, f"{run.job.run_id} said that {key} is {digest}, which it never was")

    def _work(self, past: Sequence[Past], committed: frozenset[str]) -> Seen:
        """Shards whose receipts were kept before the step are not scored again."""
        world = self.world
        again = 0
        for run in past:
            needless = run.began & world.checkpoints
            self._refuse(bool(needless), f"{run.job.run_id} scored {len(needless)} shards again that had receipts")
            again += len(run.began & self._begun)
        for run in past:
            world.checkpoints |= run.ended
            self._begun |= run.began
        world.settle()
        return Seen(again, committed)

    @staticmethod
    def _refuse(wrong: bool, what: str) -> None:
        if wrong:
            raise Violated(what)


_DERIVED = {"chance", "is_likely", "twice", "percent"}
