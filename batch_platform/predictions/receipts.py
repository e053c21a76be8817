"""Receipts: what is left to know about a shard once it was tried. The rows themselves stay in its files."""

from __future__ import annotations

from dataclasses import dataclass

from batch_platform.errors import BatchPlatformError
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import ContentDigest
from batch_platform.predictions.shards import Shard


@dataclass(frozen=True)
class Receipt:
    """The result of one shard.

    Args:
        shard: what was scored.
        scored: the file with the rows that have a score.
        failed: the file with the rows that could not be scored.
        digest: over the content of `scored`.
        failed_digest: over the content of `failed`.
        lowest: the smallest score, None without rows.
        highest: the largest score, None without rows.
        total: the sum of the scores.
        seconds: wall time that the shard took.
    """

    shard: Shard
    scored: DataFile
    failed: DataFile
    digest: ContentDigest
    failed_digest: ContentDigest
    lowest: float | None
    highest: float | None
    total: float
    seconds: float


@dataclass(frozen=True)
class Failure:
    """Why a shard, and with it its partition, has no scores."""

    shard: Shard
    error: BatchPlatformError
