"""Building a feature table: permitted inputs in, one query per partition, contract applied, both tables committed.

Belongs here: the way of a partition's rows from the query into the lake. Does not belong here: what a partition may
read (`inputs.py`), the meaning of the SQL (`sql.py`) or of the contract (`contract.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl
import pyarrow as pa

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.validation import validate
from batch_platform.errors import BatchPlatformError, ContractError, ends_the_run, first_line, foreseen
from batch_platform.features.checks import Reads, describe_reads, feature_checks, key_is_unique
from batch_platform.features.definition import FeatureTable
from batch_platform.features.inputs import Inputs
from batch_platform.features.quarantine import quarantine_rows, quarantine_schema, stop_if_exceeded
from batch_platform.features.query import query
from batch_platform.lake.commit import Replacement, replace_with_quarantine
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import digest_table
from batch_platform.lake.provenance import Ledger, PartitionRecord, Provenance, Stage
from batch_platform.lake.schema import SOURCE_FILE, SOURCE_ROW
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import CheckOutcome, Metadata, PartitionOutcome, Run
from batch_platform.telemetry.cost import Meter


def build(features: FeatureTable, lake: Lake, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
    """Build partitions and commit the good ones together, quarantined rows first.

    Raises:
        LakeError: the lake cannot be read or written; no partition has changed then.
        BatchPlatformError: a transient one, so that the whole run is tried again; no partition has changed then.
    """
    outcomes: dict[str, PartitionOutcome] = {}
    known: list[str] = []
    for key in keys:
        try:
            features.calendar.window(key)
            known.append(key)
        except BatchPlatformError as error:
            outcomes[key] = PartitionOutcome(key, error=error)
    inputs = Inputs(features.readings, lake, known)
    ready: list[str] = []
    for key in known:
        try:
            inputs.refuse_missing(key, features.model.table)
            ready.append(key)
        except ContractError as error:
            checks = (CheckOutcome("inputs_are_fresh", False, str(error)),)
            outcomes[key] = PartitionOutcome(key, error=error, checks=checks)
    writer = _Writer(features, lake, inputs)
    for key, answer in query(features, inputs, ready):
        try:
            if isinstance(answer, BatchPlatformError):
                raise answer
            outcomes[key] = writer.accept(key, answer.rows, answer.shown)
        except Exception as error:
            found = foreseen(error, f"{features.model.table}[{key}]")
            if ends_the_run(found):
                raise
            outcomes[key] = PartitionOutcome(key, error=found)
    noted = writer.commit(run, meter)
    return [outcomes[key].noting(noted) for key in keys]


class _Writer:
    """Collects the files of accepted partitions and commits them: the quarantine, then the table itself."""

    def __init__(self, features: FeatureTable, lake: Lake, inputs: Inputs) -> None:
        self.features, self.inputs = features, inputs
        self.valid, self.rejected = Table(lake, features.model.table), Table(lake, features.quarantine)
        self.files: dict[str, dict[str, list[DataFile]]] = {"valid": {}, "rejected": {}}
        self.kept: dict[str, dict[str, PartitionRecord]] = {"valid": {}, "rejected": {}}

    def accept(self, key: str, rows: pa.Table, shown: Mapping[str, tuple[str, str] | None]) -> PartitionOutcome:
        """Apply the contract to a partition's rows and write both files, invisible as yet."""
        features = self.features
        contract = features.contract
        try:
            verdict = validate(_frame(rows, f"{features.model.table}[{key}]"), contract)
            stop_if_exceeded(verdict, features.tolerance, contract, partition=key)
        except ContractError as error:
            return PartitionOutcome(key, error=error, checks=(CheckOutcome("contract", False, str(error)),))
        unique = key_is_unique(verdict, features.model.key)
        if not unique.passed:
            repeated = ContractError(
                unique.description,
                where=f"{features.model.table}[{key}]",
                fix="correct the SQL, or add unique_combination_of_columns to the contract to quarantine such rows",
            )
            return PartitionOutcome(key, error=repeated, checks=(unique,))
        # In key order, so that a partition's file is the same alone and in a range, whatever order the SQL gives.
        valid = verdict.valid.sort(features.model.key).to_arrow().cast(stored_schema(contract))
        rejected = quarantine_rows(verdict.rejected, contract)
        inputs = self.inputs.reads(key)
        digest, rejected_digest = digest_table(valid).hex, digest_table(rejected).hex
        ledger = Ledger(rows.num_rows, {"valid": valid.num_rows, "quarantined": rejected.num_rows})
        self.files["valid"][key] = [self.valid.write(key, valid)]
        self.files["rejected"][key] = [self.rejected.write(key, rejected)]
        self.kept["valid"][key] = PartitionRecord(digest, ledger, inputs, rejected=rejected_digest)
        self.kept["rejected"][key] = PartitionRecord(
            rejected_digest, Ledger(rejected.num_rows, {"quarantined": rejected.num_rows}), inputs
        )
        return PartitionOutcome(
            key,
            digest=digest,
            rows=valid.num_rows,
            metadata={"ledger": str(ledger), "inputs": describe_reads(inputs)},
            checks=feature_checks(
                Reads(features.readings, shown, key, self._decision(key)), verdict, features.model.key, ledger
            ),
            extra={
                features.quarantine: PartitionOutcome(
                    key, digest=rejected_digest, rows=rejected.num_rows, metadata={"rules": dict(verdict.broken)}
                )
            },
        )

    def _decision(self, key: str) -> datetime:
        return self.features.known_at.after(self.features.calendar.start_of(key))

    def commit(self, run: Run, meter: Meter) -> Metadata:
        """Commit what was accepted; returns what the commit says of all its partitions."""
        if not self.kept["valid"]:
            return {}
        contract = self.features.contract
        provenance = Provenance(
            Stage.FEATURES,
            run.run_id,
            run.engine,
            meter.seconds,
            meter.dollars,
            self.kept["valid"],
            sql_digest=self.features.sql_digest,
        )
        commit = replace_with_quarantine(
            Replacement(self.valid, stored_schema(contract), self.files["valid"], self.kept["valid"]),
            Replacement(self.rejected, quarantine_schema(contract), self.files["rejected"], self.kept["rejected"]),
            provenance,
        )
        return provenance.described(commit.version)


def _frame(rows: pa.Table, where: str) -> pl.DataFrame:
    """The query's rows, ready to be judged.

    Raises:
        ContractError: two columns have one name, a column has a type that no table can hold, or `_source_file` and
            `_source_row` are not text and whole number.
    """
    try:
        frame = pl.DataFrame(pl.from_arrow(rows))
    except pl.exceptions.PolarsError as error:
        raise ContractError(
            f"the rows cannot be stored: {first_line(error)}", where=where, fix="correct the SQL"
        ) from error
    for name, kind in ((SOURCE_FILE, pl.String), (SOURCE_ROW, pl.Int64)):
        found = frame[name] if name in frame.columns else pl.Series(dtype=kind)
        if not (found.dtype == kind or (found.dtype.is_integer() and kind.is_integer()) or found.is_null().all()):
            raise ContractError(
                f"{name} is {found.dtype}, expected {kind}", where=where, fix="select it unchanged from an input"
            )
    return frame


def stored_schema(contract: Contract) -> pa.Schema:
    """The schema of a feature table's files: the contract's columns and each row's position in its source."""
    schema = contract.arrow_schema()
    return schema.append(pa.field(SOURCE_FILE, pa.string())).append(pa.field(SOURCE_ROW, pa.int64()))
