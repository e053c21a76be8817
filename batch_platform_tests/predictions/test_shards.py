"""Shards cover every row once, end on the given boundaries, and are named after all that determines the result."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batch_platform.predictions.shards import SHARD_ROWS, plan

FILES = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 50), min_size=1, max_size=5)


@given(FILES, st.integers(1, 20))
def test_every_row_is_in_exactly_one_shard(files: dict[str, int], shard_rows: int) -> None:
    shards = plan("p", files.items(), ("f",), shard_rows)
    covered = [(s.path, row) for s in shards for row in range(s.first_row, s.first_row + s.rows)]
    assert covered == [(path, row) for path in sorted(files) for row in range(files[path])]
    assert all(s.rows <= shard_rows and s.first_row % shard_rows == 0 and s.partition == "p" for s in shards)
    assert len({s.name for s in shards}) == len(shards)
    assert len(shards) == 1 if not any(files.values()) else all(s.rows for s in shards)


@given(FILES)
def test_the_order_of_files_does_not_matter(files: dict[str, int]) -> None:
    assert plan("p", files.items(), ("f",), 7) == plan("p", reversed(list(files.items())), ("f",), 7)


def test_names_depend_on_partition_fingerprint_file_and_range() -> None:
    names = [
        plan(partition, [(path, rows)], fingerprint)[0].name
        for partition, path, rows, fingerprint in (
            ("p", "a", 3, ("f", "g")),
            ("q", "a", 3, ("f", "g")),
            ("p", "b", 3, ("f", "g")),
            ("p", "a", 4, ("f", "g")),
            ("p", "a", 3, ("f", "h")),
            ("p", "a", 3, ("g", "f")),
            ("p", "a", 3, ("f",)),
        )
    ]
    assert len(set(names)) == len(names)
    assert plan("p", [("a", 3)], ("f", "g"))[0].name == names[0]


def test_no_files_give_no_shards_and_full_shards_end_inside_no_batch() -> None:
    assert plan("p", [], ("f",)) == []
    assert [s.rows for s in plan("p", [("a", SHARD_ROWS + 1)], ("f",))] == [SHARD_ROWS, 1]
    for batch_rows in (4096, 65_536):
        assert SHARD_ROWS % batch_rows == 0
