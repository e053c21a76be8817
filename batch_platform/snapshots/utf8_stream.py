"""A text file as a stream of bytes: unpacked, and checked to be UTF-8 as they pass.

What the text means is the business of its readers, `csv_file.py` and `jsonl_file.py`.
"""

from __future__ import annotations

import gzip
import io
import zlib
from codecs import getincrementaldecoder
from typing import Any, BinaryIO

from batch_platform.errors import SourceError


class Utf8Stream(io.RawIOBase):
    """The bytes of a text file (unpacked if `packed`), checked to be UTF-8 as they pass, then `tail`.

    `quotes` counts the double quotes that have passed. Reading raises SourceError where the bytes are damaged
    or no UTF-8; a message calls the file `shown`.
    """

    def __init__(self, file: BinaryIO, shown: str, *, packed: bool, tail: bytes = b"\n") -> None:
        file.seek(0)
        self._bytes: Any = gzip.GzipFile(fileobj=file, mode="rb") if packed else file
        self._shown, self._tail = shown, tail
        self._decoder = getincrementaldecoder("utf-8")()
        self._passed = 0
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        # Filled to its size, since the CSV reader takes each answer for one block and wants whole rows in it.
        block = b""
        while size < 0 or len(block) < size:
            chunk = self._checked(size - len(block) if size >= 0 else -1)
            if not chunk:
                room = len(self._tail) if size < 0 else size - len(block)
                chunk, self._tail = self._tail[:room], self._tail[room:]
                return block + chunk
            block += chunk
        return block

    def _checked(self, size: int) -> bytes:
        try:
            chunk: bytes = self._bytes.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise SourceError("truncated or damaged gzip", where=self._shown, fix="deliver the file again") from None
        pending = len(self._decoder.getstate()[0])
        try:
            self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            offset = self._passed - pending + error.start
            raise SourceError(
                f"not UTF-8 at byte {offset} (counted from 0)", where=self._shown, fix="convert it to UTF-8"
            ) from None
        self._passed += len(chunk)
        self.quotes += chunk.count(b'"')
        return chunk

    def readinto(self, buffer: Any) -> int:
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)
