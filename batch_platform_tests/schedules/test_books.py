"""Books over real Delta tables: what they keep between looks, and when they read again."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest

from batch_platform.errors import LakeError
from batch_platform.lake.digest import digest_table
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.schedules import books as module
from batch_platform.schedules.books import LakeBooks
from batch_platform.schedules.facts import Made
from batch_platform_tests.lake.writers import commit_rows

NAME = "snapshots/orders"


def rows(value: int) -> pa.Table:
    return pa.table({"value": [value]})


def digest(value: int) -> str:
    return digest_table(rows(value)).hex


def log_of(lake: Lake) -> Path:
    return Path(lake.uri(NAME)) / "_delta_log"


def test_a_table_that_is_not_there_holds_nothing(lake: Lake) -> None:
    books = LakeBooks(lake)
    books.look()
    assert (set(books.live(NAME)), books.made(NAME, ["a"]), books.version(NAME)) == (set(), {}, -1)
    assert books.stretch(NAME, "a", "z") == []


def test_what_was_committed_is_seen_in_the_next_look_and_not_before(lake: Lake) -> None:
    books, table = LakeBooks(lake), Table(lake, NAME)
    books.look()
    assert not books.live(NAME)
    commit_rows(table, {"a": rows(1), "b": rows(2)})
    assert not books.live(NAME)
    books.look()
    assert books.live(NAME) == {"a", "b"}
    assert books.stretch(NAME, "a", "b") == [digest(1), digest(2)]
    assert books.stretch(NAME, "aa", "z") == [digest(2)]


def test_two_commits_within_a_moment_are_both_seen(lake: Lake) -> None:
    books, table = LakeBooks(lake), Table(lake, NAME)
    for value in range(5):
        commit_rows(table, {"a": rows(value)})
        books.look()
        assert books.made(NAME, ["a"])["a"].digest == digest(value)


def test_what_was_committed_by_others_replaces_only_what_it_names(lake: Lake) -> None:
    books = LakeBooks(lake)
    commit_rows(Table(lake, NAME), {"a": rows(1), "b": rows(2)})
    books.look()
    before = books.made(NAME, ["a", "b"])
    commit_rows(Table(lake, NAME), {"b": rows(3)}, run_id="of another process")
    books.look()
    after = books.made(NAME, ["a", "b"])
    assert after["a"] is before["a"]
    assert after["b"].digest == digest(3)
    assert books.version(NAME) == 2


def test_a_log_that_did_not_change_is_not_read_again(lake: Lake) -> None:
    commit_rows(Table(lake, NAME), {"a": rows(1)})
    books = LakeBooks(lake)
    with patch.object(module, "_SETTLED", 0):
        books.look()
        books.made(NAME, ["a"])
        with (
            patch.object(module, "newest_records", side_effect=AssertionError),
            patch.object(module, "_newest", side_effect=AssertionError),
        ):
            books.look()
            assert books.made(NAME, ["a"])["a"].digest == digest(1)


def test_a_table_that_was_removed_holds_nothing_any_more(lake: Lake) -> None:
    commit_rows(Table(lake, NAME), {"a": rows(1)})
    books = LakeBooks(lake)
    books.look()
    assert books.live(NAME) == {"a"}
    shutil.rmtree(lake.uri(NAME))
    books.look()
    assert (set(books.live(NAME)), books.made(NAME, ["a"])) == (set(), {})


@pytest.mark.parametrize("commits", [1, 3, 6])
def test_a_table_that_was_removed_and_made_again_is_another_one(lake: Lake, commits: int) -> None:
    for value in range(3):
        commit_rows(Table(lake, NAME), {"old": rows(value)})
    books = LakeBooks(lake)
    books.look()
    assert books.live(NAME) == {"old"}
    shutil.rmtree(lake.uri(NAME))
    for value in range(commits):
        commit_rows(Table(lake, NAME), {"new": rows(10 + value)})
    books.look()
    assert books.live(NAME) == {"new"}
    assert books.made(NAME, ["new", "old"]).keys() == {"new"}
    assert books.made(NAME, ["new"])["new"].digest == digest(9 + commits)


def test_a_damaged_log_is_told_each_time_and_forgotten_once_it_is_well(lake: Lake) -> None:
    commit_rows(Table(lake, NAME), {"a": rows(1)})
    books = LakeBooks(lake)
    books.look()
    assert books.made(NAME, ["a"])
    commit_rows(Table(lake, NAME), {"a": rows(2)})
    newest = sorted(log_of(lake).glob("*.json"))[-1]
    whole = newest.read_text()
    newest.write_text(whole.replace('\\"digest\\"', '\\"dig\\"'))
    for _ in range(2):
        books.look()
        with pytest.raises(LakeError):
            books.made(NAME, ["a"])
    newest.write_text(whole)
    books.look()
    assert books.made(NAME, ["a"])["a"].digest == digest(2)


def test_what_does_not_lie_in_the_lake_is_asked_once_in_each_look(lake: Lake) -> None:
    asked: list[int] = []

    def held() -> dict[str, Made]:
        asked.append(1)
        return {"2025-01-01": Made("one")}

    books = LakeBooks(lake, {"models/m": held})
    for _ in range(2):
        books.look()
        assert books.live("models/m") == {"2025-01-01"}
        assert books.stretch("models/m", "2025-01-01", "2025-02-01") == ["one"]
    assert len(asked) == 2
    assert books.version("models/m") == -1
