"""What a feature table is: its SQL, its contract, its calendar, and what each of its partitions may read.

Belongs here: the declaration. Does not belong here: anything that happens with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from batch_platform.contracts.contract import Contract
from batch_platform.features.quarantine import Tolerance
from batch_platform.lake.digest import combine
from batch_platform.partitions import Calendar, Offset
from batch_platform.sql.model import SqlModel
from batch_platform.timelines import Reading


@dataclass(frozen=True)
class FeatureTable:
    """One feature table: its SQL, its contract, and what each partition may read.

    Args:
        model: the SQL model.
        contract: what its rows must be.
        calendar: its partitions.
        known_at: the decision time; nothing known later is read.
        readings: for each input, the stretch of its partitions that a partition may see.
        tolerance: how many rows may be quarantined before a partition is refused.
    """

    model: SqlModel
    contract: Contract
    calendar: Calendar
    known_at: Offset
    readings: tuple[Reading, ...]
    tolerance: Tolerance

    @property
    def sql_digest(self) -> str:
        """A digest of what decides about the rows: the SQL and the contract."""
        return combine([self.model.digest, self.contract.digest])

    @property
    def quarantine(self) -> str:
        """The name of the table that holds the rejected rows."""
        return f"quarantine/{self.model.name}"
