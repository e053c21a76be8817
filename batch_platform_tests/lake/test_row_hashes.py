"""What is hashed once per value, or in blocks, or on several threads, gives the digest of the plain values."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.lake.digest import ContentDigest, digest_table
from batch_platform.lake.row_hashes import BLOCK_ROWS

ENTRIES = st.lists(st.none() | st.text("ab", max_size=2), min_size=1, max_size=4)


def digest(column: Any) -> ContentDigest:
    return digest_table(pa.table({"a": column}))


@given(ENTRIES, st.data(), st.integers(0, 3))
def test_a_dictionary_is_worth_its_plain_values(entries: list[str | None], data: st.DataObject, skip: int) -> None:
    """Few entries for many rows, one entry for all, nulls among entries and among indices."""
    place = st.none() | st.integers(0, len(entries) - 1)
    places = data.draw(st.lists(place, min_size=1, max_size=20))
    coded = pa.DictionaryArray.from_arrays(pa.array(places, pa.int8()), pa.array(entries, pa.string())).slice(skip)
    assert digest(coded) == digest(pa.array(coded.to_pylist(), pa.string()))


@pytest.mark.parametrize("nulls", [False, True])
@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.bool_(), pa.timestamp("us"), pa.uint8(), pa.date32()])
def test_blocks_do_not_count(kind: pa.DataType, nulls: bool) -> None:
    rows = 2 * BLOCK_ROWS + 7
    raw = pa.array(np.arange(rows) % 2 if kind == pa.bool_() else np.arange(rows) % 251, pa.int64())
    mask = pa.array(np.arange(rows) % 5 == 0)
    column = (raw.cast(pa.int32()) if kind == pa.date32() else raw).cast(kind)
    if nulls:
        column = pa.array(column.to_pylist(), kind, mask=mask.to_numpy(zero_copy_only=False))
    parts = [digest(column.slice(start, 1000)) for start in range(0, rows, 1000)]
    total = parts[0]
    for part in parts[1:]:
        total += part
    assert digest(column) == total
    assert digest(column.slice(3)) == digest(pa.array(column.to_pylist()[3:], kind))


def test_more_entries_than_an_index_type_counts_to_leave_room_for_null() -> None:
    entries = pa.array([str(index) for index in range(128)])
    places = pa.array([None, *range(128)] * 5, pa.int8())
    coded = pa.DictionaryArray.from_arrays(places, entries)
    assert digest(coded) == digest(coded.dictionary_decode())


@given(st.lists(st.none() | st.lists(st.none() | st.integers(0, 9), max_size=3), max_size=9))
def test_lists_are_folded_alike_in_pieces(values: list[Any]) -> None:
    column = pa.array(values, pa.list_(pa.int64()))
    many = pa.concat_arrays([column] * 50)
    total = ContentDigest(digest(column).shape)
    for _ in range(50):
        total += digest(column)
    assert digest(many) == total


def test_vectors_are_the_same_in_every_kind_of_list() -> None:
    """Longer than a piece, so that a piece of one row, of several and the last are among them."""
    values = np.arange(40 * 384, dtype=np.float32)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(values), 384)
    assert digest(fixed) == digest(fixed.cast(pa.list_(pa.float64())))
    assert digest(fixed).hex == "3c1b649ccfb841dac50f02a6a871c3d6"
    long = pa.array([values.tolist(), [1.0], [], values[::-1].tolist()], pa.list_(pa.float32()))
    assert digest(long) == digest(long.slice(0, 2)) + digest(long.slice(2))


def test_threads_do_not_disturb_each_other() -> None:
    tables = [pa.table({"a": np.arange(seed, seed + 30_000), "b": np.arange(30_000) / 7}) for seed in range(8)]
    expected = [digest_table(table) for table in tables]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(digest_table, tables * 3)) == expected * 3
