"""Of an earlier partition no more is read than the row groups that may hold a shard's keys, each of them once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from batch_platform.errors import UnreadableError
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.predictions import earlier as module
from batch_platform.predictions.earlier import Earlier, EarlierRows
from batch_platform_tests.predictions.tables import predictions_of

KEY = ("city", "visit")
PARTITION = "2026-01-05"
Keys = list[tuple[str | None, int | None]]


@pytest.fixture(autouse=True)
def small_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch_platform.lake.row_groups.ROW_GROUP_ROWS", 4)


def keyed(keys: Keys) -> pa.Table:
    cities, visits = [city for city, _ in keys], [visit for _, visit in keys]
    columns = {"city": pa.array(cities, pa.string()), "visit": pa.array(visits, pa.int64())}
    return pa.table(columns | {"chance": pa.array([float(row) for row in range(len(keys))], pa.float32())})


def earlier_of(lake: Lake, *files: Keys) -> EarlierRows:
    predictions = predictions_of(key=KEY, carry=(), outputs={"chance": "score"})
    table = Table(lake, predictions.table)
    paths = tuple(table.write(PARTITION, keyed(keys)).path for keys in files if keys)
    return EarlierRows(predictions, Earlier(lake, PARTITION, tuple(sorted(set(paths))), same_features=True))


def found(earlier: EarlierRows, keys: Keys) -> list[Any]:
    """The keys that a chunk finds among the earlier rows."""
    now = pl.DataFrame(pl.from_arrow(keyed(keys).select(KEY)))
    return sorted(row for frame in earlier.around(keyed(keys)) for row in frame.join(now, on=KEY, how="semi").rows())


def test_with_a_constant_first_column_every_row_is_read_once_and_a_later_shard_skips_what_lies_before(
    tmp_path: Path,
) -> None:
    keys: Keys = [("2026-01-05", visit) for visit in range(64)]
    whole = earlier_of(Lake(str(tmp_path)), keys[:24], keys[24:])
    for first in range(0, 64, 3):  # chunks that do not end where row groups do
        assert len(found(whole, keys[first : first + 3])) == len(keys[first : first + 3])
    assert whole.rows_read == 64
    late = earlier_of(Lake(str(tmp_path)), keys[:24], keys[24:])
    for first in range(40, 48, 2):
        assert len(found(late, keys[first : first + 2])) == 2
    assert late.rows_read == 8


def test_what_does_not_fit_into_memory_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 1)
    keys: Keys = [("a", visit) for visit in range(0, 64, 2)]
    shuffled = keys[::2] + keys[1::2]
    earlier = earlier_of(Lake(str(tmp_path)), shuffled)
    for first in range(0, 32, 8):
        assert len(found(earlier, shuffled[first : first + 8])) == 8
        assert len(earlier._kept) <= 1
    assert earlier.rows_read > 32


_KEYS = st.lists(st.tuples(st.sampled_from(["a", "é", "z", None]), st.integers(0, 20) | st.none()), max_size=40)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=_KEYS, now=_KEYS, ordered=st.booleans(), files=st.integers(1, 3), chunk=st.integers(1, 7))
def test_every_row_of_a_whole_key_is_found_in_whatever_order_and_files_it_lies(
    tmp_path_factory: pytest.TempPathFactory, before: Keys, now: Keys, ordered: bool, files: int, chunk: int
) -> None:
    if ordered:
        before, now = (
            sorted(keys, key=lambda key: tuple((part is None, part) for part in key)) for keys in (before, now)
        )
    size = -(-len(before) // files) or 1
    parts = [before[first : first + size] for first in range(0, len(before), size)]
    # Equal files are one: their name is their content.
    parts = [part for place, part in enumerate(parts) if part not in parts[:place]]
    earlier = earlier_of(Lake(str(tmp_path_factory.mktemp("lake"))), *parts)
    for first in range(0, len(now), chunk):
        wanted = {key for key in now[first : first + chunk] if None not in key}
        expected = sorted(key for part in parts for key in part if key in wanted)
        assert [row[:2] for row in found(earlier, now[first : first + chunk])] == expected


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    earlier = earlier_of(Lake(str(tmp_path)), [("a", 1)])
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    with pytest.raises(UnreadableError, match=r"predictions/visits\[2026-01-05\], file .*materialize it again"):
        found(earlier, [("a", 1)])
