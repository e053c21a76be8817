"""The files of a partition as their store lists them, without opening one: on a disk, and in an object store.

Belongs here: finding files. Does not belong here: patterns as text (`file_pattern.py`), or reading (`files.py`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from glob import escape, glob
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.fs as pafs

from batch_platform.errors import SourceError, first_line, is_transient
from batch_platform.settings import source_options
from batch_platform.snapshots.file_pattern import expand, is_wild, literal_folder, matches

if TYPE_CHECKING:
    from batch_platform.partitions import Window
    from batch_platform.snapshots.source_spec import SourceSpec


@dataclass(frozen=True, slots=True)
class Listed:
    """One file, unread.

    Attributes:
        path: as messages show it, and as rows name it: relative to the base where it lies under it, else absolute; an
            address in an object store.
        size: in bytes, as it is stored.
        modified: when it was last written, in UTC.
        identity: changes whenever the file is written again or replaced. On a disk that is its size, time (ns) and
            inode; in an object store its size and time, since the client of delta-rs tells no more: content of the
            same size that replaces another within the store's resolution (S3: a second) is not told from it.
        place: where to open it: an absolute path, or the address.
    """

    path: str
    size: int
    modified: datetime
    identity: str
    place: str


def listed(spec: SourceSpec, base: Path, key: str | None, window: Window | None) -> list[Listed]:
    """The files that match `spec.files` for a partition, in the order of their paths; none is no error.

    Args:
        spec: with `files`; without there are none.
        base: the folder that relative patterns start from.
        key: the partition's key, and its window; None for a snapshot without partitions.
        window: see there.

    Raises:
        SourceError: one of them is no regular file, or the object store refuses or is unreachable.
        PartitionKeyError: the key cannot stand in a path.
        ConfigurationError: the pattern needs partitions, and the snapshot has none.
    """
    if spec.files is None:
        return []
    pattern = expand(spec.files, key, window, quote=escape)
    found = _objects(pattern) if "://" in pattern else _files(pattern, base)
    return sorted(found, key=lambda file: file.path)


def shown(path: Path, base: Path) -> str:
    """A path of a disk as messages show it."""
    inside = path.is_relative_to(base)
    text = (path.relative_to(base) if inside else path).as_posix()
    return text.encode("utf-8", "backslashreplace").decode()


def store(bucket: str) -> pafs.FileSystem:
    """The bucket at an address such as `s3://bucket`, as files.

    Raises:
        SettingError: the options of object stores mean nothing, or hold a credential.
        SourceError: there can be no such store.
    """
    return _store(bucket, tuple(sorted(source_options().items())))


@lru_cache(16)
def _store(bucket: str, options: tuple[tuple[str, str], ...]) -> pafs.FileSystem:
    from deltalake.fs import DeltaStorageHandler

    try:
        return pafs.PyFileSystem(DeltaStorageHandler(bucket, dict(options)))
    except Exception as error:  # the classes of delta-rs are its own
        raise refused(error, bucket) from error


def refused(error: BaseException, address: str) -> SourceError:
    """What an object store says when it does not list or give files."""
    return SourceError(
        f"the object store says: {first_line(error)}",
        where=address,
        fix="check the address, and the credentials and BATCH_PLATFORM_SOURCE_OPTIONS of the environment",
        transient=is_transient(error),
    )


def _files(pattern: str, base: Path) -> Iterator[Listed]:
    # Unlike Path.glob, this takes absolute patterns and leaves hidden files (of unfinished writes) alone.
    for match in set(glob(pattern, root_dir=base, recursive=True)):  # noqa: PTH207, RUF100
        place = os.path.join(base, match)  # noqa: PTH118, RUF100 - a path object for each of 100,000 files takes a second
        try:
            status = os.stat(place)  # noqa: PTH116, RUF100
        except OSError:
            if not os.path.lexists(place):  # gone since it was listed
                continue
            status = None
        if status is not None and stat.S_ISDIR(status.st_mode):
            continue
        path = shown(Path(place), base)
        if status is None or not stat.S_ISREG(status.st_mode):
            raise SourceError("is no regular file, or a link to nothing", where=path, fix="remove it")
        yield Listed(
            path,
            status.st_size,
            datetime.fromtimestamp(status.st_mtime, UTC),
            f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}",
            place,
        )


def _objects(pattern: str) -> Iterator[Listed]:
    scheme, _, rest = pattern.partition("://")
    bucket, _, path = rest.partition("/")
    address = f"{scheme}://{bucket}"
    folder = literal_folder(path)
    below = path[len(folder) :].lstrip("/")
    files = store(address)
    try:
        if not is_wild(path):
            found = [files.get_file_info(path)]
        else:
            deep = "/" in below
            found = files.get_file_info(pafs.FileSelector(folder, recursive=deep, allow_not_found=True))
    except (OSError, pa.ArrowException) as error:
        raise refused(error, f"{address}/{folder}") from error
    for entry in found:
        # Those that end with a slash stand for folders in some tools.
        if entry.type == pafs.FileType.File and not entry.path.endswith("/") and matches(entry.path, path):
            yield listed_object(address, entry)


def object_now(file: Listed) -> Listed | None:
    """An object as it is now; None if it is gone.

    Raises:
        SourceError: the object store refuses or is unreachable.
    """
    scheme, _, rest = file.place.partition("://")
    bucket, _, path = rest.partition("/")
    address = f"{scheme}://{bucket}"
    try:
        entry = store(address).get_file_info(path)
    except (OSError, pa.ArrowException) as error:
        raise refused(error, file.path) from error
    return listed_object(address, entry) if entry.type == pafs.FileType.File else None


def listed_object(address: str, entry: pafs.FileInfo) -> Listed:
    """An object of the bucket at an address, as its store lists it."""
    """A file as the client of the bucket at `address` tells of it."""
    place = f"{address}/{entry.path}"
    modified = entry.mtime.astimezone(UTC) if entry.mtime is not None else datetime.fromtimestamp(0, UTC)
    return Listed(place, entry.size, modified, f"{entry.size}-{entry.mtime_ns}", place)
