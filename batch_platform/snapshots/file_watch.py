"""Watching files: sizes, times and identities tell whether they changed, and then their bytes decide.

Belongs here: one look at the files of all partitions that are watched. Does not belong here: when what was seen has
arrived (`schedules/watching.py`), or finding files (`many_listed.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from batch_platform.errors import SourceError
from batch_platform.lake.object_folder import sha256_of
from batch_platform.partitions import Window
from batch_platform.schedules.watching import Glimpse, Windows
from batch_platform.snapshots.listing import Listed, object_now, refused
from batch_platform.snapshots.many_listed import IRREGULAR, FoundFile, LocalFile, identity_of, many_listed
from batch_platform.snapshots.object_file import opened


class FileWatch:
    """Looks at the files that match a pattern, on a disk or in an object store; see `schedules.watching.Watch`.

    Digests of files are kept from one look to the next: a file that was not written again is not read again.

    Args:
        files: the pattern.
        base: the folder that relative patterns start from.
        ready: the pattern of a file without which a partition is not complete; None: there is no such file.
    """

    def __init__(self, files: str, base: Path, ready: str | None = None) -> None:
        self._pattern, self._base, self._ready = files, base, ready
        self._found: dict[str, list[FoundFile]] = {}
        self._digests: dict[str, tuple[str, str]] = {}

    def glimpse(self, windows: Windows, ahead: Windows) -> Mapping[str, Glimpse]:
        """The files of each partition; see `Watch.glimpse`."""
        found = many_listed(self._pattern, self._base, windows, ahead)
        if self._ready is not None:
            having = {key: windows[key] for key in found if key in windows}
            marked = many_listed(self._ready, self._base, having, {})
            found = {key: files for key, files in found.items() if key in marked or key in ahead}
        self._found = found
        if len(self._digests) > sum(map(len, found.values())):
            known = {file.path for files in found.values() for file in files}
            self._digests = {path: entry for path, entry in self._digests.items() if path in known}
        return {key: _glimpse(files) for key, files in found.items()}

    def contents(self, key: str, window: Window | None) -> Mapping[str, str] | None:
        """Path -> sha256 of the files that were seen; see `Watch.contents`."""
        files = self._found.get(key, [])
        found = {}
        for file in files:
            digest = self._digest(file)
            if digest is None:
                return None
            found[file.path] = digest
        return found

    def _digest(self, file: FoundFile) -> str | None:
        """The sha256 of a file's bytes; None if it is not the one that was listed any more."""
        identity, digest = self._digests.get(file.path, ("", ""))
        if identity == file.identity:
            return digest
        if file.identity == IRREGULAR:
            raise SourceError("is no regular file, or a link to nothing", where=file.path, fix="remove it")
        found = _of_object(file) if isinstance(file, Listed) else _of_file(file)
        if found is not None:
            self._digests[file.path] = (file.identity, found)
        return found


def _glimpse(files: Sequence[FoundFile]) -> Glimpse:
    token = hashlib.sha256("\0".join([f"{file.path}\0{file.identity}" for file in files]).encode())
    return Glimpse(token.hexdigest()[:32], len(files), sum([file.size for file in files]))


def _of_file(file: LocalFile) -> str | None:
    place = Path(file.place)
    try:
        with place.open("rb") as opened:
            if identity_of(os.fstat(opened.fileno())) != file.identity:
                return None
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        return found if identity_of(place.stat()) == file.identity else None
    except FileNotFoundError:
        return None
    except OSError as error:
        fix = "check its permissions"
        raise SourceError(f"cannot be read: {error.strerror}", where=file.path, fix=fix) from error


def _of_object(file: Listed) -> str | None:
    try:
        with opened(file) as source:
            found = sha256_of(source)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException) as error:
        raise refused(error, file.path) from error
    now = object_now(file)
    return found if now is not None and now.identity == file.identity else None
