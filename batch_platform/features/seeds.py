"""Seeds as tables of the lake: each is captured as a snapshot is, with its file's digest and each row's position.

Belongs here: a seed as a source of rows. Does not belong here: reading the CSV file (`sql/seeds.py`), or writing the
table (`snapshots/capture.py`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from batch_platform.contracts.contract import Contract
from batch_platform.features.input_tests import refuse_broken
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.partitions import Window
from batch_platform.snapshots.definition import Snapshot
from batch_platform.snapshots.sources import Extract, SourceFile
from batch_platform.sql.binding import input_schema
from batch_platform.sql.seeds import Seed, read_seed, seed_schema

STAGE = "seeds"


@dataclass(frozen=True)
class DeclaredSeed:
    """A seed, and what its property file demands of its rows."""

    seed: Seed
    tests: Contract | None = None


@dataclass(frozen=True)
class SeedSource:
    """Reads a seed; it has one partition, the whole file.

    Args:
        seed: the seed.
        base: the folder that the file's place is told from.
        tests: what its property file demands of its rows.
    """

    seed: Seed
    base: Path
    tests: Contract | None = None

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """The rows of the file.

        Raises:
            ConfigurationError: it cannot be read: `file:row: what`.
            ContractError: rows break its tests.
        """
        content = self.seed.path.read_bytes()
        path = self.seed.path.relative_to(self.base) if self.seed.path.is_relative_to(self.base) else self.seed.path
        rows = read_seed(self.seed)
        if self.tests is not None:
            refuse_broken(rows, self.tests, self.seed.table)
        numbered = rows.append_column(SOURCE_FILE, pa.array([str(path)] * rows.num_rows, pa.string()))
        numbered = numbered.append_column(SOURCE_ROW, pa.array(np.arange(1, rows.num_rows + 1), pa.int64()))
        file = SourceFile(str(path), len(content), hashlib.sha256(content).hexdigest())
        return Extract(numbered, (file,))


def seed_snapshot(seed: Seed, base: Path, tests: Contract | None = None) -> Snapshot:
    """A seed as a capture takes it; one without rows is legal."""
    return Snapshot(seed.name, SeedSource(seed, base, tests), empty_allowed=True, columns_known=True, stage=STAGE)


def seed_digest(seed: Seed) -> str:
    """A digest of what decides about a seed's rows: the file, and how it is read."""
    config = seed.config
    told = json.dumps([dict(config.column_types), config.delimiter], sort_keys=True)
    return hashlib.sha256(seed.path.read_bytes() + told.encode()).hexdigest()


def seed_columns(seed: Seed) -> pa.Schema:
    """The columns of a seed as models see them, each row's position among them."""
    return input_schema({field.name: field.type for field in seed_schema(seed)}, partitioned=False)
