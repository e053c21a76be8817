"""Failed checks are known from one look to the next, and new results are noticed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from batch_platform.automation.check_failures import CheckFailures
from batch_platform.automation.reporting import check_specs, evaluation
from batch_platform.automation.step import table_step
from batch_platform.outcomes import CheckOutcome, PartitionOutcome, Run
from batch_platform.settings import LAKE, Settings
from batch_platform.telemetry.cost import Meter

TABLE, MON, TUE = "features/a", "2026-03-01", "2026-03-02"
LEDGER, KEYS = (dg.AssetCheckKey(dg.AssetKey(["features", "a"]), name) for name in ("ledger", "keys"))
CHECKS = [LEDGER, KEYS]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def report(instance: dg.DagsterInstance, check: str, key: str, passed: bool) -> None:
    instance.report_runless_asset_event(evaluation(TABLE, key, CheckOutcome(check, passed), None))


def looked(failures: CheckFailures, instance: dg.DagsterInstance) -> dict[str, str]:
    failures.look(instance, CHECKS)
    return failures.of(instance, CHECKS)


def test_each_partition_has_the_first_check_that_failed_on_it(instance: dg.DagsterInstance) -> None:
    report(instance, "ledger", MON, passed=True)
    report(instance, "keys", MON, passed=False)
    report(instance, "ledger", TUE, passed=False)
    report(instance, "keys", TUE, passed=False)
    assert looked(CheckFailures(), instance) == {MON: "keys", TUE: "ledger"}


def test_a_new_result_is_noticed_and_without_one_nobody_is_asked(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dg.AssetCheckKey] = []
    storage = instance.event_log_storage
    original = storage.get_asset_check_partition_info

    def counted(keys: Sequence[dg.AssetCheckKey], *rest: Any, **more: Any) -> Any:
        asked.extend(keys)
        return original(keys, *rest, **more)

    monkeypatch.setattr(storage, "get_asset_check_partition_info", counted)
    failures = CheckFailures()
    assert looked(failures, instance) == {}
    assert asked == []
    report(instance, "ledger", MON, passed=False)
    assert looked(failures, instance) == {MON: "ledger"}
    assert looked(failures, instance) == {MON: "ledger"}
    assert asked == [LEDGER]
    report(instance, "ledger", TUE, passed=True)
    assert looked(failures, instance) == {MON: "ledger"}
    assert asked == [LEDGER, LEDGER]


def test_results_of_a_range_run_are_noticed_while_it_runs_and_after(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAKE, str(tmp_path))
    failures, seen = CheckFailures(), []

    def compute(_: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
        seen.append(looked(failures, instance))
        checks = {key: (CheckOutcome("ledger", key != TUE), CheckOutcome("keys", True)) for key in keys}
        return [PartitionOutcome(key, "d", 1, checks=checks[key]) for key in keys]

    days = dg.DailyPartitionsDefinition(MON, end_date="2026-03-05")
    specs = [dg.AssetSpec(LEDGER.asset_key, partitions_def=days)]
    step = table_step(
        TABLE, specs=specs, checks=check_specs(TABLE, {"ledger": ".", "keys": "."}, days), compute=compute
    )
    job = dg.Definitions(assets=[step]).resolve_implicit_global_asset_job_def()
    tags = {"dagster/asset_partition_range_start": MON, "dagster/asset_partition_range_end": "2026-03-04"}
    assert job.execute_in_process(instance=instance, tags=tags).success
    assert seen == [{}]
    assert looked(failures, instance) == {TUE: "ledger"}


def test_without_checks_nothing_failed(instance: dg.DagsterInstance) -> None:
    failures = CheckFailures()
    failures.look(instance, [])
    assert failures.of(instance, []) == {}
