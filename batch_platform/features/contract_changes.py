"""What became of a table's contract since its rows were last held against one.

Belongs here: finding the earlier contract. Does not belong here: comparing two (`contracts/diff.py`).
"""

from __future__ import annotations

from batch_platform.contracts.changes import Change
from batch_platform.contracts.contract import Contract
from batch_platform.contracts.diff import describe, diff
from batch_platform.contracts.record import from_json
from batch_platform.contracts.schema_yml import contract_of
from batch_platform.errors import ConfigurationError
from batch_platform.features.binding import surroundings
from batch_platform.features.definition import FeatureTable
from batch_platform.lake.log import newest_contract
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.sql.project import Project

_UNREADABLE = "the earlier contract cannot be read"


def changes_since(features: FeatureTable, lake: Lake) -> tuple[Change, ...] | None:
    """How the contract differs from that of the newest commit with one; None if there is none yet.

    Raises:
        ConfigurationError: the earlier contract cannot be read.
        LakeError: the table's log cannot be read.
    """
    table = features.model.table
    delta = Table(lake, table).open()
    recorded = newest_contract(delta) if delta is not None else None
    if recorded is None:
        return None
    try:
        return diff(from_json(recorded), features.contract)
    except ConfigurationError as error:
        fix = "materialize the table once, which records its contract anew"
        raise ConfigurationError(f"{_UNREADABLE}: {error.what}", where=table, fix=fix) from None


def changes_or_note(features: FeatureTable, lake: Lake) -> tuple[str, ...]:
    """What is told of a build whose contract has changed, in lines; that the earlier one cannot be read stops none.

    Raises:
        LakeError: the table's log cannot be read.
    """
    try:
        changes = changes_since(features, lake)
    except ConfigurationError:
        return (_UNREADABLE,)
    return tuple(describe(changes).splitlines()) if changes else ()


def changes_against(features: FeatureTable, here: Project, there: Project) -> tuple[Change, ...] | None:
    """How the contract differs from that of the model of the same name in another project, as their files declare them.

    Args:
        features: the feature table.
        here: its own project.
        there: the other one.

    Returns:
        The changes; None if one of the files declares none.

    Raises:
        ConfigurationError: a contract means nothing.
    """
    now, then = (_as_declared(features, project) for project in (here, there))
    return None if now is None or then is None else diff(then, now)


def _as_declared(features: FeatureTable, project: Project) -> Contract | None:
    """The contract as a property file declares it; what the file leaves open is as the model's SQL here decides."""
    entry = project.properties.models.get(features.model.name)
    bound = None if features.calendar else features.contract.arrow_schema()
    return None if entry is None else contract_of(entry, bound, surroundings=surroundings(project))
