"""Check results that no run reports, for one partition again and again.

Dagster takes such a result for each partition once: a second one breaks a unique index of its store, since all of them
have the same empty run. So the one before goes when another comes; the events of both stay in the event log.

This reads and changes a table of Dagster's store, here and nowhere else; a canary test holds it.
"""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg
import sqlalchemy as db
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from batch_platform.automation.reporting import Evaluation

_AT_ONCE = 500


def make_room(instance: dg.DagsterInstance, results: Iterable[Evaluation]) -> None:
    """Let results that no run reports be stored, although there are such for their partitions already."""
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    partitions: dict[dg.AssetCheckKey, list[str]] = {}
    for result in results:
        if result.partition is not None:
            partitions.setdefault(result.asset_check_key, []).append(result.partition)
    columns = AssetCheckExecutionsTable.c
    with storage.index_connection() as connection:
        for key, all_of_them in partitions.items():
            for begin in range(0, len(all_of_them), _AT_ONCE):
                connection.execute(
                    db.delete(AssetCheckExecutionsTable).where(
                        columns.asset_key == key.asset_key.to_string(),
                        columns.check_name == key.name,
                        columns.run_id == RUNLESS_RUN_ID,
                        columns.partition.in_(all_of_them[begin : begin + _AT_ONCE]),
                    )
                )
