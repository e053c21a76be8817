"""The files of many partitions at once: each folder is listed once, however many partitions it holds.

Belongs here: what `listing.py` does for one partition, for all that are watched, with the same result (but
what is no regular file is found, as `IRREGULAR`, where `listing.py` refuses its one partition). Does not belong
here: what follows from what was found (`file_watch.py`).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import translate
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs

from batch_platform.errors import SourceError
from batch_platform.snapshots.file_pattern import expand, is_wild, literal_folder, matches
from batch_platform.snapshots.listing import Listed, listed_object, refused, store

if TYPE_CHECKING:
    from batch_platform.partitions import Window

IRREGULAR = "irregular"
"""The identity of what is no regular file, or a link to nothing: no partition can hold it."""

_WILD = re.compile(r"[*?]|\[.*?\]")


class LocalFile(NamedTuple):
    """A file of a disk, unread; see `Listed`, which takes longer to make."""

    path: str
    size: int
    identity: str
    place: str


FoundFile = LocalFile | Listed
"""A file of a disk, or of an object store."""

# Path objects for each of 100,000 files would take a second: hence os.path.
# ruff: noqa: PTH116, PTH118


def many_listed(
    pattern: str, base: Path, windows: Mapping[str, Window | None], ahead: Mapping[str, Window | None]
) -> dict[str, list[FoundFile]]:
    """Partition -> the files that match a pattern for it, in the order of their paths; those without are left out.

    Args:
        pattern: with placeholders, as `files:` declares it.
        base: the folder that relative patterns start from.
        windows: the partitions; `""` with None is a table without.
        ahead: others, in order; in an object store they are looked for where that costs no request of its own, and
            the first of them in any case.

    Raises:
        SourceError: a folder cannot be listed, or the store refuses or is unreachable.
        PartitionKeyError: a key cannot stand in a path.
        ConfigurationError: the pattern needs partitions, and there are none.
    """

    def expanded(chosen: Mapping[str, Window | None]) -> dict[str, str]:
        return {key: expand(pattern, key or None, window, quote=escape) for key, window in chosen.items()}

    if "://" in pattern:
        found = _objects(expanded(windows), expanded(ahead))
    else:
        found = _files(expanded({**windows, **ahead}), base)
    return {key: sorted(files, key=lambda file: file.path) for key, files in found if files}


def _files(patterns: Mapping[str, str], base: Path) -> Iterator[tuple[str, Sequence[FoundFile]]]:
    root = os.path.join(base, "")
    folders = _Folders(root, any("**" in pattern for pattern in patterns.values()))
    for key, pattern in patterns.items():
        pieces = [piece for piece in pattern.split("/") if piece not in ("", ".")]
        places = dict.fromkeys(folders.walk("/" if pattern.startswith("/") else root, pieces))
        yield key, [file for place in places if (file := _file(place, root)) is not None]


def _file(place: str, root: str) -> LocalFile | None:
    path = place.removeprefix(root)
    if not path.isascii():
        path = path.encode("utf-8", "backslashreplace").decode()
    try:
        status = os.stat(place)
    except OSError:
        return LocalFile(path, 0, IRREGULAR, place) if os.path.lexists(place) else None
    if stat.S_ISREG(status.st_mode):
        return LocalFile(path, status.st_size, identity_of(status), place)
    return None if stat.S_ISDIR(status.st_mode) else LocalFile(path, 0, IRREGULAR, place)


def identity_of(status: os.stat_result) -> str:
    """What tells a file of a disk from what stood in its place before; see `Listed.identity`."""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


class _Folders:
    """The folders of a disk, each listed when it is first asked for.

    Args:
        root: the folder that relative patterns start from.
        tolerant: pass by folders that may not be read, such as `**` finds anywhere.
    """

    def __init__(self, root: str, tolerant: bool) -> None:
        self._root, self._tolerant = root, tolerant
        self._names: dict[str, tuple[str, list[str]]] = {}

    def walk(self, place: str, pieces: Sequence[str]) -> Iterator[str]:
        """What the pieces of a pattern mean below a place, as `glob.glob` takes them; what is named need not exist."""
        if not pieces:
            yield place
            return
        first, rest = pieces[0], pieces[1:]
        if first == "**":
            yield from self.walk(place, rest or ["*"])
            for name in self._list(place)[1]:
                if not name.startswith("."):
                    yield from self.walk(os.path.join(place, name), pieces)
        elif not is_wild(first):
            yield from self.walk(os.path.join(place, first), rest)
        else:
            regex, hidden = re.compile(translate(first)), first.startswith(".")
            folder = os.path.join(place, "")
            found = [
                f"{folder}{name}"
                for name in narrowed(self._list(place)[0], first)
                if (hidden or not name.startswith(".")) and regex.match(name)
            ]
            if rest:
                for inside in found:
                    yield from self.walk(inside, rest)
            else:
                yield from found

    def _list(self, folder: str) -> tuple[str, list[str]]:
        """The names in a folder as `narrowed` takes them, and those of folders among them."""
        if folder not in self._names:
            names, inside = [], []
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        names.append(entry.name)
                        if entry.is_dir():
                            inside.append(entry.name)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                if not (self._tolerant and isinstance(error, PermissionError)):
                    where = folder.removeprefix(self._root)
                    fix = "check the folder and its permissions"
                    raise SourceError(f"cannot be listed: {error.strerror}", where=where, fix=fix) from error
            self._names[folder] = joined(names), inside
        return self._names[folder]


def joined(names: Iterable[str]) -> str:
    """Names in one text, each between two characters that none can hold."""
    return f"\0{chr(0).join(names)}\0"


def narrowed(names: str, pattern: str) -> Iterator[str]:
    """Those of the joined names that may match a pattern; to search one text is quicker than to match each name."""
    literals = _WILD.split(pattern)
    part = max((f"\0{literals[0]}", *(literal.strip("/") for literal in literals[1:])), key=len)
    if part == "\0":
        yield from filter(None, names.split("\0"))
        return
    found = names.find(part)
    while found >= 0:
        start = names.rfind("\0", 0, found + 1) + 1
        end = names.index("\0", found + 1)
        yield names[start:end]
        found = names.find(part, end)


def _objects(patterns: Mapping[str, str], ahead: Mapping[str, str]) -> Iterator[tuple[str, Sequence[FoundFile]]]:
    listings: dict[tuple[str, str, bool | None], tuple[str, dict[str, pafs.FileInfo]]] = {}
    first = next(iter(ahead), None)
    for key, pattern in {**patterns, **ahead}.items():
        scheme, _, rest = pattern.partition("://")
        bucket, _, path = rest.partition("/")
        address, folder = f"{scheme}://{bucket}", literal_folder(path)
        deep = "/" in path[len(folder) :].lstrip("/")
        where = (address, folder, deep) if is_wild(path) else (address, path, None)
        if where not in listings:
            if key in ahead and key != first:
                continue
            entries = _entries(*where)
            listings[where] = joined(entries), entries
        names, entries = listings[where]
        yield key, [listed_object(address, entries[name]) for name in narrowed(names, path) if matches(name, path)]


def _entries(address: str, place: str, deep: bool | None) -> dict[str, pafs.FileInfo]:
    """What lies in a folder (and in its folders), or for `deep` None, the one object that is meant."""
    files = store(address)
    try:
        if deep is None:
            found = [files.get_file_info(place)]
        else:
            found = files.get_file_info(pafs.FileSelector(place, recursive=deep, allow_not_found=True))
    except (OSError, pa.ArrowException) as error:
        raise refused(error, f"{address}/{place}") from error
    # Those that end with a slash stand for folders in some tools.
    chosen = (entry for entry in found if entry.type == pafs.FileType.File and not entry.path.endswith("/"))
    return {entry.path: entry for entry in chosen}
