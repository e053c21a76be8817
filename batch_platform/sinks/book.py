"""The book of deliveries: which content of a partition a sink has, in the table's folder of the lake.

Belongs here: reading and writing that. Does not belong here: deciding from it. An entry that is lost, damaged or
about another declaration only means that the partition is delivered again, which changes nothing at the target.

An entry is withdrawn before its sink is changed and written after it: what a killed process left there is unknown.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from batch_platform.lake.digest import combine
from batch_platform.lake.store import Lake
from batch_platform.sinks.declared import SinkDeclaration

FOLDER = "_deliveries"
_WHOLE = "_all"
_IN_DOUBT = "{}"


@dataclass(frozen=True)
class Entry:
    """What a sink has of one partition.

    Args:
        digest: the content that was delivered.
        rows: how many rows that were.
        time: when, in UTC.
        declaration: a digest of what was declared then; a changed sink has nothing yet.
    """

    digest: str
    rows: int
    time: str
    declaration: str


@dataclass(frozen=True)
class Book:
    """The entries of one table and sink."""

    lake: Lake
    table: str
    declared: SinkDeclaration

    def find(self, partition: str) -> Entry | None:
        """What the sink has of a partition, as far as it is known.

        Raises:
            LakeError: the lake is out of reach.
        """
        text = self.lake.read_text(self.table, self._path(partition))
        try:
            entry = Entry(**json.loads(text or ""))
        except (ValueError, TypeError):
            return None
        return entry if entry.declaration == self._declaration else None

    def withdraw(self, partition: str) -> None:
        """Forget what the sink has of a partition, since it is about to be changed; it outlasts a loss of power.

        Raises:
            LakeError: the lake is out of reach; the sink must not be changed then.
        """
        if self.lake.read_text(self.table, self._path(partition)) is not None:
            self.lake.put_text(self.table, self._path(partition), _IN_DOUBT)

    def note(self, partition: str, digest: str, rows: int) -> None:
        """Write down that the sink has this content of a partition.

        Raises:
            LakeError: the lake is out of reach.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps(asdict(Entry(digest, rows, now, self._declaration)), sort_keys=True)
        self.lake.put_text(self.table, self._path(partition), text, durable=False)

    @property
    def _declaration(self) -> str:
        return combine([self.declared.kind, repr(self.declared)])

    def _path(self, partition: str) -> str:
        return f"{FOLDER}/{self.declared.name}/{partition or _WHOLE}.json"
