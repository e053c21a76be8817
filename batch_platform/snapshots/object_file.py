"""One object of an object store as a file: read whole, or only where it is asked for.

Belongs here: reading objects safely. Does not belong here: finding them (`listing.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import pyarrow as pa

from batch_platform.errors import SourceError
from batch_platform.snapshots.listing import Listed, object_now, refused, store
from batch_platform.snapshots.sources import SourceFile

_PIECE_BYTES = 32 << 20
_IN_MEMORY_BYTES = 64 << 20


@contextmanager
def fetched(file: Listed) -> Iterator[tuple[BinaryIO, SourceFile]]:
    """A copy of an object, in memory or (above 64 MiB) in a temporary file, with its size and digest.

    Raises:
        SourceError: the store refuses, or the object is not as it was listed, before or after it was read.
    """
    with SpooledTemporaryFile(_IN_MEMORY_BYTES) as copy:
        digest = hashlib.sha256()
        size = 0
        try:
            with opened(file) as source:
                while piece := source.read(_PIECE_BYTES):
                    digest.update(piece)
                    size += len(piece)
                    copy.write(piece)
        except (OSError, pa.ArrowException) as error:
            if _changed(file):
                raise _moving(file) from None
            raise refused(error, file.path) from error
        if size != file.size or _changed(file):
            raise _moving(file)
        copy.seek(0)
        yield cast(BinaryIO, copy), SourceFile(file.path, size, digest.hexdigest())


def opened(file: Listed) -> BinaryIO:
    """An object for random access.

    Raises:
        OSError: it is gone, or the store refuses.
    """
    scheme, _, rest = file.place.partition("://")
    bucket, _, path = rest.partition("/")
    return cast(BinaryIO, store(f"{scheme}://{bucket}").open_input_file(path))


def _changed(file: Listed) -> bool:
    now = object_now(file)
    return now is None or now.identity != file.identity


def _moving(file: Listed) -> SourceError:
    return SourceError(
        "changed while it was read",
        where=file.path,
        fix="write an object once it is complete, and under a name of its own, then run again",
    )
