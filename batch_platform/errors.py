"""The errors a user can meet, one class per kind that a caller would catch.

Each message is one line: what is wrong, where, and what to do. Exit codes of the `batch-platform` command
are the `exit_code` of the class. Stages raise these; they do not define their own.
"""

from __future__ import annotations


class BatchPlatformError(Exception):
    """Base of every error raised for a reason the user can act on.

    Args:
        what: what is wrong, a sentence without a full stop.
        where: the place: file, table, partition, row.
        fix: what to do about it, in the imperative.
        transient: whether trying again later may help without anyone doing anything.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "", transient: bool = False) -> None:
        self.what, self.where, self.fix, self.transient = what, where, fix, transient
        place = f"{where}: " if where else ""
        advice = f" ({fix})" if fix else ""
        super().__init__(f"{place}{what}{advice}".replace("\n", " "))


class ConfigurationError(BatchPlatformError):
    """YAML, SQL or settings that cannot mean what they say; found when definitions load."""

    exit_code = 2


class PartitionKeyError(BatchPlatformError):
    """A partition key that its cadence does not know."""

    exit_code = 2


class SourceError(BatchPlatformError):
    """An input that is missing, truncated, unreadable or not of its declared shape."""

    exit_code = 3


class ContractError(BatchPlatformError):
    """A table that breaks its contract as a whole, or by more rows than its threshold allows."""

    exit_code = 4


class RegistryError(BatchPlatformError):
    """The model registry is unreachable, or holds no version that fits."""

    exit_code = 5


class ModelError(BatchPlatformError):
    """A model that cannot be trained, loaded or applied to the given rows."""

    exit_code = 6


class LakeError(BatchPlatformError):
    """A table that cannot be read or written: storage, schema or a commit that others keep winning."""

    exit_code = 7


class ProvenanceError(LakeError):
    """A commit whose provenance is incomplete or whose row ledger does not balance; it was refused."""


def first_line(error: BaseException) -> str:
    """The first line of a foreign error's text, at most 300 characters: what fits into one of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
