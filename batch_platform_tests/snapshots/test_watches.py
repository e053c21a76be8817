"""A source is watched where something tells cheaply what it holds, and not otherwise."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.watches import can_watch, watch_of
from batch_platform_tests.snapshots.looking import DAY, OTHER, Looker


@pytest.mark.parametrize(
    "source",
    [
        {"demo": "nycflights13/aircraft"},
        {"sql": {"url_from": "SHOP_DB", "table": "orders"}},
        {"sql": {"url_from": "SHOP_DB", "query": "SELECT 1"}},
        {"function": {"call": "vendor:rows"}},
    ],
)
def test_what_only_reading_tells_is_not_watched(source: dict[str, Any], tmp_path: Path) -> None:
    spec = SourceSpec.model_validate(source)
    assert not can_watch(spec) and watch_of(spec, base=tmp_path, empty_allowed=False) is None


def test_what_a_probe_says_decides_when_a_function_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says: dict[str, str | None] = {DAY: "1"}
    gives: dict[str, list[int]] = {DAY: [1, 2]}
    calls: list[str] = []
    vendor = ModuleType("vendor")

    def rows(key: str, start: object, end: object, *, shop: str) -> pa.Table:
        calls.append(f"{shop} {key}")
        return pa.table({"price": pa.array(gives.get(key, []), pa.int64())})

    def probe(key: str, start: object, end: object, *, shop: str) -> str | None:
        return says.get(key)

    vars(vendor).update(rows=rows, probe=probe)
    monkeypatch.setitem(sys.modules, "vendor", vendor)
    declared = {"call": "vendor:rows", "probe": "vendor:probe", "options": {"shop": "north"}}
    looker = Looker(SourceSpec.model_validate({"function": declared}), tmp_path)
    assert looker.arrived() == [DAY] and calls == [f"north {DAY}"] and looker.is_as_captured(DAY)
    says[DAY] = "2"
    assert looker.arrived() == []
    says |= {DAY: "3", OTHER: "1"}
    gives[DAY] = [1, 3]
    assert looker.arrived() == [DAY]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"ready": "in/{partition_key}/DONE"}, "ready: only for `files`"),
        ({"settle_seconds": 0}, "greater than or equal to 1"),
    ],
)
def test_what_means_nothing_is_refused(declared: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SourceSpec.model_validate({"function": {"call": "vendor:rows"}, **declared})


def test_a_marker_is_a_pattern_as_files_are() -> None:
    with pytest.raises(ValueError, match="unknown placeholder"):
        SourceSpec.model_validate({"files": "in/{partition_key}.csv", "ready": "in/{day}.done"})
