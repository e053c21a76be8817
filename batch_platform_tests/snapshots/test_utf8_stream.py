"""Text files: unpacked whole, and checked to be UTF-8 up to the last byte."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import SourceError
from batch_platform.snapshots.utf8_stream import Utf8Stream
from batch_platform_tests.snapshots.reading import refused

AB = {"a": "BIGINT", "b": "VARCHAR"}


def test_bytes_that_are_not_utf8_are_placed_beyond_the_first_block(tmp_path: Path) -> None:
    content = b"a,b\n" + "1,é\n".encode() * 2_000_000 + b"1,\xff\n"
    refused(tmp_path, content, f"not UTF-8 at byte {len(content) - 2}", columns=AB)


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n" + b"".join(b"%d,x\n" % n for n in range(10_000)))
    for content in (
        packed[: len(packed) // 2],
        packed[:-4],
        b"a,b\n1,x\n",
        packed[:2000] + b"\0\0\0" + packed[2003:],
    ):
        refused(tmp_path, content, "truncated or damaged gzip", name="in.csv.gz", columns=AB)


@given(text=st.text(st.characters(exclude_categories=["Cs"])), tail=st.binary(max_size=4), size=st.integers(1, 9))
@pytest.mark.parametrize("packed", [False, True])
def test_blocks_are_full_and_hold_every_byte_then_the_tail(packed: bool, text: str, tail: bytes, size: int) -> None:
    stored = gzip.compress(text.encode()) if packed else text.encode()
    stream = Utf8Stream(io.BytesIO(stored), "x", packed=packed, tail=tail)
    blocks = []
    while block := stream.read(size):
        blocks.append(block)
    assert b"".join(blocks) == text.encode() + tail
    assert all(len(block) == size for block in blocks[:-1])
    assert stream.quotes == text.count('"')


@given(before=st.text(st.characters(exclude_categories=["Cs"])), size=st.integers(1, 9))
def test_the_first_byte_that_is_not_utf8_is_counted_from_zero(before: str, size: int) -> None:
    content = before.encode()
    stream = Utf8Stream(io.BytesIO(content + b"\xff,x"), "x.csv", packed=False)
    with pytest.raises(SourceError, match=rf"^x\.csv: not UTF-8 at byte {len(content)} "):
        while stream.read(size):
            pass
