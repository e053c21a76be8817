"""Which files of a table's folder are leftovers: what killed runs and lost races left, and no log ever named.

Belongs here: telling leftovers from files of live and old versions. Does not belong here: deleting them
(`vacuum.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from batch_platform.errors import LakeError, first_line
from batch_platform.lake.lease import EXPIRY, all_leases
from batch_platform.lake.lease import FOLDER as LEASES
from batch_platform.lake.log import live_files
from batch_platform.lake.store import is_stored
from batch_platform.lake.stored_entry import StoredEntry
from batch_platform.lake.table import Table
from batch_platform.partitions import PARTITION_COLUMN

LOG, RECEIPTS, PROFILES = "_delta_log", "_receipts", "_profiles"

_DATA_PATH = re.compile(rf"(?:{PARTITION_COLUMN}=[^/\"]+/)?[0-9a-f]{{32}}\.parquet")
_PROFILE_PATH = re.compile(rf"{PROFILES}/[^/\"\\]+/[0-9a-f]{{32}}\.json")
_ENTRY = re.compile(rf"{LOG}/\d{{20}}\.json")


@dataclass(frozen=True)
class Leftovers:
    """What may go, in the order in which it must: receipts before the files that they name.

    Args:
        receipts: receipts that no run resumes from.
        files: data files and profiles that no entry of the log ever named, and files that never finished growing.
        leases: leases of processes that are gone.
    """

    receipts: Sequence[StoredEntry] = ()
    files: Sequence[StoredEntry] = ()
    leases: Sequence[StoredEntry] = ()

    @property
    def all(self) -> list[StoredEntry]:
        """All of them, in order."""
        return [*self.receipts, *self.files, *self.leases]


def leftovers(table: Table, before: datetime, now: datetime) -> Leftovers:
    """The leftovers of a table that were last written before a moment.

    A data file stays if any version of the table ever named it, if a receipt that stays names it, or if its name is
    none that the platform gives. A profile stays if any record ever named it, or if not all records are there.

    Raises:
        LakeError: the log cannot be read as a whole, so what it names is not known; or the store is unreachable.
    """
    # The folder first and the log after it: a file that is committed in between is seen in the log.
    entries = table.lake.list(table.name)
    kept = _ever_named(table, entries)
    receipts = _under(RECEIPTS, entries)
    for receipt in receipts:
        if receipt.modified >= before:
            kept |= set(_DATA_PATH.findall(table.lake.read_text(table.name, receipt.path) or ""))
    gone = {found.path for found in all_leases(table.lake, table.name) if found.refreshed < min(before, now - EXPIRY)}
    return Leftovers(
        receipts=[entry for entry in receipts if entry.modified < before],
        files=[
            entry
            for entry in entries
            if entry.modified < before
            and is_stored(entry.path)
            and (_is_growing(entry.path) or (_is_named(entry.path) and entry.path not in kept))
        ],
        leases=[entry for entry in _under(LEASES, entries) if entry.path in gone and entry.modified < before],
    )


def _under(folder: str, entries: Sequence[StoredEntry]) -> list[StoredEntry]:
    return [entry for entry in entries if entry.path.startswith(f"{folder}/") and not _is_growing(entry.path)]


def _is_growing(path: str) -> bool:
    return path.endswith(".partial") and not path.startswith(f"{LOG}/")


def _is_named(path: str) -> bool:
    """Whether a path can be that of something that the log names: a data file, or what a record calls its profile.

    Other folders that begin with _ hold something else.
    """
    is_data = path.endswith(".parquet") and not path.startswith(("_", "."))
    return is_data or _PROFILE_PATH.fullmatch(path) is not None


def _ever_named(table: Table, entries: Sequence[StoredEntry]) -> set[str]:
    """Every path that an entry of the log names, as added or as removed.

    Raises:
        LakeError: something in the log cannot be read, or its beginning is gone and no checkpoint tells of it.
    """
    log = [entry.path for entry in table.lake.list(table.name, LOG)]
    found: set[str] = set()
    for path in log:
        try:
            if path.endswith(".json"):
                found.update(_in_json(table, path))
            elif path.endswith(".parquet"):
                found.update(_in_checkpoint(table, path))
        except (ValueError, KeyError, TypeError, AttributeError, OSError, pa.ArrowException) as error:
            raise LakeError(f"{path} of its log cannot be read: {first_line(error)}", where=table.name) from error
    numbers = [path for path in log if _ENTRY.fullmatch(path)]
    if numbers != [f"{LOG}/{number:020}.json" for number in range(len(numbers))]:
        # Checkpoints stand for entries that are gone, but hold no records.
        found.update(entry.path for entry in entries if _PROFILE_PATH.fullmatch(entry.path))
    first = min((path for path in log if _ENTRY.fullmatch(path)), default="")
    if log and first != f"{LOG}/{0:020}.json" and not any(".checkpoint." in path for path in log):
        raise LakeError("its log has no beginning", where=table.name, fix="restore the log")
    opened = table.open()
    live = set() if opened is None else set(live_files(opened))
    unnamed = (live - found) & {entry.path for entry in entries}
    if unnamed and len(table.lake.list(table.name, LOG)) == len(log):  # no commit has come since
        raise LakeError(f"its log does not name {min(unnamed)!r}, which is live", where=table.name)
    return found | live


def _in_json(table: Table, path: str) -> Iterator[str]:
    text = table.lake.read_text(table.name, path)
    if text is None:
        raise OSError("it is gone")
    yield from _DATA_PATH.findall(text)  # a record may name files, too
    yield from _PROFILE_PATH.findall(text)
    for line in text.splitlines():
        if '"path"' in line:
            entry = json.loads(line)
            for kind in ("add", "remove", "sidecar", "cdc"):
                if kind in entry:
                    yield from _forms(entry[kind]["path"])


def _in_checkpoint(table: Table, path: str) -> Iterator[str]:
    with table.lake.open_input(table.name, path) as source:
        rows = pq.read_table(source, use_threads=False)
    for kind in ("add", "remove"):
        if kind in rows.column_names:
            for entry in rows[kind].combine_chunks().field("path").drop_null().to_pylist():
                yield from _forms(entry)


def _forms(path: str) -> tuple[str, str]:
    """A path as it stands in the log and as it stands in the folder: the log percent-encodes."""
    return path, unquote(path)
