"""A partition after all its shards: from receipts to its record, its files, its checks, and into the lake.

Belongs here: what receipts add up to, and committing it. Does not belong here: planning and mapping shards
(`score.py`), or what happens inside one (`scorer.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import pyarrow as pa

from batch_platform.errors import UnreadableError
from batch_platform.features.quarantine import with_resolved
from batch_platform.lake.commit import Replacement, replace_with_quarantine
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import ContentDigest, digest_table
from batch_platform.lake.log import live_rows
from batch_platform.lake.provenance import InputRead, Ledger, ModelUsed, PartitionRecord, Provenance, Stage
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import Metadata, Run
from batch_platform.predictions.definition import Predictions
from batch_platform.predictions.failures import refuse_too_many
from batch_platform.predictions.outputs import output_schema
from batch_platform.predictions.planning import Task
from batch_platform.predictions.profile import Profile
from batch_platform.predictions.receipts import Receipt
from batch_platform.telemetry.cost import Meter

PROFILES = "_profiles"
"""The folder, inside the table's, of what is known about how values are spread."""


@dataclass(frozen=True)
class Scored:
    """What goes into the commit of one partition."""

    record: PartitionRecord
    failed_record: PartitionRecord
    files: list[DataFile]
    failed_files: list[DataFile]
    receipts: Sequence[Receipt]
    spread: Mapping[str, str]


def quarantined(predictions: Predictions, lake: Lake) -> set[str]:
    """The partitions whose quarantine holds rows, resolved or not.

    Raises:
        LakeError: the quarantine's log cannot be read.
    """
    table = Table(lake, predictions.quarantine).open()
    files = {} if table is None else live_rows(table)
    return {key for key, members in files.items() if any(rows for _, rows in members)}


def add_up(
    predictions: Predictions, lake: Lake, key: str, task: Task, receipts: Sequence[Receipt], earlier: Collection[str]
) -> Scored:
    """One partition's records and files; its profile is put beside them, invisible until a record names it.

    Args:
        predictions: the table.
        lake: where its tables are.
        key: the partition.
        task: what was planned.
        receipts: one for each of its shards, in the order of the rows.
        earlier: the partitions whose quarantine holds rows.

    Raises:
        UnreadableError: the feature files hold another number of rows than their ledger says.
        ContractError: more rows failed than is tolerated.
    """
    read = {predictions.features: InputRead(task.features.version, task.serving.features_digest, (key, key))}
    used = ModelUsed(task.version.name, task.version.number, task.version.digest)
    kept, failed = _rows([r.scored for r in receipts]), _rows([r.failed for r in receipts])
    reused = sum(r.reused for r in receipts)
    ledger = Ledger(kept + failed, {"scored": kept - reused, "reused": reused, "failed": failed})
    if ledger.rows != task.serving.rows:
        raise UnreadableError(
            f"the feature files hold {ledger.rows} rows, their ledger says {task.serving.rows}",
            where=f"{predictions.features}[{key}]",
            fix="rebuild the partition",
        )
    if failed:
        refuse_too_many(predictions, key, ledger.rows, failed, _first_reason(predictions, lake, receipts))
    digest, rejected = _total([r.digest for r in receipts]), _total([r.failed_digest for r in receipts])
    profile = reduce(Profile.merge, (Profile.from_json(json.loads(r.profile)) for r in receipts))
    spread = json.dumps(profile.to_json(), separators=(",", ":"))
    place = f"{PROFILES}/{key}/{hashlib.sha256(spread.encode()).hexdigest()[:32]}.json"
    lake.put_text(predictions.table, place, spread)
    quarantine, aside = _quarantined(predictions, lake, key, receipts, key in earlier)
    return Scored(
        PartitionRecord(digest, ledger, read, model=used, rejected=rejected, code=task.code, profile=place),
        PartitionRecord(
            aside,
            Ledger(_rows(quarantine), {"failed": failed, "resolved": _rows(quarantine) - failed}),
            read,
            model=used,
        ),
        [r.scored for r in receipts if r.scored] or [_empty(lake, predictions.table, key, output_schema(predictions))],
        quarantine,
        receipts,
        _shown(predictions, profile),
    )


def commit(predictions: Predictions, lake: Lake, done: Mapping[str, Scored], run: Run, meter: Meter) -> Metadata:
    """Commit all partitions at once, failed rows first; returns what the commit says of all of them.

    Raises:
        LakeError: the lake cannot be written; no prediction has changed then.
    """
    provenance = Provenance(
        Stage.PREDICTIONS,
        run.run_id,
        predictions.engine,
        meter.seconds,
        meter.dollars,
        {key: scored.record for key, scored in done.items()},
        sql_digest=predictions.sql_digest,
    )
    committed = replace_with_quarantine(
        Replacement(
            Table(lake, predictions.table),
            output_schema(predictions),
            {key: scored.files for key, scored in done.items()},
            {key: scored.record for key, scored in done.items()},
        ),
        Replacement(
            Table(lake, predictions.quarantine),
            predictions.quarantine_schema,
            {key: scored.failed_files for key, scored in done.items()},
            {key: scored.failed_record for key, scored in done.items()},
        ),
        provenance,
    )
    return provenance.described(committed.version)


def _quarantined(
    predictions: Predictions, lake: Lake, key: str, receipts: Sequence[Receipt], held: bool
) -> tuple[list[DataFile], str]:
    """The quarantine's files of a partition and their digest: failures of now, and those that are over."""
    table = Table(lake, predictions.quarantine)
    failed = [r.failed for r in receipts if r.failed]
    if held:
        columns = predictions.quarantine_schema.names
        now = table.read_files(failed, columns) if failed else predictions.quarantine_schema.empty_table()
        rows = with_resolved(table.read([key], columns), now, predictions.key)
        return [table.write(key, rows)], digest_table(rows).hex
    digest = _total([r.failed_digest for r in receipts])
    return failed or [_empty(lake, predictions.quarantine, key, predictions.quarantine_schema)], digest


def _shown(predictions: Predictions, profile: Profile) -> dict[str, str]:
    """The median and the outer twentieths of each numeric score, for a person to look at."""
    found = {}
    for score in predictions.scores:
        spread = profile.columns.get(score.name)
        points = [spread.quantile(share) for share in (0.05, 0.5, 0.95)] if spread else []
        shown = [f"{point:.3g}" for point in points if point is not None]
        if shown:
            found[f"{score.name} at 5%, 50%, 95%"] = ", ".join(shown)
    return found


def _first_reason(predictions: Predictions, lake: Lake, receipts: Sequence[Receipt]) -> str:
    first = next(r.failed for r in receipts if r.failed)
    reasons = Table(lake, predictions.quarantine).read_files([first], ["_error"])
    return str(reasons.column(0)[0].as_py())


def _empty(lake: Lake, table: str, key: str, schema: pa.Schema) -> DataFile:
    """The zero-row file of a partition that was computed and is empty."""
    return Table(lake, table).write(key, schema.empty_table())


def _total(digests: Sequence[ContentDigest]) -> str:
    total = digests[0]
    for digest in digests[1:]:
        total = total + digest
    return total.hex


def _rows(files: Sequence[DataFile | None]) -> int:
    return sum(file.rows for file in files if file)
