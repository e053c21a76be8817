"""Rows in quarantine are put through again by runs that say so, and the quarantine shows what is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.compute as pc
import pytest

from batch_platform.automation.catch_up import Wanted
from batch_platform.automation.replay import Replayed, replay, unresolved
from batch_platform.automation.step import REPLAY
from batch_platform.errors import ConfigurationError, PartitionKeyError
from batch_platform.lake.table import Table
from batch_platform.settings import Settings
from batch_platform_tests.pipelines.project import Project, run, write_orders

DAYS = tuple(f"2025-01-{day:02}" for day in range(5, 10))
BAD, ALSO_BAD = DAYS[1], DAYS[3]
FEATURES = "features/order_features"
ORDERS = Wanted("snapshots/orders", DAYS)
OUTCOMES = Wanted("snapshots/repeat_orders", DAYS)
WANTED = Wanted(FEATURES, DAYS, ("quarantine/order_features",))


def part(root: Path, day: str) -> Path:
    return root / "data" / "orders" / day / "part-0.csv"


def rejected(settings: Settings, day: str) -> list[dict[str, Any]]:
    return list(Table(settings.lake, "quarantine/order_features").read([day]).to_pylist())


@pytest.mark.slow
def test_corrected_rows_are_replayed_and_shown_as_resolved(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    write_orders(project.root, DAYS)
    right = {day: part(project.root, day).read_text() for day in (BAD, ALSO_BAD)}
    for day, text in right.items():
        part(project.root, day).write_text(text.replace(",web,", ",fax,", 1))
    definitions = project.definitions()
    for wanted in (ORDERS, OUTCOMES, WANTED):
        run(definitions, instance, wanted, settings)
    assert unresolved(settings, FEATURES) == {BAD: 1, ALSO_BAD: 1}
    [broken] = rejected(settings, BAD)
    assert broken["_resolved"] is False and broken["channel"] == "fax"

    part(project.root, BAD).write_text(right[BAD])
    run(definitions, instance, Wanted(ORDERS.table, (BAD,)), settings, again=True)
    assert replay(definitions, instance, settings, FEATURES, []) == [Replayed(BAD, 1, 0), Replayed(ALSO_BAD, 1, 1)]
    assert rejected(settings, BAD) == [{**broken, "_resolved": True}]
    assert [row["_resolved"] for row in rejected(settings, ALSO_BAD)] == [False]
    rows = Table(settings.lake, FEATURES).read([BAD])
    assert rows.num_rows == 60
    assert pc.sum(pc.equal(rows.column("order_id"), broken["order_id"])).as_py() == 1
    ledger = Table(settings.lake, FEATURES).records([BAD])[BAD].record.ledger
    assert ledger.outcomes == {"valid": 60, "quarantined": 0}
    runs = [record.dagster_run.tags for record in instance.get_run_records() if REPLAY in record.dagster_run.tags]
    # Two days with one between them that has nothing to replay are two runs.
    assert len(runs) == 2 and all(tags[REPLAY] == "true" for tags in runs)

    # A rerun of a day that is over changes nothing, and keeps what the quarantine knows.
    version = Table(settings.lake, FEATURES).version()
    run(definitions, instance, Wanted(FEATURES, (BAD,), WANTED.with_tables), settings, again=True)
    assert Table(settings.lake, FEATURES).version() == version
    assert rejected(settings, BAD) == [{**broken, "_resolved": True}]
    with pytest.raises(PartitionKeyError, match=f"{BAD}' has no rows in quarantine .*there are {ALSO_BAD}"):
        replay(definitions, instance, settings, FEATURES, [BAD])


def test_a_table_that_cannot_be_replayed_is_refused_by_name(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    definitions = project.definitions()
    for table in ("snapshots/orders", "features/nothing", "nonsense"):
        with pytest.raises(ConfigurationError, match=f"no table '{table}' .*features/order_features, predictions/re"):
            replay(definitions, instance, settings, table, [])
    assert replay(definitions, instance, settings, FEATURES, []) == []
