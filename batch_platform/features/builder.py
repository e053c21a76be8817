"""The partitions of one build: each accepted or refused as its rows come, and the accepted ones committed together.

Belongs here: what a build makes of partitions, and the outcome of each. Does not belong here: where the rows come from
(`query.py`), or judging and writing one partition (`partition_writer.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path

from batch_platform.contracts.record import to_json
from batch_platform.errors import ContractError, ends_the_run, foreseen
from batch_platform.features.checks import Reads, describe_reads, feature_checks, key_uniqueness
from batch_platform.features.contract_changes import changes_or_note
from batch_platform.features.definition import FeatureTable, is_stored
from batch_platform.features.drafts import Drafts
from batch_platform.features.inputs import Inputs
from batch_platform.features.partition_writer import Judged, PartitionWriter
from batch_platform.features.pieces import Piece, Shown
from batch_platform.features.plan import reads_nothing
from batch_platform.features.quarantine import quarantine_rows, quarantine_schema, with_resolved
from batch_platform.features.queries import run_queries
from batch_platform.features.query import Failed
from batch_platform.lake.commit import Replacement, replace_with_quarantine
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import digest_table
from batch_platform.lake.log import live_rows
from batch_platform.lake.provenance import InputRead, Ledger, PartitionRecord, Provenance, Stage
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import CheckOutcome, Metadata, MetadataItem, PartitionOutcome, Run
from batch_platform.partitions import place
from batch_platform.resources import Resources
from batch_platform.telemetry.cost import Meter

_UNWRITTEN = 8
"""Files that wait for the disk at a time, at most."""


class Builder:
    """Collects the files of accepted partitions and commits them: the quarantine, then the table itself."""

    def __init__(
        self,
        features: FeatureTable,
        lake: Lake,
        inputs: Inputs,
        spill: Path,
        pool: ThreadPoolExecutor,
        resources: Resources = Resources(),  # noqa: B008 - frozen
    ) -> None:
        self.features, self.inputs, self._spill, self._pool = features, inputs, spill, pool
        self.valid, self.rejected = Table(lake, features.model.table), Table(lake, features.quarantine)
        self._resources = resources
        self._drafts = Drafts(self.valid, spill)
        self._files: dict[str, dict[str, Future[DataFile]]] = {"valid": {}, "rejected": {}}
        self._unwritten: deque[Future[DataFile]] = deque()
        self.kept: dict[str, dict[str, PartitionRecord]] = {"valid": {}, "rejected": {}}
        self._writer: PartitionWriter | None = None

    def discard(self) -> None:
        """Forget the partition that is being written."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def accept_all(self, found: Iterable[Piece | Failed]) -> dict[str, PartitionOutcome]:
        """Judge and write partitions as their pieces come."""
        outcomes: dict[str, PartitionOutcome] = {}
        for piece in found:
            if isinstance(piece, Failed):
                self.discard()
                if ends_the_run(piece.error):
                    raise piece.error
                outcomes[piece.key] = PartitionOutcome(piece.key, error=piece.error)
                continue
            if piece.first:
                self.discard()
                outcomes.pop(piece.key, None)
            if piece.key in outcomes:  # an earlier piece of it was refused
                continue
            try:
                outcome = self._accept(piece)
            except Exception as error:
                self.discard()
                problem = foreseen(error, f"{self.features.model.table}[{piece.key}]")
                if ends_the_run(problem):
                    raise
                refused = isinstance(problem, ContractError)
                checks = (CheckOutcome("contract", False, str(problem)),) if refused else ()
                outcome = PartitionOutcome(piece.key, error=problem, checks=checks)
            if outcome is not None:
                outcomes[piece.key] = outcome
        return outcomes

    def _accept(self, piece: Piece) -> PartitionOutcome | None:
        if self._writer is None:
            # What queries may still refuse is written elsewhere first: the lake gets no file that nothing names.
            table = self._drafts.table if self.features.contract.queries else self.valid
            self._writer = PartitionWriter(
                self.features, table, piece.key, self._window_end(piece.key), self._spill, self._pool
            )
        self._writer.add(piece.rows, last=piece.last)
        if not piece.last:
            return None
        outcome = self._take(piece.key, self._writer.finish(), piece.shown)
        if outcome.error is not None or not is_stored(self.features.model):
            self._writer.discard()
        self._writer = None
        return outcome

    def _take(self, key: str, judged: Judged, shown: Shown) -> PartitionOutcome:
        """Keep a partition's file for the commit, unless its key does not identify its rows."""
        features, verdict = self.features, judged.verdict
        unique = key_uniqueness(features.model.key, judged.twins, judged.blanks)
        if not unique.passed:
            repeated = ContractError(
                unique.description,
                where=place(features.model.table, key),
                fix="correct the SQL, or add unique_combination_of_columns to the contract to quarantine such rows",
            )
            return PartitionOutcome(key, error=repeated, checks=(unique,))
        if not is_stored(features.model) and verdict.rejected.height:
            raise ContractError(
                f"{verdict.rejected.height} rows break {', '.join(verdict.broken)}, and a view has no quarantine",
                where=place(features.model.table, key),
                fix="materialize it as a table, or correct the source",
            )
        write = judged.write
        if features.contract.queries:
            draft = judged.write() if is_stored(features.model) else None
            verdict = replace(verdict, notes=(*verdict.notes, *self._queried(draft, key)))
            if draft is not None:
                write = partial(self._drafts.adopt, draft)
        # A disk takes longer to make a file safe than we to fill it.
        written = self._write(write) if is_stored(features.model) else None
        ledger = Ledger(judged.rows, {"valid": verdict.valid.height, "quarantined": verdict.rejected.height})
        inputs = self.inputs.reads(key)
        extra = self._keep(key, written, judged, ledger, inputs) if written else {}
        metadata: dict[str, MetadataItem] = {"ledger": str(ledger), "inputs": describe_reads(inputs)}
        if verdict.warned or verdict.notes:
            rows = (f"{name}: {count} rows" for name, count in verdict.warned.items())
            metadata["warnings"] = [*verdict.notes, *rows]
        reads = Reads(self.inputs.readings, shown, key, self._decision(key))
        checks = feature_checks(reads, verdict, unique, ledger)
        return PartitionOutcome(
            key, digest=judged.digest, rows=verdict.valid.height, metadata=metadata, checks=checks, extra=extra
        )

    def _queried(self, draft: DataFile | None, key: str) -> tuple[str, ...]:
        """What the contract's queries say of a partition; a draft that they refuse is gone."""
        spill = self._spill / "queries"
        try:
            table = self._drafts.table
            return run_queries(self.features, self.inputs.opened, table, draft, key, self._resources, spill)
        except BaseException:
            if draft is not None:
                self._drafts.discard(draft)
            raise

    def _keep(
        self, key: str, written: Future[DataFile], judged: Judged, ledger: Ledger, inputs: dict[str, InputRead]
    ) -> dict[str, PartitionOutcome]:
        """Set a partition's file and its rejected rows aside for the commit; returns the quarantine's outcome."""
        rejected = quarantine_rows(judged.verdict.rejected, self.features.contract)
        now, count = digest_table(rejected).hex, rejected.num_rows
        if key in self._quarantined:
            rejected = with_resolved(
                self.rejected.read([key], rejected.column_names), rejected, self.features.model.key
            )
        digest, kept = digest_table(rejected).hex, rejected.num_rows
        self._files["valid"][key] = written
        self._files["rejected"][key] = self._write(lambda: self.rejected.write(key, rejected))
        self.kept["valid"][key] = PartitionRecord(judged.digest, ledger, inputs, rejected=now)
        aside = Ledger(kept, {"quarantined": count, "resolved": kept - count})
        self.kept["rejected"][key] = PartitionRecord(digest, aside, inputs)
        rules: dict[str, object] = dict(judged.verdict.broken)
        noted: dict[str, MetadataItem] = {"rules": rules, "resolved": kept - count}
        return {self.features.quarantine: PartitionOutcome(key, digest=digest, rows=kept, metadata=noted)}

    @cached_property
    def _quarantined(self) -> set[str]:
        """The partitions whose quarantine holds rows."""
        table = self.rejected.open()
        files = {} if table is None else live_rows(table)
        return {key for key, members in files.items() if any(rows for _, rows in members)}

    def _write(self, write: Callable[[], DataFile]) -> Future[DataFile]:
        while len(self._unwritten) >= _UNWRITTEN:
            self._unwritten.popleft().result()
        self._unwritten.append(self._pool.submit(write))
        return self._unwritten[-1]

    def _window_end(self, key: str) -> datetime | None:
        calendar = self.features.calendar
        return None if calendar is None else calendar.window(key).end

    def _decision(self, key: str) -> datetime | None:
        calendar = self.features.calendar
        return None if calendar is None else self.features.known_at.after(calendar.start_of(key))

    def commit(self, run: Run, meter: Meter) -> Metadata:
        """Commit what was accepted; returns what the commit says of all its partitions."""
        if not self.kept["valid"]:
            return {}
        contract = self.features.contract
        files = {kind: {key: [file.result()] for key, file in written.items()} for kind, written in self._files.items()}
        provenance = Provenance(
            Stage.FEATURES,
            run.run_id,
            run.engine,
            meter.seconds,
            meter.dollars,
            self.kept["valid"],
            sql_digest=self.features.sql_digest,
            contract=to_json(contract),
            reads_nothing=reads_nothing(self.features, self.inputs, self.kept["valid"]),
        )
        changes = changes_or_note(self.features, self.valid.lake)
        commit = replace_with_quarantine(
            Replacement(self.valid, self.features.stored_schema, files["valid"], self.kept["valid"]),
            Replacement(self.rejected, quarantine_schema(contract), files["rejected"], self.kept["rejected"]),
            provenance,
        )
        noted = provenance.described(commit.version)
        return {**noted, "contract_change": list[object](changes)} if changes else noted
