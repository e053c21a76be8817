"""What Dagster knows after a run is per partition: materializations, data versions, metadata and check results.

These are also the canary for the two private parts of Dagster that `reporting.py` uses: an upgrade that changes
either fails here first.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import dagster as dg
import pytest

from batch_platform.automation.reporting import (
    DATA_VERSION_TAG,
    ERROR_CHECK,
    asset_key,
    check_specs,
    failure,
)
from batch_platform.errors import LakeError, SourceError
from batch_platform.lake.table import Table
from batch_platform.settings import Settings
from batch_platform_tests.pipelines.console import shown
from batch_platform_tests.pipelines.project import Project, execute, write_orders

DAYS = ["2025-01-05", "2025-01-06", "2025-01-07", "2025-01-08"]
BAD = DAYS[2]
ORDERS, OUTCOMES = "snapshots/orders", "snapshots/repeat_orders"
FEATURES, QUARANTINE = "features/order_features", "quarantine/order_features"
STEPS = (ORDERS, OUTCOMES, FEATURES, QUARANTINE)
ALL = [(DAYS[0], DAYS[-1], "SUCCEEDED")]


def _materializations(instance: dg.DagsterInstance, table: str) -> dict[str, Any]:
    """The materialization event of each partition, which must be the only one."""
    records = instance.fetch_materializations(asset_key(table), limit=1000).records
    counts = Counter(record.partition_key for record in records)
    assert set(counts.values()) <= {1}, f"{table} has repeated events: {counts}"
    return {record.partition_key or "": record.asset_materialization for record in records}


def _evaluations(result: dg.ExecuteInProcessResult, table: str, check: str) -> dict[str, Any]:
    """The results of one check by partition."""
    return {
        found.partition or "": found
        for found in result.get_asset_check_evaluations()
        if (found.asset_key, found.check_name) == (asset_key(table), check)
    }


def _break(project: Project, day: str) -> None:
    """Give a day's export a row that lacks two fields."""
    path = project.root / "data" / "orders" / day / "part-0.csv"
    path.write_text("order_id,customer,channel,amount_euros,items_count\n1,customer 1,web\n")


def test_each_partition_of_a_range_is_materialized_once_with_its_own_version_and_metadata(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    write_orders(project.root, DAYS)

    result = execute(project.definitions(), instance, STEPS, DAYS[0], DAYS[-1])

    assert result.success
    for table in STEPS:
        found = _materializations(instance, table)
        records = Table(settings.lake, table).records(DAYS)
        assert sorted(found) == DAYS
        for day, event in found.items():
            digest = records[day].record.digest
            assert event.tags == {**(event.tags or {}), DATA_VERSION_TAG: digest}
            assert event.metadata["digest"].value == digest
            assert event.metadata["dagster/partition_row_count"].value == records[day].record.ledger.rows
    assert len({event.tags[DATA_VERSION_TAG] for event in _materializations(instance, ORDERS).values()}) == len(DAYS)
    inputs = {day: event.metadata["inputs"].value for day, event in _materializations(instance, FEATURES).items()}
    assert all(any(f"{ORDERS}[{day}]" in line for line in lines) for day, lines in inputs.items())


def test_the_ui_resolves_materializations_and_checks_for_each_partition_of_a_range(
    project: Project, instance: dg.DagsterInstance
) -> None:
    write_orders(project.root, DAYS)
    assert execute(project.definitions(), instance, STEPS, DAYS[0], DAYS[-1]).success

    for table in (ORDERS, FEATURES):
        seen = shown(project, instance, table)
        assert seen.partitions == [(DAYS[0], DAYS[-1], "MATERIALIZED")]
        assert seen.checks == dict.fromkeys(seen.checks, ALL)
        assert ERROR_CHECK in seen.checks
        assert all(seen.blocking.values())


def test_a_bad_day_fails_alone_and_the_steps_downstream_go_on_with_the_good_ones(
    project: Project, instance: dg.DagsterInstance
) -> None:
    write_orders(project.root, DAYS)
    _break(project, BAD)
    good = [day for day in DAYS if day != BAD]

    result = execute(project.definitions(), instance, STEPS, DAYS[0], DAYS[-1])

    assert result.success
    for table in (ORDERS, FEATURES, QUARANTINE):
        assert sorted(_materializations(instance, table)) == good
    captured = _evaluations(result, ORDERS, ERROR_CHECK)
    assert {day: item.passed for day, item in captured.items()} == {day: day != BAD for day in DAYS}
    assert "part-0.csv, row 1: 3 fields, but the header has 5" in captured[BAD].description
    built = _evaluations(result, FEATURES, ERROR_CHECK)
    assert {day: item.passed for day, item in built.items()} == {day: day != BAD for day in DAYS}
    assert f"the input {ORDERS} lacks partition {BAD}" in built[BAD].description
    assert not any(item.blocking for item in [*captured.values(), *built.values()])

    expected = [(DAYS[0], DAYS[1], "SUCCEEDED"), (BAD, BAD, "FAILED"), (DAYS[3], DAYS[3], "SUCCEEDED")]
    for table in (ORDERS, FEATURES):
        seen = shown(project, instance, table)
        assert seen.partitions == [(DAYS[0], DAYS[1], "MATERIALIZED"), (DAYS[3], DAYS[3], "MATERIALIZED")]
        assert seen.checks[ERROR_CHECK] == expected
        # Checks that the bad day never reached were planned; they must not hang in progress for ever.
        assert "IN_PROGRESS" not in {status for ranges in seen.checks.values() for *_, status in ranges}


def test_a_day_that_was_good_before_keeps_its_content_while_its_check_turns_red_and_green_again(
    project: Project, instance: dg.DagsterInstance, settings: Settings
) -> None:
    first, second = DAYS[:2]
    write_orders(project.root, [first, second])
    definitions = project.definitions()
    assert execute(definitions, instance, [ORDERS], first, second).success
    before = Table(settings.lake, ORDERS).records([first, second])

    _break(project, second)
    assert execute(definitions, instance, [ORDERS], first, second).success
    assert Table(settings.lake, ORDERS).records([first, second]) == before
    red = shown(project, instance, ORDERS)
    assert red.partitions == [(first, second, "MATERIALIZED")]
    assert red.checks[ERROR_CHECK] == [(first, first, "SUCCEEDED"), (second, second, "FAILED")]

    write_orders(project.root, [second])
    assert execute(definitions, instance, [ORDERS], second, second).success
    assert shown(project, instance, ORDERS).checks[ERROR_CHECK] == [(first, second, "SUCCEEDED")]


def test_automation_holds_back_the_day_whose_blocking_check_failed_and_no_other(
    project: Project, instance: dg.DagsterInstance
) -> None:
    """`all_deps_blocking_checks_passed` needs the spec's flag, and results that name their materialization."""
    days = [f"2025-01-{day:02}" for day in range(5, 12)]
    bad = "2025-01-09"
    write_orders(project.root, days)
    definitions = project.definitions()
    assert execute(definitions, instance, [ORDERS, OUTCOMES], days[0], days[-1]).success
    _break(project, bad)
    assert execute(definitions, instance, [ORDERS], days[0], days[-1]).success
    watched = definitions.map_resolved_asset_specs(
        selection=dg.AssetSelection.keys(asset_key(FEATURES), asset_key(QUARANTINE)),
        func=lambda spec: spec.replace_attributes(
            automation_condition=dg.AutomationCondition.all_deps_blocking_checks_passed()
        ),
    )

    requested = dg.evaluate_automation_conditions(watched, instance).get_requested_partitions(asset_key(FEATURES))

    # Before the 8th no outcome is known, and Dagster holds "all" of no dependencies to be false.
    assert requested & {*days[3:]} == {*days[3:]} - {bad}


def test_a_blocking_flag_is_kept_in_the_specs_and_the_error_check_stands_in_front() -> None:
    days = dg.DailyPartitionsDefinition("2025-01-05")
    specs = check_specs("features/orders", {"ledger": "Rows add up."}, days)
    assert [(spec.name, spec.blocking, spec.partitions_def) for spec in specs] == [
        (ERROR_CHECK, True, days),
        ("ledger", True, days),
    ]
    lenient = check_specs("models/orders", {"gate": "Figures."}, None, blocking=False)
    assert [spec.blocking for spec in lenient] == [False, False]
    assert {spec.asset_key for spec in [*specs, *lenient]} == {asset_key("features/orders"), asset_key("models/orders")}


@pytest.mark.parametrize(
    ("error", "others", "text", "retried"),
    [
        (
            SourceError("is torn", where="a.csv", fix="send it again"),
            0,
            "SourceError: a.csv: is torn (send it again)",
            0,
        ),
        (
            LakeError("does not answer", transient=True),
            2,
            "LakeError: does not answer [and 2 more partitions failed]",
            1,
        ),
    ],
)
def test_a_failure_is_one_line_and_is_retried_only_if_the_error_is_transient(
    error: SourceError | LakeError, others: int, text: str, retried: int
) -> None:
    found = failure(error, others)
    assert (found.description, found.allow_retries) == (text, bool(retried))


def test_a_rule_that_warns_is_shown_as_a_warning_and_stops_nothing(
    project: Project, instance: dg.DagsterInstance
) -> None:
    write_orders(project.root, DAYS[:1])
    schema = project.sql("repeat_purchase") / "schema.yml"
    stricter = (
        "{values: [web, app, store]}}\n          - accepted_values: {values: [web, app], config: {severity: warn}}\n"
    )
    schema.write_text(schema.read_text().replace("{values: [web, app, store]}\n", stricter.replace("}}", "}", 1), 1))

    result = execute(project.definitions(), instance, STEPS, DAYS[0], DAYS[0])

    assert result.success
    found = _evaluations(result, FEATURES, "contract")[DAYS[0]]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "every row meets the contract; of severity warn: channel: accepted_values(web, app): 20" in found.description
    assert sorted(_materializations(instance, FEATURES)) == [DAYS[0]]
