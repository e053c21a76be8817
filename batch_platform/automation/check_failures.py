"""Which partitions have a failed check, known from one look to the next: Dagster is asked again only about checks that
have had a result since.

A check of three years of days takes Dagster 20 ms to sum up, the newest result of a check half of one.

Belongs here: asking. Does not belong here: what follows from a failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

_AT_ONCE = 500

Mark = tuple[int, str, str, float] | None
"""Stands for the newest result of a check: another result, another mark; None: it has none."""


@dataclass
class CheckFailures:
    """What is known of checks; it belongs to one deployment and is kept as long as its process.

    Args:
        marks: check -> its newest result at the last look.
        failed: check -> the partitions whose newest result is a failure; a check that is not in here must be asked.
    """

    marks: dict[dg.AssetCheckKey, Mark] = field(default_factory=dict)
    failed: dict[dg.AssetCheckKey, frozenset[str]] = field(default_factory=dict)

    def look(self, instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> None:
        """Find out which of these checks have had a result since the last look; the others stay known."""
        wanted = list(checks)
        for begin in range(0, len(wanted), _AT_ONCE):
            some = wanted[begin : begin + _AT_ONCE]
            newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(some)
            for check in some:
                record = newest.get(check)
                mark = (
                    None if record is None else (record.id, record.status.value, record.run_id, record.create_timestamp)
                )
                # While a run is at it, results are added without a newer one.
                running = record is not None and record.status is AssetCheckExecutionRecordStatus.PLANNED
                if running or mark != self.marks.get(check) or check not in self.failed:
                    self.marks[check] = mark
                    self.failed.pop(check, None)
                    if mark is None:
                        self.failed[check] = frozenset()

    def of(self, instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]) -> dict[str, str]:
        """Partition -> the first of these checks whose newest result for it is a failure; `""` is the whole table."""
        unknown = [check for check in checks if check not in self.failed]
        if unknown:
            found: dict[dg.AssetCheckKey, set[str]] = {check: set() for check in unknown}
            for known in instance.event_log_storage.get_asset_check_partition_info(unknown):
                if known.latest_execution_status is AssetCheckExecutionRecordStatus.FAILED:
                    found[known.check_key].add(known.partition_key or "")
            self.failed |= {check: frozenset(keys) for check, keys in found.items()}
        return {key: check.name for check in reversed(checks) for key in self.failed[check]}
