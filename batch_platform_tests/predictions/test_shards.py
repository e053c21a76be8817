"""Shards cover every row once, end where row groups do, are about equal, and are named after what determines them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batch_platform.predictions.shards import FeatureFile, Shard, cut

GROUPS = st.lists(st.integers(1, 30), min_size=1, max_size=12)


def files_of(groups: dict[str, list[int]]) -> list[FeatureFile]:
    return [FeatureFile(path, sum(rows), tuple(rows)) for path, rows in groups.items()]


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), GROUPS, min_size=1, max_size=5), st.integers(1, 40))
def test_every_row_is_in_exactly_one_shard_and_no_row_group_in_two(
    groups: dict[str, list[int]], shard_rows: int
) -> None:
    shards = cut("p", files_of(groups), ("f",), shard_rows)
    covered = [(s.path, row) for s in shards for row in range(s.first_row, s.first_row + s.rows)]
    assert covered == [(path, row) for path in sorted(groups) for row in range(sum(groups[path]))]
    for shard in shards:
        first, end = shard.groups or (0, len(groups[shard.path]))
        assert sum(groups[shard.path][first:end]) == shard.rows > 0
        assert sum(groups[shard.path][:first]) == shard.first_row
    assert len({shard.name for shard in shards}) == len(shards)


@given(GROUPS, st.integers(1, 40))
def test_a_shard_is_larger_than_asked_by_less_than_its_last_row_group(groups: list[int], shard_rows: int) -> None:
    for shard in cut("p", files_of({"a": groups}), ("f",), shard_rows):
        first, end = shard.groups or (0, len(groups))
        assert end - first == 1 or shard.rows - groups[end - 1] < shard_rows


def test_a_small_rest_is_spread_over_all_shards() -> None:
    shards = cut("p", [FeatureFile("a", 90, (10,) * 9)], ("f",), 40)
    assert [shard.rows for shard in shards] == [30, 30, 30]


def test_one_enormous_row_group_is_one_shard() -> None:
    [shard] = cut("p", [FeatureFile("a", 10**8, (10**8,))], ("f",), 262_144)
    assert (shard.rows, shard.groups) == (10**8, (0, 1))


def test_empty_files_count_only_where_there_is_no_other() -> None:
    assert [s.path for s in cut("p", [FeatureFile("b", 0), FeatureFile("a", 0)], ("f",), 7)] == ["a"]
    assert [s.path for s in cut("p", [FeatureFile("a", 0), FeatureFile("b", 2)], ("f",), 7)] == ["b"]
    assert cut("p", [], ("f",), 7) == []


@given(st.lists(st.text("abc", min_size=1, max_size=3), unique=True, min_size=1))
def test_the_order_of_files_does_not_matter(paths: list[str]) -> None:
    files = [FeatureFile(path, 20, (10, 10)) for path in paths]
    assert cut("p", files, ("f",), 10) == cut("p", files[::-1], ("f",), 10)


def test_names_depend_on_partition_fingerprint_file_and_range() -> None:
    def name(partition: str, path: str, rows: int, fingerprint: tuple[str, ...]) -> str:
        [shard] = cut(partition, [FeatureFile(path, rows)], fingerprint, 100)
        assert isinstance(shard, Shard)
        return shard.name

    names = [
        name("p", "a", 3, ("f", "g")),
        name("q", "a", 3, ("f", "g")),
        name("p", "b", 3, ("f", "g")),
        name("p", "a", 4, ("f", "g")),
        name("p", "a", 3, ("f", "h")),
        name("p", "a", 3, ("g", "f")),
        name("p", "a", 3, ("f",)),
    ]
    assert len(set(names)) == len(names)
    assert name("p", "a", 3, ("f", "g")) == names[0]
