"""The errors a user can meet, one class per kind that a caller would catch.

Each message is one line: what is wrong, where, and what to do. Exit codes of the `batch-platform` command
are the `exit_code` of the class. Stages raise these; they do not define their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from batch_platform.foreign_errors import may_pass

_PASSWORD = re.compile(r"(\b[\w+.-]+://)[^\s/@'\"]*@")
_QUERY = re.compile(r"(\b[\w+.-]+://[^\s?'\"]*)\?[^\s'\"]*")
"""Parts of an address that may authorise whoever knows them, such as the signature of a presigned one."""


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


class RowKeyError(ContractError):
    """A declared key that does not identify the rows: it is null, not a number, or repeats."""


class RegistryError(BatchPlatformError):
    """The model registry is unreachable, or holds no version that fits."""

    exit_code = 5


class ModelError(BatchPlatformError):
    """A model that cannot be trained, loaded or applied to the given rows."""

    exit_code = 6


class LakeError(BatchPlatformError):
    """A table that cannot be read or written: storage, schema or a commit that others keep winning."""

    exit_code = 7


class UnreadableError(LakeError):
    """A file of a table that is missing or damaged: the partitions that need it fail, others do not."""


class EngineError(BatchPlatformError):
    """The workers of an engine cannot go on: one was killed, or cannot be given its work."""

    exit_code = 10


class UnexpectedError(BatchPlatformError):
    """A fault that nobody foresaw, in one partition; its traceback stands in the run's log."""


class ProvenanceError(LakeError):
    """A commit whose provenance is incomplete or whose row ledger does not balance; it was refused."""


class DeliveryError(BatchPlatformError):
    """A sink that is out of reach or refuses what is delivered to it; the rows stay committed in the lake."""

    exit_code = 9


class Cancelled(BaseException):
    """Work that was stopped because nobody waits for its result; what it had finished stays.

    Like `KeyboardInterrupt` it is no `Exception`: whoever catches what a model, a row or a partition may do wrong
    must not take it for that.
    """


def ends_the_run(error: BatchPlatformError) -> bool:
    """Whether an error met in one partition would be met in every other, or may pass when the run is tried again.

    A damaged file does not: only the partitions that need it fail.
    """
    return is_transient(error) or (isinstance(error, LakeError) and not isinstance(error, UnreadableError))


def is_transient(error: BaseException) -> bool:
    """Whether trying the same again later may help without anyone doing anything.

    The outermost error of the chain that tells decides. One of ours tells if it was raised as `transient`; else what
    led to it does. An error of which nothing is known is permanent, and so is one that nobody foresaw.
    """
    for link in chain(error):
        verdict = True if isinstance(link, BatchPlatformError) and link.transient else may_pass(link)
        if verdict is not None:
            return verdict
    return False


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it, as a traceback would show them: the last one is the innermost."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def foreseen(error: Exception, where: str) -> BatchPlatformError:
    """The error itself if it is one of ours, else one of ours that names it; the original stays its cause.

    One partition's fault must not end a range, whatever it is.
    """
    if isinstance(error, BatchPlatformError):
        return error
    found = UnexpectedError(
        f"{type(error).__name__}: {first_line(error)}", where=where, fix="see the traceback in the run's log"
    )
    found.__cause__ = error
    return found


def first_line(error: BaseException | str) -> str:
    """The first line of a foreign error's text, at most 300 characters and without credentials in its addresses."""
    fallback = "" if isinstance(error, str) else type(error).__name__
    line = (str(error).strip().splitlines() or [fallback])[0]
    return _QUERY.sub(r"\1?***", _PASSWORD.sub(r"\1***@", line))[:300]
