"""The book of lineage: nothing is followed twice, whatever its file holds, and ephemeral models are no assets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from batch_platform.features import lineage as module
from batch_platform.features.definition import FeatureTable
from batch_platform.features.lineage import LineageBook, through_ephemeral, told
from batch_platform.sql.lineage import ColumnRef
from batch_platform_tests.features.projects import CONTRACT, DAYS, read_project


@pytest.fixture
def days(tmp_path: Path) -> FeatureTable:
    """A model of one input."""
    return read_project(tmp_path, {"models/days.sql": DAYS, "models/schema.yml": CONTRACT.format(name="days")})["days"]


def test_nothing_is_computed_the_second_time(
    tmp_path: Path, days: FeatureTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "book" / "lineage.json"
    first = LineageBook(path)
    found = first.lineage(days)
    first.save()
    assert [str(ref) for ref in found.columns["flight"]] == ["snapshots/flights.flight"]
    file = path.stat()

    def followed(*_: object) -> None:
        raise AssertionError("the query is followed again")

    monkeypatch.setattr(module, "column_lineage", followed)
    again = LineageBook(path)
    assert again.lineage(days) == found
    again.save()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (file.st_ino, file.st_mtime_ns)


@pytest.mark.parametrize(
    "entry",
    [
        {"columns": [], "unknown": {}, "reason": ""},
        {"columns": {"flight": [{"table": "x"}]}, "unknown": {}, "reason": ""},
        {"columns": {"flight": 7}, "unknown": {}, "reason": ""},
        {"columns": {"flight": [1]}, "unknown": [], "reason": ""},
        {"columns": {}, "unknown": [], "reason": ""},
        {},
        [],
        None,
    ],
)
def test_an_entry_that_is_none_is_found_out_anew(tmp_path: Path, days: FeatureTable, entry: Any) -> None:
    path = tmp_path / "lineage.json"
    book = LineageBook(path)
    found = book.lineage(days)
    book.save()
    (key,) = json.loads(path.read_text())
    path.write_text(json.dumps({key: entry}))
    book = LineageBook(path)
    assert book.lineage(days) == found
    book.save()
    assert LineageBook(path)._known[key]["columns"].keys() == found.columns.keys()


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, days: FeatureTable) -> None:
    """A folder stands where the file should be, so that the new file cannot take its place."""
    path = tmp_path / "book" / "lineage.json"
    path.mkdir(parents=True)
    book = LineageBook(path)
    book.lineage(days)
    book.save()
    assert list(path.parent.iterdir()) == [path]


def test_columns_of_ephemeral_models_are_what_they_come_from() -> None:
    a, b = ColumnRef("snapshots/s", "a"), ColumnRef("snapshots/s", "b")
    inner, outer = ColumnRef("features/inner", "x"), ColumnRef("features/outer", "y")
    ephemeral = {"features/inner": {"x": (a, b)}, "features/outer": {"y": (inner, a)}}
    columns = {"n": (outer, b), "m": (ColumnRef("features/inner", "unknown"),), "k": ()}
    assert through_ephemeral(columns, ephemeral) == {"n": (a, b), "m": (), "k": ()}


def test_only_some_origins_are_told() -> None:
    refs = [ColumnRef("snapshots/s", f"c{n}") for n in range(8)]
    assert told(refs) == "[from snapshots/s: c0, c1, c2, c3, c4, c5 and 2 more]"
    assert told([]) == ""


def test_a_load_follows_no_more_models_than_it_may_and_the_next_one_follows_on(tmp_path: Path) -> None:
    files = {
        f"models/m{n}.sql": f"SELECT runways + {n} AS x FROM {{{{ source('snapshots', 'airports') }}}}"
        for n in range(3)
    }
    tables = list(read_project(tmp_path, files).values())
    known = []
    for _ in range(2):
        book = LineageBook(tmp_path / "book.json", most=2)
        known.append([bool(book.lineage(table).columns) for table in tables])
        book.save()
    assert known == [[True, True, False], [True, True, True]]
