"""Delivering after the commit: what is missing, until it is there, and never at the cost of the predictions."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import Run
from batch_platform.settings import Settings
from batch_platform.sinks.base import Delivery
from batch_platform.sinks.committed import BATCH_ROWS, Committed
from batch_platform.sinks.declared import DatabaseSink, FilesSink, RedisSink, SinkDeclaration, WebhookSink
from batch_platform.sinks.delivery import Delivered, deliver_all, delivered_checks
from batch_platform.sinks.patience import Patience
from batch_platform_tests.sinks.conftest import PASSWORD, Receiver, free_port
from batch_platform_tests.sinks.rows import KEY, MON, SCHEMA, TABLE, TUE, commit, nothing_known, rows, settings_of

FILES = FilesSink("exports/{partition}.csv")
DATABASE = DatabaseSink("SCORES_DATABASE", "flights")
REDIS = RedisSink("SCORES_REDIS", "flight:", "late_probability")
HOOK = WebhookSink("SCORES_HOOK")
QUICK = Patience(attempts=2, first_seconds=0)


def deliver(
    settings: Settings, *sinks: SinkDeclaration, keys: tuple[str, ...] = (MON, TUE), **more: Any
) -> list[Delivered]:
    return deliver_all(sinks, settings, TABLE, keys, KEY, Run("run"), **{"patience": QUICK, **more})


def lines(settings: Settings, key: str) -> int:
    return len((settings.project / f"exports/{key}.csv").read_text().splitlines()) - 1


@pytest.fixture
def hook(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Receiver:
    monkeypatch.setenv("SCORES_HOOK", receiver.address)
    return receiver


def test_committed_partitions_reach_every_sink_once(
    settings: Settings, hook: Receiver, database: str, redis_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORES_DATABASE", database)
    monkeypatch.setenv("SCORES_REDIS", redis_address)
    commit(settings.lake, mon=rows(2, 4), tue=rows(6))
    first = deliver(settings, FILES, DATABASE, REDIS, HOOK)
    assert [(one.sink, one.partition, one.rows, one.before) for one in first] == [
        (name, key, count, False)
        for name in ("files", "database", "redis", "webhook")
        for key, count in ((MON, 2), (TUE, 1))
    ]
    assert {one.digest for one in first} == {
        found.record.digest for found in Table(settings.lake, TABLE).records().values()
    }
    again = deliver(settings, FILES, DATABASE, REDIS, HOOK)
    assert [(one.rows, one.before) for one in again] == [(one.rows, True) for one in first]
    assert len(hook.heard) == 2
    assert lines(settings, MON) == 2


def test_only_what_changed_is_delivered_again(settings: Settings, hook: Receiver) -> None:
    commit(settings.lake, mon=rows(2, 4), tue=rows(6))
    deliver(settings, FILES, HOOK)
    commit(settings.lake, mon=rows(2), tue=rows(6))
    assert [one.before for one in deliver(settings, FILES, HOOK)] == [False, True, False, True]
    assert (lines(settings, MON), lines(settings, TUE)) == (1, 1)
    assert [json.loads(body)["partition"] for _, body in hook.heard] == [MON, TUE, MON]


def test_a_target_that_was_lost_is_delivered_anew_on_demand(settings: Settings) -> None:
    commit(settings.lake, mon=rows(2))
    deliver(settings, FILES, keys=(MON,))
    (settings.project / f"exports/{MON}.csv").unlink()
    assert deliver(settings, FILES, keys=(MON,), again=True)[0].before is False
    assert lines(settings, MON) == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"digest": 1}'])
def test_a_damaged_book_only_means_another_delivery(damage: str, settings: Settings, hook: Receiver) -> None:
    commit(settings.lake, mon=rows(2))
    deliver(settings, HOOK, keys=(MON,))
    entry = Path(settings.lake.uri(TABLE)) / f"_deliveries/webhook/{MON}.json"
    assert json.loads(entry.read_text())["rows"] == 1
    entry.write_text(damage)
    assert deliver(settings, HOOK, keys=(MON,))[0].error is None
    assert len(hook.heard) == 2


def test_a_sink_that_is_declared_otherwise_has_nothing_yet(settings: Settings) -> None:
    commit(settings.lake, mon=rows(2))
    deliver(settings, FILES, keys=(MON,))
    assert deliver(settings, FilesSink("elsewhere/{partition}.csv"), keys=(MON,))[0].before is False
    assert (settings.project / f"elsewhere/{MON}.csv").is_file()


def test_a_server_that_is_away_is_a_warning_and_the_next_run_delivers(
    settings: Settings, postgres: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    commit(settings.lake, mon=rows(2), tue=rows(4))
    monkeypatch.setenv("SCORES_DATABASE", f"postgresql://scorer:{PASSWORD}@127.0.0.1:{free_port()}/scores")
    results = deliver(settings, DATABASE, FILES)
    checks = delivered_checks(results)
    assert [one.error is None for one in results] == [False, False, True, True]
    assert all(check.warns and check.passed for check in checks.values())
    assert checks[MON].description.startswith(f"not delivered: sink 'database', {TABLE}[{MON}]: the database says: ")
    assert "not tried" in checks[TUE].description
    assert PASSWORD not in caplog.text + repr(results) + repr(checks)
    assert Table(settings.lake, TABLE).read([MON]).num_rows == 1
    monkeypatch.setenv("SCORES_DATABASE", postgres)
    second = deliver(settings, DATABASE, FILES)
    assert [one.before for one in second] == [False, False, True, True]
    assert delivered_checks(second)[MON].warns is False
    assert delivered_checks(second)[MON].description == "delivered to database, files"
    engine = sa.create_engine(postgres)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM flights")).scalar() == 2
    engine.dispose()


def test_what_may_pass_is_tried_again_with_growing_pauses(settings: Settings, hook: Receiver) -> None:
    commit(settings.lake, mon=rows(2))
    hook.answers = [503, 429, 500, 200]
    slept: list[float] = []
    (found,) = deliver(settings, HOOK, keys=(MON,), patience=Patience(sleep=slept.append))
    assert found.error is None
    assert len({headers["Idempotency-Key"] for headers, _ in hook.heard}) == 1
    for number, pause in enumerate(slept):
        assert 0.25 * 2**number <= pause <= 0.75 * 2**number
    assert len(slept) == 3


def test_what_will_not_pass_is_not_tried_again_and_the_next_partition_is(settings: Settings, hook: Receiver) -> None:
    commit(settings.lake, mon=rows(2), tue=rows(4))
    hook.answers = [400, 200]
    results = deliver(settings, HOOK)
    assert [one.error is None for one in results] == [False, True]
    assert len(hook.heard) == 2


def test_a_sink_that_cannot_be_opened_stops_no_other(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCORES_HOOK", raising=False)
    commit(settings.lake, mon=rows(2), tue=rows(4))
    results = deliver(settings, HOOK, FILES)
    assert "the environment variable SCORES_HOOK is not set" in str(results[0].error)
    assert [one.error is None for one in results] == [False, False, True, True]


def test_partitions_and_tables_that_are_not_committed_are_told(settings: Settings) -> None:
    assert "has never been computed" in str(deliver(settings, FILES)[0].error)
    commit(settings.lake, mon=rows(2))
    found = deliver(settings, FILES)
    assert [str(one.error) for one in found][1] == f"{TABLE}[{TUE}]: is not committed (materialize it first)"
    assert found[0].error is None


def test_a_damaged_file_of_the_lake_is_told_and_leaves_the_target(settings: Settings) -> None:
    commit(settings.lake, mon=rows(2))
    deliver(settings, FILES, keys=(MON,))
    commit(settings.lake, mon=rows(2, 4))
    table = Table(settings.lake, TABLE)
    os.truncate(table.files([MON])[0], 100)
    assert "cannot be read" in str(deliver(settings, FILES, keys=(MON,))[0].error)
    assert lines(settings, MON) == 1


def test_a_fault_that_nobody_foresaw_is_told_without_secrets(
    settings: Settings, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(settings.lake, mon=rows(2))

    def broken(*_: object) -> int:
        raise RuntimeError(f"lost {hook.address}")

    monkeypatch.setattr("batch_platform.sinks.webhook.WebhookTarget.deliver", broken)
    error = deliver(settings, HOOK, keys=(MON,))[0].error
    assert "RuntimeError: lost ***" in str(error)
    assert PASSWORD not in str(error)
    assert error is not None
    assert error.__cause__ is None


def test_a_commit_in_mid_delivery_is_delivered_too(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the slower of two runs would leave its older rows at the target."""
    commit(settings.lake, mon=rows(2))
    deliveries: list[str] = []

    def overtaken(_: object, delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> int:
        deliveries.append(delivery.digest)
        if len(deliveries) == 1:
            commit(settings.lake, mon=rows(2, 4))
        elif len(deliveries) == 2:
            commit(settings.lake, tue=rows(6))
        return sum(batch.num_rows for batch in batches)

    monkeypatch.setattr("batch_platform.sinks.files.FilesTarget.deliver", overtaken)
    (found,) = deliver(settings, FILES, keys=(MON,))
    newest = Table(settings.lake, TABLE).records([MON])[MON].record.digest
    assert (found.digest, found.rows, len(deliveries)) == (newest, 2, 2)


def test_a_lake_in_an_object_store_is_read_and_keeps_the_book(s3_lake: Lake, tmp_path: Path) -> None:
    settings = settings_of(s3_lake, tmp_path)
    commit(s3_lake, mon=rows(2, 4))
    assert [one.before for _ in range(2) for one in deliver(settings, FILES, keys=(MON,))] == [False, True]
    assert lines(settings, MON) == 2


def test_rows_come_in_bounded_batches_with_columns_that_were_added_later(lake: Lake) -> None:
    count = 2 * BATCH_ROWS + 1
    commit(lake, mon=pa.table({"flight_id": range(count)}), tue=pa.table({"flight_id": [1]}))
    commit(lake, tue=nothing_known(5))
    committed = Committed.newest(lake, TABLE)
    assert committed.rows(MON) == count
    batches = list(committed.batches(MON))
    assert [batch.num_rows for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 1]
    assert set(committed.schema.names) == set(SCHEMA.names)
    assert batches[0].schema == committed.schema
    assert batches[0].column("carrier").null_count == BATCH_ROWS
    assert [batch.num_rows for batch in committed.batches("2025-02-01")] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["files", "postgres", "sqlite", "redis"])
def test_a_hundred_thousand_rows_stream(
    kind: str, settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 100_000
    content = pa.table({"flight_id": range(count), "late_probability": pa.array([0.25] * count, pa.float32())})
    commit(settings.lake, mon=content)
    sink: SinkDeclaration = {"files": FilesSink("{partition}.jsonl"), "redis": REDIS}.get(kind, DATABASE)
    if kind != "files":
        address = request.getfixturevalue({"redis": "redis_address"}.get(kind, kind))
        monkeypatch.setenv("SCORES_REDIS" if kind == "redis" else "SCORES_DATABASE", address)
    for again in (False, True):
        (found,) = deliver(settings, sink, keys=(MON,), again=again)
        assert (found.rows, found.error, found.before) == (count, None, False)


def test_what_a_killed_process_left_at_a_sink_is_delivered_over(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a table that goes back to what was noted last would never reach a sink that holds something newer."""
    commit(settings.lake, mon=rows(2))
    deliver(settings, FILES, keys=(MON,))
    commit(settings.lake, mon=rows(2, 4))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("batch_platform.sinks.book.Book.note", killed)
        deliver(settings, FILES, keys=(MON,))
    assert lines(settings, MON) == 2
    commit(settings.lake, mon=rows(2))
    (found,) = deliver(settings, FILES, keys=(MON,))
    assert (found.error, found.before, lines(settings, MON)) == (None, False, 1)
