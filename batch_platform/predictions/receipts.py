"""Receipts: what is left to know about a shard once it was scored. The rows themselves stay in its files.

Belongs here: the shape of a receipt and its form as JSON. Does not belong here: where receipts lie
(`receipt_book.py`), or what they add up to (`scored.py`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from batch_platform.errors import BatchPlatformError
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import ContentDigest
from batch_platform.predictions.key_order import KeyRun
from batch_platform.predictions.shards import Shard

FORMAT = 2
"""Of the JSON; a receipt of another format is as good as none."""


@dataclass(frozen=True)
class Receipt:
    """The result of one shard.

    Args:
        shard: what was scored.
        scored: the file with the rows that have a score; None where no row has one.
        failed: the file with the rows that could not be scored; None where there is none.
        digest: over the content of `scored`.
        failed_digest: over the content of `failed`.
        keys: in which order the keys of `scored` stand.
        outside: rows whose score lies outside its declared range.
        reused: rows that took an earlier score.
        profile: how the values of features and scores are spread, as JSON of `Profile.to_json`: the receipts of all
            shards are in memory at once, and as text a profile takes a tenth.
        seconds: wall time that the shard took.
    """

    shard: Shard
    scored: DataFile | None
    failed: DataFile | None
    digest: ContentDigest
    failed_digest: ContentDigest
    keys: KeyRun
    outside: int
    reused: int
    profile: str
    seconds: float

    @property
    def files(self) -> list[DataFile]:
        """The files that a commit will name."""
        return [file for file in (self.scored, self.failed) if file is not None]

    def to_json(self) -> str:
        """The receipt as it lies beside its files."""
        parts = {
            "format": FORMAT,
            "shard": asdict(self.shard),
            "scored": self.scored and asdict(self.scored),
            "failed": self.failed and asdict(self.failed),
            "digest": asdict(self.digest),
            "failed_digest": asdict(self.failed_digest),
            "keys": self.keys.to_json(),
            "outside": self.outside,
            "reused": self.reused,
            "profile": self.profile,
            "seconds": self.seconds,
        }
        return json.dumps(parts, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Receipt:
        """A receipt as it was kept.

        Raises:
            ValueError: it was cut short, or is of another format.
        """
        try:
            found = json.loads(text)
            if found["format"] != FORMAT:
                raise ValueError(f"format {found['format']!r}")
            return Receipt(
                shard=_shard(found["shard"]),
                scored=_file(found["scored"]),
                failed=_file(found["failed"]),
                digest=ContentDigest(**found["digest"]),
                failed_digest=ContentDigest(**found["failed_digest"]),
                keys=KeyRun.from_json(found["keys"]),
                outside=int(found["outside"]),
                reused=int(found["reused"]),
                profile=str(found["profile"]),
                seconds=float(found["seconds"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no receipt: {error}") from error


@dataclass(frozen=True)
class Failure:
    """Why a shard, and with it its partition, has no scores."""

    shard: Shard
    error: BatchPlatformError


def _shard(raw: dict[str, Any]) -> Shard:
    groups = raw.pop("groups")
    return Shard(**raw, groups=tuple(groups) if groups else None)


def _file(raw: dict[str, Any] | None) -> DataFile | None:
    return DataFile(**raw) if raw else None
