"""What a run did to each partition, in terms that need no orchestrator.

Stage functions return these; `automation/reporting.py` turns them into Dagster's events, the CLI into lines of
text, and tests read them as they are. Nothing here computes anything.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from batch_platform.errors import BatchPlatformError

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Markdown:
    """Metadata to be shown as formatted text."""

    text: str

    @classmethod
    def picture(cls, png: bytes, alternative: str) -> Markdown:
        """A PNG shown inline, with a text for those who cannot see it."""
        return cls(f"![{alternative}](data:image/png;base64,{base64.b64encode(png).decode()})")


MetadataItem = Scalar | Markdown | dict[str, object] | list[object]
Metadata = Mapping[str, MetadataItem]


@dataclass(frozen=True)
class CheckOutcome:
    """The result of one check on one partition; `details` are the figures behind it.

    One that `warns` has passed with something that a person should look at: it is shown as a warning and stops nothing.
    """

    name: str
    passed: bool
    description: str = ""
    details: Metadata = field(default_factory=dict)
    warns: bool = False


@dataclass(frozen=True)
class PartitionOutcome:
    """What became of one partition.

    Args:
        key: the partition's key, `""` for a table without partitions.
        digest: its content digest, which is its Dagster data version; empty when `error` is set.
        rows: rows in the partition.
        metadata: what a person wants to see beside it.
        checks: the checks that were evaluated on it.
        error: why the partition was not produced; its earlier content is then untouched.
        extra: outcomes of further tables that the same step wrote, by table name.
    """

    key: str
    digest: str = ""
    rows: int = 0
    metadata: Metadata = field(default_factory=dict)
    checks: tuple[CheckOutcome, ...] = ()
    error: BatchPlatformError | None = None
    extra: Mapping[str, PartitionOutcome] = field(default_factory=dict)

    def noting(self, metadata: Metadata) -> PartitionOutcome:
        """The same outcome with more metadata, for the tables beside it, too; a failed one stays as it is."""
        if self.error is not None:
            return self
        extra = {name: outcome.noting(metadata) for name, outcome in self.extra.items()}
        return replace(self, metadata={**self.metadata, **metadata}, extra=extra)


def _silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Run:
    """The run on whose behalf a stage works.

    Args:
        run_id: its id, for the provenance record.
        engine: who maps its shards, for the provenance record.
        replay: whether it is there to put rows through again that failed or were quarantined.
        tell: takes a line of text that a person who watches the run wants to read, such as its progress. It belongs
            to the process of the run: a function that an engine maps must not hold it.
    """

    run_id: str
    engine: str = "local"
    replay: bool = False
    tell: Callable[[str], None] = field(default=_silent, compare=False, repr=False)
