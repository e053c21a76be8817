"""Risks of a backfill that only a look at sources, contracts and records tells.

Belongs here: asking the stages. Does not belong here: what follows from declarations and facts alone
(`batch_platform.backfills.risks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from batch_platform.backfills.risks import Risk, RiskKind
from batch_platform.errors import BatchPlatformError
from batch_platform.features.component import feature_tables
from batch_platform.features.contract_changes import changes_since
from batch_platform.features.definition import FeatureTable
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.snapshots.component import InputSnapshot
from batch_platform.snapshots.preflight import preflight

if TYPE_CHECKING:
    from dagster import ComponentTree

    from batch_platform.backfills.plan import BackfillPlan
    from batch_platform.settings import Settings

_MOST_PARTITIONS = 800
_MOST_FILES = 40
"""A look must stay quick: so many partitions' files are listed, and so many files are opened, of each snapshot."""


def looked_into(tree: ComponentTree, settings: Settings, plan: BackfillPlan) -> list[Risk]:
    """What the sources, contracts and records of the tables that a plan makes tell against it."""
    found: list[Risk] = []
    features = {table.model.table: table for table in feature_tables(tree.load_context).values()}
    for table, keys in plan.making.items():
        if table in features:
            found += _of_contract(features[table], settings.lake, keys)
    for component in tree.get_all_components(of_type=InputSnapshot):
        keys = plan.making.get(component.table, ())
        if keys:
            found += _of_source(component, settings.lake, keys)
    return found


def _of_source(component: InputSnapshot, lake: Lake, keys: Sequence[str]) -> Iterator[Risk]:
    chosen = keys if len(keys) <= _MOST_PARTITIONS else [keys[0], *keys[1 :: len(keys) // _MOST_PARTITIONS + 1]]
    try:
        differences = preflight(component.snapshot(), lake, chosen, _MOST_FILES).differences
    except BatchPlatformError as error:
        yield _risk(RiskKind.NO_SOURCE, component.table, chosen, f"its source cannot be looked at: {error}")
        return
    breaking: dict[str, str] = {}
    for finding in differences:
        if finding.breaks:
            breaking.setdefault(finding.partition, f"{finding.error}" if finding.error else f"{finding}")
    if breaking:
        gone = sorted(breaking)
        yield _risk(RiskKind.NO_SOURCE, component.table, gone, f"will fail: {breaking[gone[0]]}")


def _of_contract(features: FeatureTable, lake: Lake, keys: Sequence[str]) -> Iterator[Risk]:
    table = features.model.table
    try:
        changes = changes_since(features, lake) or ()
        there = Table(lake, table).records(keys)
    except BatchPlatformError as error:
        yield _risk(RiskKind.CONTRACT, table, keys, str(error))
        return
    told = [str(change) for change in changes if change.breaking or change.stricter]
    if told:
        more = f" [and {len(told) - 1} more]" if len(told) > 1 else ""
        yield _risk(RiskKind.CONTRACT, table, keys, f"its contract has changed since: {told[0]}{more}")
    over = sorted(key for key, found in there.items() if _exceeds(features, found.record.ledger.outcomes))
    if over:
        text = f"more rows were quarantined than {features.tolerance}, which is tolerated now: will fail"
        yield _risk(RiskKind.CONTRACT, table, over, text)


def _exceeds(features: FeatureTable, outcomes: Mapping[str, int]) -> bool:
    rejected = outcomes.get("quarantined", 0)
    return features.tolerance.exceeded(sum(outcomes.values()), rejected)


def _risk(kind: RiskKind, table: str, keys: Sequence[str], text: str) -> Risk:
    return Risk(kind, table, keys[0], keys[-1], len(keys), text)
