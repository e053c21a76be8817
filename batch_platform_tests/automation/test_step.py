"""Runs of a step: which failures stop a run, which are tried again, and what the run says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import dagster as dg
import pytest

from batch_platform.automation import step as steps
from batch_platform.automation.reporting import ERROR_CHECK, TRANSIENT, asset_key, check_specs
from batch_platform.errors import BatchPlatformError, LakeError, SourceError
from batch_platform.lake.lease import active_leases, utc_now
from batch_platform.outcomes import CheckOutcome, PartitionOutcome, Run
from batch_platform.settings import Settings
from batch_platform.telemetry.cost import Meter
from batch_platform_tests.pipelines.project import execute

DAYS = dg.DailyPartitionsDefinition("2025-01-05")
FIRST, SECOND = "2025-01-05", "2025-01-06"
TABLE = "snapshots/orders"


@dataclass
class Work:
    """A computation that fails with the given errors, one for each attempt, and then succeeds.

    Args:
        errors: what the whole step raises, attempt by attempt.
        bad: partitions that fail in every attempt.
        runs: what the step was told about its run, attempt by attempt.
    """

    errors: list[Exception] = field(default_factory=list)
    bad: dict[str, BatchPlatformError] = field(default_factory=dict)
    runs: list[tuple[tuple[str, ...], Run]] = field(default_factory=list)

    def __call__(self, _: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
        assert meter.seconds >= 0
        self.runs.append((tuple(keys), run))
        if len(self.runs) <= len(self.errors):
            raise self.errors[len(self.runs) - 1]
        return [self._outcome(key) for key in keys]

    def _outcome(self, key: str) -> PartitionOutcome:
        if key in self.bad:
            return PartitionOutcome(key, error=self.bad[key])
        return PartitionOutcome(key, digest=f"digest {key}", rows=1, checks=(CheckOutcome("filled", True),))


@pytest.fixture(autouse=True)
def _hardly_any_delay(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    assert settings == Settings.from_environment()  # leases lie in a lake of the test's own
    assert TRANSIENT.max_retries == 2
    monkeypatch.setattr(steps, "TRANSIENT", dg.RetryPolicy(max_retries=2, delay=0.01))


def _definitions(work: Work, partitions: dg.PartitionsDefinition[str] | None = DAYS) -> dg.Definitions:
    spec = dg.AssetSpec(asset_key(TABLE), partitions_def=partitions)
    checks = check_specs(TABLE, {"filled": "Has rows."}, partitions)
    return dg.Definitions(assets=[steps.table_step(TABLE, specs=[spec], checks=checks, compute=work, engine="local")])


def _reason(result: dg.ExecuteInProcessResult) -> str:
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert len(failures) == 1
    assert failures[0].user_failure_data is not None
    return failures[0].user_failure_data.description or ""


def _materialized(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_materialized_partitions(asset_key(TABLE)))


def test_the_computation_hears_its_partitions_run_and_engine(instance: dg.DagsterInstance) -> None:
    work = Work()
    result = execute(_definitions(work), instance, [TABLE], FIRST, SECOND)
    assert result.success
    assert work.runs == [((FIRST, SECOND), Run(result.run_id, "local"))]
    assert _materialized(instance) == {FIRST, SECOND}


def test_a_table_without_partitions_is_one_partition_with_an_empty_key(instance: dg.DagsterInstance) -> None:
    work = Work()
    job = _definitions(work, None).resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance).success
    assert [keys for keys, _ in work.runs] == [("",)]
    event = instance.get_latest_materialization_event(asset_key(TABLE))
    assert event is not None and event.asset_materialization is not None
    assert event.asset_materialization.partition is None
    assert event.asset_materialization.metadata["dagster/row_count"].value == 1
    assert instance.fetch_materializations(asset_key(TABLE), limit=10).records[0].storage_id
    assert len(instance.fetch_materializations(asset_key(TABLE), limit=10).records) == 1


def test_one_bad_partition_alone_fails_the_run_and_its_check(instance: dg.DagsterInstance) -> None:
    work = Work(bad={FIRST: SourceError("is torn", where="orders.csv", fix="send it again")})
    result = execute(_definitions(work), instance, [TABLE], FIRST, FIRST)
    assert not result.success
    assert _reason(result) == "SourceError: orders.csv: is torn (send it again)"
    assert len(work.runs) == 1
    assert _materialized(instance) == set()
    evaluations = {item.check_name: item for item in result.get_asset_check_evaluations()}
    assert set(evaluations) == {ERROR_CHECK}
    assert not evaluations[ERROR_CHECK].passed
    assert evaluations[ERROR_CHECK].partition == FIRST
    assert evaluations[ERROR_CHECK].description == "orders.csv: is torn (send it again)"


def test_when_all_partitions_are_bad_the_run_fails_at_once_with_the_first_reason(instance: dg.DagsterInstance) -> None:
    work = Work(bad={FIRST: SourceError("is torn"), SECOND: SourceError("is empty")})
    result = execute(_definitions(work), instance, [TABLE], FIRST, SECOND)
    assert not result.success
    assert _reason(result) == "SourceError: is torn [and 1 more partitions failed]"
    assert len(work.runs) == 1
    failed = {item.partition: item.description for item in result.get_asset_check_evaluations() if not item.passed}
    assert failed == {FIRST: "is torn", SECOND: "is empty"}


def test_a_transient_error_is_tried_again_until_it_passes(instance: dg.DagsterInstance) -> None:
    work = Work(errors=[LakeError("does not answer", transient=True)] * 2)
    assert execute(_definitions(work), instance, [TABLE], FIRST, SECOND).success
    assert len(work.runs) == 3
    assert _materialized(instance) == {FIRST, SECOND}
    assert len(instance.fetch_materializations(asset_key(TABLE), limit=10).records) == 2


def test_a_transient_error_that_stays_fails_the_run_in_its_own_words(instance: dg.DagsterInstance) -> None:
    work = Work(errors=[LakeError("does not answer", transient=True)] * 3)
    result = execute(_definitions(work), instance, [TABLE], FIRST, SECOND)
    assert not result.success
    assert len(work.runs) == 3
    assert _reason(result) == "LakeError: does not answer"


def test_transient_errors_of_all_partitions_are_tried_again(instance: dg.DagsterInstance) -> None:
    work = Work(bad={FIRST: LakeError("does not answer", transient=True)})
    result = execute(_definitions(work), instance, [TABLE], FIRST, FIRST)
    assert not result.success
    assert len(work.runs) == 3


def test_what_may_pass_underneath_an_error_is_tried_again(instance: dg.DagsterInstance) -> None:
    error = LakeError("cannot be read")
    error.__cause__ = ConnectionResetError("reset by peer")
    work = Work(errors=[error, ConnectionRefusedError("refused")])
    assert execute(_definitions(work), instance, [TABLE], FIRST, SECOND).success
    assert len(work.runs) == 3


def test_an_error_that_nobody_foresaw_is_not_tried_again_and_its_traceback_stands_in_the_log(
    instance: dg.DagsterInstance,
) -> None:
    work = Work(errors=[ZeroDivisionError("division by zero")])
    result = execute(_definitions(work), instance, [TABLE], FIRST, SECOND)
    assert not result.success
    assert len(work.runs) == 1
    expected = f"UnexpectedError: {TABLE}: ZeroDivisionError: division by zero (see the traceback in the run's log)"
    assert _reason(result) == expected
    messages = [entry.user_message for entry in instance.all_logs(result.run_id) if entry.level == logging.ERROR]
    assert any("Traceback" in text and "test_step.py" in text for text in messages)


@pytest.mark.parametrize(("value", "replay"), [(None, False), ("true", True), ("false", False)])
def test_the_runs_tag_says_whether_it_is_a_replay(
    instance: dg.DagsterInstance, value: str | None, replay: bool
) -> None:
    work = Work()
    job = _definitions(work, None).resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, tags={} if value is None else {steps.REPLAY: value}).success
    assert [run.replay for _, run in work.runs] == [replay]


def test_what_a_run_tells_stands_in_its_log(instance: dg.DagsterInstance) -> None:
    def compute(_: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
        run.tell("half of it is done")
        return [PartitionOutcome(key, digest="d") for key in keys]

    spec = dg.AssetSpec(asset_key(TABLE))
    step = steps.table_step(TABLE, specs=[spec], checks=[], compute=compute)
    result = dg.materialize([step], instance=instance)
    assert "half of it is done" in {entry.user_message for entry in instance.all_logs(result.run_id)}


def test_a_step_holds_a_lease_on_each_of_its_tables_while_it_computes(
    instance: dg.DagsterInstance, settings: Settings
) -> None:
    found: list[list[str]] = []

    def compute(given: Settings, keys: Sequence[str], run: Run, meter: Meter) -> list[PartitionOutcome]:
        found.extend([held.holder for held in active_leases(given.lake, name, utc_now())] for name in tables)
        return [PartitionOutcome(key, digest="d") for key in keys]

    tables = (TABLE, "quarantine/orders")
    specs = [dg.AssetSpec(asset_key(name)) for name in tables]
    step = steps.table_step(TABLE, specs=specs, checks=[], compute=compute)
    result = dg.materialize([step], instance=instance)
    assert found == [[result.run_id], [result.run_id]]
    assert [active_leases(settings.lake, name, utc_now()) for name in tables] == [[], []]


def test_a_permanent_error_of_the_whole_step_is_not_tried_again(instance: dg.DagsterInstance) -> None:
    work = Work(errors=[LakeError("holds another schema", where=TABLE)])
    result = execute(_definitions(work), instance, [TABLE], FIRST, SECOND)
    assert not result.success
    assert len(work.runs) == 1
    assert _reason(result) == f"LakeError: {TABLE}: holds another schema"
