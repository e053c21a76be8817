"""Delivering committed partitions to sinks: what is not there yet, again until it is, never in doubt about the lake.

Belongs here: which partitions a sink still needs, trying again, and what became of each. Does not belong here: what a
delivery is to one kind of sink. Nothing here changes a table, and no failure here is one of the predictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from logging import WARNING

from batch_platform.errors import BatchPlatformError, DeliveryError, LakeError, UnexpectedError, foreseen, is_transient
from batch_platform.lake.table import Table
from batch_platform.outcomes import CheckOutcome, Run
from batch_platform.partitions.places import place
from batch_platform.secret_values import Secrets
from batch_platform.settings import Settings
from batch_platform.sinks.base import Delivery, Sink
from batch_platform.sinks.book import Book
from batch_platform.sinks.committed import Committed
from batch_platform.sinks.declared import SinkDeclaration
from batch_platform.sinks.opening import open_sink
from batch_platform.sinks.patience import Patience
from batch_platform.telemetry.logs import log

CHECK = "delivered"
CHECK_TEXT = "Every sink holds the partition as it is committed; if not, it is delivered again with the next run."
_OVERTAKEN = 5


@dataclass(frozen=True)
class Delivered:
    """What became of one partition at one sink.

    Args:
        sink: the sink's name.
        partition: the partition's key.
        digest: the content that the sink has now; empty when it failed.
        rows: how many rows that is.
        error: why the sink does not have the partition, without anything secret; None when it has it.
        before: it had this content already, so nothing was sent.
    """

    sink: str
    partition: str
    digest: str = ""
    rows: int = 0
    error: BatchPlatformError | None = None
    before: bool = False


def deliver_all(
    sinks: Sequence[SinkDeclaration],
    settings: Settings,
    table: str,
    partitions: Iterable[str],
    key: Sequence[str],
    run: Run,
    *,
    again: bool = False,
    patience: Patience | None = None,
) -> list[Delivered]:
    """Deliver the newest committed content of partitions to each sink that does not have it; raises nothing.

    Args:
        sinks: where to.
        settings: the lake, and the project that relative paths are relative to.
        table: the table, such as `predictions/flight_delay`.
        partitions: the keys of the partitions.
        key: the columns that identify a row within a partition.
        run: the run that delivers.
        again: deliver what a sink has according to the book, too; for a target that was lost or changed by others.
        patience: how often to try.

    Returns:
        One result for each sink and partition, sink after sink.
    """
    wanted = list(partitions)
    found = []
    for declared in sinks:
        secrets = Secrets()
        courier = _Courier(declared, settings, table, tuple(key), run, patience or Patience(), secrets)
        found += courier.deliver(wanted, again)
    return found


def delivered_checks(results: Iterable[Delivered]) -> dict[str, CheckOutcome]:
    """The check `delivered` of each partition: a warning that names the sinks which do not have it, and why."""
    by_partition: dict[str, list[Delivered]] = {}
    for result in results:
        by_partition.setdefault(result.partition, []).append(result)
    return {partition: _check(members) for partition, members in by_partition.items()}


def _check(members: Sequence[Delivered]) -> CheckOutcome:
    failed = [member for member in members if member.error is not None]
    rows: Mapping[str, int] = {member.sink: member.rows for member in members if member.error is None}
    text = "; ".join(f"not delivered: {member.error}" for member in failed) or f"delivered to {', '.join(rows)}"
    return CheckOutcome(CHECK, True, text, {f"rows in {name}": count for name, count in rows.items()}, bool(failed))


@dataclass
class _Courier:
    """Delivers partitions of one table to one sink, which is opened when the first partition needs it."""

    declared: SinkDeclaration
    settings: Settings
    table: str
    key: tuple[str, ...]
    run: Run
    patience: Patience
    secrets: Secrets
    _unreachable: BatchPlatformError | None = field(default=None, init=False)

    def deliver(self, partitions: Sequence[str], again: bool) -> list[Delivered]:
        book = Book(self.settings.lake, self.table, self.declared)
        try:
            committed = Committed.newest(self.settings.lake, self.table)
            records = committed.records(partitions)
            missing, found = [], {}
            for partition in partitions:
                entry = None if again or partition not in records else book.find(partition)
                if entry is not None and entry.digest == records[partition].record.digest:
                    found[partition] = self._has(partition, entry.digest, entry.rows, before=True)
                else:
                    missing.append(partition)
            if missing:
                with closing(open_sink(self.declared, self.settings, self.secrets)) as sink:
                    for partition in missing:
                        found[partition] = self._delivered(sink, book, committed, partition)
                done = sum(found[partition].error is None for partition in missing)
                self.run.tell(f"{self.table}: {done} of {len(missing)} partitions delivered to {self.declared.name}")
            return [found[partition] for partition in partitions]
        except Exception as error:
            return [self._failed(partition, error) for partition in partitions]

    def _delivered(self, sink: Sink, book: Book, committed: Committed, partition: str) -> Delivered:
        try:
            if self._unreachable is not None:
                raise DeliveryError(
                    f"not tried, since an earlier partition found: {self._unreachable.what}",
                    where=f"sink {self.declared.name!r}, {place(self.table, partition)}",
                    fix="deliver again",
                )
            digest, rows = self._newest_delivered(sink, book, committed, partition)
            book.note(partition, digest, rows)
            log("partition_delivered", partition=partition, sink=self.declared.name, rows=rows)
            return self._has(partition, digest, rows)
        except Exception as error:
            return self._failed(partition, error)

    def _newest_delivered(self, sink: Sink, book: Book, committed: Committed, partition: str) -> tuple[str, int]:
        """Deliver until what was delivered is still the newest: another run may commit, and deliver, meanwhile."""
        for _ in range(_OVERTAKEN):
            delivery = self._delivery(committed, partition)
            book.withdraw(partition)
            rows = self._tried(sink, delivery, committed)
            if Table(self.settings.lake, self.table).version() == committed.opened.version():
                return delivery.digest, rows
            committed = Committed.newest(self.settings.lake, self.table)
            if self._delivery(committed, partition).digest == delivery.digest:
                return delivery.digest, rows
        raise DeliveryError(
            "the partition is replaced faster than it is delivered",
            where=f"sink {self.declared.name!r}, {place(self.table, partition)}",
            fix="deliver again",
        )

    def _tried(self, sink: Sink, delivery: Delivery, committed: Committed) -> int:
        pauses = iter(self.patience.pauses())
        while True:
            try:
                return sink.deliver(delivery, committed.batches(delivery.partition))
            except Exception as error:
                if not is_transient(error):
                    raise
                pause = next(pauses, None)
                if pause is None:
                    self._unreachable = foreseen(error, delivery.place)
                    raise
                self.patience.sleep(pause)

    def _delivery(self, committed: Committed, partition: str) -> Delivery:
        found = committed.records([partition]).get(partition)
        if found is None:
            raise LakeError("is not committed", where=place(self.table, partition), fix="materialize it first")
        digest, model, rows = found.record.digest, found.record.model, committed.rows(partition)
        return Delivery(self.table, partition, self.key, digest, committed.schema, rows, self.run.run_id, model)

    def _has(self, partition: str, digest: str, rows: int, *, before: bool = False) -> Delivered:
        return Delivered(self.declared.name, partition, digest, rows, before=before)

    def _failed(self, partition: str, error: Exception) -> Delivered:
        """The failure as one of ours; a foreign error's own chain stays behind, since it may hold an address."""
        told = foreseen(error, f"sink {self.declared.name!r}, {place(self.table, partition)}")
        clean = type(told)(
            self.secrets.redacted(told.what),
            where=self.secrets.redacted(told.where),
            fix="deliver again; report it if it stays" if isinstance(told, UnexpectedError) else told.fix,
            transient=is_transient(told),
        )
        kind = type(clean).__name__
        log("delivery_failed", level=WARNING, partition=partition, sink=self.declared.name, error=kind)
        return Delivered(self.declared.name, partition, error=clean)
