"""What became of a table's contract since its rows were last held against one.

Belongs here: finding the earlier contract. Does not belong here: comparing two (`contracts/diff.py`).
"""

from __future__ import annotations

from pathlib import Path

from batch_platform.contracts.changes import Change
from batch_platform.contracts.contract import Contract
from batch_platform.contracts.diff import diff
from batch_platform.contracts.record import from_json
from batch_platform.contracts.schema_yml import contract_of
from batch_platform.features.binding import surroundings
from batch_platform.features.definition import FeatureTable
from batch_platform.lake.log import newest_contract
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.sql.project import load_project


def changes_since(features: FeatureTable, lake: Lake) -> tuple[Change, ...] | None:
    """How the contract differs from that of the newest commit with one; None if there is none yet.

    Raises:
        LakeError: the table's log cannot be read.
    """
    delta = Table(lake, features.model.table).open()
    recorded = newest_contract(delta) if delta is not None else None
    return None if recorded is None else diff(from_json(recorded), features.contract)


def changes_against(features: FeatureTable, project: Path) -> tuple[Change, ...] | None:
    """How the contract differs from that of the model of the same name in another project, as their files declare them.

    Returns:
        The changes; None if one of the files declares none.

    Raises:
        ConfigurationError: the other project or its contract means nothing.
    """
    here, there = (_as_declared(features, root) for root in (features.project, project))
    return None if here is None or there is None else diff(there, here)


def _as_declared(features: FeatureTable, root: Path) -> Contract | None:
    """The contract as a property file declares it; what the file leaves open is as the model's SQL here decides."""
    project = load_project(root)
    entry = project.properties.models.get(features.model.name)
    bound = None if features.calendar else features.contract.arrow_schema()
    return None if entry is None else contract_of(entry, bound, surroundings=surroundings(project))
