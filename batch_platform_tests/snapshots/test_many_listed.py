"""Files of many partitions are found as those of one are, and each folder is listed once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.errors import SourceError
from batch_platform.partitions import Cadence, Calendar, Window
from batch_platform.snapshots.listing import listed
from batch_platform.snapshots.many_listed import IRREGULAR, joined, many_listed, narrowed
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform_tests.snapshots.objects import Bucket, bucket

__all__ = ["bucket"]

DAYS = Calendar(Cadence.DAILY, "2026-01-01")
KEYS = DAYS.keys_between("2026-01-01", "2026-01-04")
WINDOWS: Mapping[str, Window | None] = {key: DAYS.window(key) for key in KEYS}

PATTERNS = [
    "in/{partition_key}.csv",
    "in/flights_{partition_key}_*.csv",
    "in/*_{partition_key}.csv",
    "in/*{start:%m%d}*",
    "in/{start:%Y/%m/%d}/*.csv",
    "in/**/{partition_key}.csv",
    "**/*{partition_key}*",
    "in/{partition_key}/**",
    "./in//{partition_key}/[ab]?.csv",
    "in/.{partition_key}*",
    "*/{partition_key}/../*.csv",
    "in/*/x.csv",
]
NAMES = [
    "in/2026-01-01.csv",
    "in/2026-01-02.csv",
    "in/flights_2026-01-01_1.csv",
    "in/flights_2026-01-03_2.csv",
    "in/a_2026-01-02.csv",
    "in/.2026-01-02.csv",
    "in/.hidden_2026-01-02.csv",
    "in/x0103y",
    "in/2026/01/02/a.csv",
    "in/2026/01/02/b.txt",
    "in/deep/er/2026-01-03.csv",
    "in/2026-01-04/ab.csv",
    "in/2026-01-04/c.csv",
    "in/2026-01-04/sub/ad.csv",
    "in/two\nlines_2026-01-02.csv",
    "in/caf\u00e9_2026-01-02.csv",
    "in/other/x.csv",
    "2026-01-01",
]


@settings(max_examples=60)
@given(st.sets(st.sampled_from(NAMES)), st.sampled_from(PATTERNS), st.booleans())
def test_the_files_of_many_are_those_of_each(names: set[str], pattern: str, absolute: bool) -> None:
    with TemporaryDirectory() as folder:
        base = Path(folder)
        for name in names:
            path = base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        if absolute:
            pattern = f"{folder}/{pattern}"
        spec = SourceSpec(files=pattern, format="csv")
        each = {key: listed(spec, base, key, window) for key, window in WINDOWS.items()}
        found = many_listed(pattern, base, WINDOWS, {})
        assert {key: [(file.path, file.size, file.identity) for file in files] for key, files in found.items()} == {
            key: [(file.path, file.size, file.identity) for file in files] for key, files in each.items() if files
        }


def test_a_name_that_is_no_utf8_is_found_as_it_is_read(tmp_path: Path) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9_2026-01-01.csv", os.O_CREAT | os.O_WRONLY))
    pattern = "*_{partition_key}.csv"
    one = listed(SourceSpec(files=pattern), tmp_path, "2026-01-01", WINDOWS["2026-01-01"])
    assert [file.path for file in many_listed(pattern, tmp_path, WINDOWS, {})["2026-01-01"]] == [one[0].path]


def test_a_table_without_partitions_has_its_files(tmp_path: Path) -> None:
    (tmp_path / "airports.csv").write_text("a")
    assert [file.path for file in many_listed("air*.csv", tmp_path, {"": None}, {})[""]] == ["airports.csv"]


def test_what_is_no_regular_file_is_found_as_such(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "2026-01-01.csv")
    (tmp_path / "2026-01-02.csv").symlink_to("nowhere")
    (tmp_path / "2026-01-03.csv").mkdir()
    found = many_listed("{partition_key}.csv", tmp_path, WINDOWS, {})
    assert {key: files[0].identity for key, files in found.items()} == {
        "2026-01-01": IRREGULAR,
        "2026-01-02": IRREGULAR,
    }


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    (tmp_path / "in").symlink_to("in")
    with pytest.raises(SourceError, match=r"^in: cannot be listed: Too many levels"):
        many_listed("in/*{partition_key}.csv", tmp_path, WINDOWS, {})


@given(st.lists(st.text("ab/c", min_size=1, max_size=5)), st.text("ab*?", max_size=4))
def test_narrowing_loses_nothing_that_matches(names: list[str], pattern: str) -> None:
    wanted = [name for name in names if fnmatchcase(name, pattern)]
    assert [name for name in narrowed(joined(names), pattern) if fnmatchcase(name, pattern)] == wanted


def test_objects_are_found_as_those_of_each_and_ahead_where_it_costs_nothing(bucket: Bucket) -> None:
    for name in NAMES:
        if name.isascii() and name.isprintable():
            bucket.put(name, name)
    bucket.put("in/flights_2026-01-06_1.csv", "early")
    ahead: Mapping[str, Window | None] = {key: DAYS.window(key) for key in ("2026-01-05", "2026-01-06")}
    cheap = ("in/flights_{partition_key}_*.csv", "**/*{partition_key}*")
    for pattern in (*cheap, "in/{start:%Y/%m/%d}/*.csv", "in/{partition_key}.csv"):
        spec = SourceSpec(files=bucket.address(pattern), format="csv")
        each = {key: listed(spec, Path("/"), key, window) for key, window in WINDOWS.items()}
        found = many_listed(bucket.address(pattern), Path("/"), WINDOWS, ahead)
        assert {key: files for key, files in found.items() if key in WINDOWS} == {k: f for k, f in each.items() if f}
        assert ("2026-01-06" in found) == (pattern in cheap)


def test_the_moment_of_an_early_partition_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "2027-01-01.csv").write_text("a")
    os.utime(tmp_path / "2027-01-01.csv", (0, datetime(2099, 1, 1, tzinfo=UTC).timestamp()))
    assert list(many_listed("{partition_key}.csv", tmp_path, {}, {"2027-01-01": DAYS.window("2027-01-01")})) == [
        "2027-01-01"
    ]
