"""Keys that have to be read back are counted in memory that does not grow with their number."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from batch_platform.errors import UnreadableError
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.predictions.uniqueness import repeated_keys
from batch_platform.resources import Resources
from batch_platform_tests.predictions.tables import predictions_of

KEY = "2026-01-05"
ROWS = 3_000_000


@pytest.fixture
def pool() -> Iterator[pa.MemoryPool]:
    """A memory pool that only this test's own allocations go through."""
    before = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(before)
    pa.set_memory_pool(counted)
    yield counted
    pa.set_memory_pool(before)


def test_a_file_is_never_read_as_a_whole(lake: Lake, pool: pa.MemoryPool) -> None:
    file = Table(lake, "predictions/visits").write(KEY, pa.table({"visit": pa.array(range(ROWS), pa.int64())}))
    counted = pa.proxy_memory_pool(pool)
    pa.set_memory_pool(counted)
    assert repeated_keys(predictions_of(), lake, Resources(threads=1), [file, file]) == ROWS
    assert counted.max_memory() < 8 * ROWS / 2


def test_a_file_that_cannot_be_read_is_named(lake: Lake) -> None:
    table = Table(lake, "predictions/visits")
    whole, cut = (table.write(KEY, pa.table({"visit": pa.array(range(n), pa.int64())})) for n in (3, 5))
    os.truncate(f"{table.uri}/{cut.path}", 20)
    with pytest.raises(UnreadableError, match=rf"predictions/visits, file {cut.path}.*rebuild the partition"):
        repeated_keys(predictions_of(), lake, Resources(), [whole, cut])
    Path(f"{table.uri}/{cut.path}").unlink()
    with pytest.raises(UnreadableError, match="cannot be read"):
        repeated_keys(predictions_of(), lake, Resources(), [whole, cut])
