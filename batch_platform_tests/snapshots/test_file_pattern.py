"""Patterns of files as text: what they match is what glob finds, and which addresses they may be."""

from __future__ import annotations

import tempfile
from glob import glob
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.snapshots.file_pattern import checked, literal_folder, matches

NAMES = st.sampled_from(["a", "b.csv", ".hidden", "ab", "[x]", "a*"])
PIECES = st.sampled_from(["*", "**", "a", "a*", "?", "[ab]*", "[!a]*", ".*", "*.csv", "[[]x]", "[*]"])


@settings(max_examples=150)
@given(
    files=st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=6),
    pattern=st.lists(PIECES, min_size=1, max_size=4),
)
def test_objects_match_a_pattern_as_files_do(files: list[list[str]], pattern: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for pieces in files:
            path = Path(folder, *pieces)
            if not path.exists() and not any(parent.is_file() for parent in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        everything = [path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()]
        text = "/".join(pattern)
        found = {match for match in glob(text, root_dir=folder, recursive=True) if Path(folder, match).is_file()}  # noqa: PTH207
        assert {path for path in everything if matches(path, text)} == found


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [("a/b/*.csv", "a/b"), ("a/b.csv", "a"), ("*.csv", ""), ("a/**/b/*.csv", "a"), ("a/b[*]/c.csv", "a"), ("x", "")],
)
def test_the_folder_before_the_first_wildcard_is_listed(pattern: str, folder: str) -> None:
    assert literal_folder(pattern) == folder


@pytest.mark.parametrize("address", ["s3://bucket/a/{start:%Y}/*.csv", "az://box-1/x.csv", "gs://b.c_d/**/x.jsonl"])
def test_addresses_of_object_stores_are_taken(address: str) -> None:
    assert checked(address) == address


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("https://host/a.csv", "'https' is no object store; expected s3://, az://, gs:// or a path"),
        ("file:///a.csv", "'file' is no object store"),
        ("s3://bucket", "expected s3://bucket/path"),
        ("s3://bucket/", "expected s3://bucket/path"),
        ("s3:///a.csv", "expected s3://bucket/path"),
        ("s3://key:hunter2@bucket/a.csv", "without placeholders or credentials"),
        ("s3://{partition_key}/a.csv", "without placeholders or credentials"),
        ("s3://bucket*/a.csv", "expected s3://bucket/path"),
    ],
)
def test_other_addresses_are_refused_without_their_secrets(address: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        checked(address)
    assert "hunter2" not in str(raised.value)
