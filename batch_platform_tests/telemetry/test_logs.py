"""The log: text or JSON lines on standard error, with the fields that are bound, and apart from all other loggers."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from batch_platform.engines.local import LocalEngine
from batch_platform.telemetry.logs import LOG, NAME, bound, configure_logs, log
from batch_platform_tests.engines.work import AT_ONCE, Flaky


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    logger = logging.getLogger(NAME)
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def test_json_lines_have_time_level_event_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    with bound(run="r-1", table="predictions/x"), bound(partition="2026-01-05"):
        log("shard_scored", shard="ab12", rows=262_144, seconds=0.25)
    line = json.loads(capsys.readouterr().err)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(line.pop("ts"))).total_seconds()) < 60
    assert line == {
        "level": "info",
        "event": "shard_scored",
        "run": "r-1",
        "table": "predictions/x",
        "partition": "2026-01-05",
        "shard": "ab12",
        "rows": 262_144,
        "seconds": 0.25,
    }


def test_text_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("")
    log("shard_scored", rows=5, table="a table", note="")
    assert capsys.readouterr().err[9:] == 'info shard_scored rows=5 table="a table" note=""\n'


def test_a_value_cannot_begin_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for setting in ("", "json"):
        configure_logs(setting)
        log("told", partition="a\n12:00:00 info forged")
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_debugging_is_off_unless_asked_for_and_off_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    for setting, expected in (("", 1), ("json", 1), ("debug", 2), ("json, debug", 2), ("off", 0)):
        configure_logs(setting)
        log("one")
        log("two", level=logging.DEBUG)
        assert len(capsys.readouterr().err.splitlines()) == expected, setting


def test_the_environment_decides_and_an_unknown_word_is_told_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOG, "json,loud")
    configure_logs()
    assert json.loads(capsys.readouterr().err) | {"ts": ""} == {
        "ts": "",
        "level": "warning",
        "event": "unknown_log_setting",
        "variable": LOG,
        "words": "loud",
    }


def test_switching_on_twice_tells_once_and_the_root_logger_does_not_hear(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[logging.LogRecord] = []
    listening = logging.Handler()
    listening.emit = heard.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(listening)
    try:
        configure_logs("")
        configure_logs("")
        log("one")
    finally:
        logging.getLogger().removeHandler(listening)
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert heard == []


def test_until_it_is_switched_on_it_is_silent() -> None:
    code = "from batch_platform.telemetry.logs import log; log('one', level=50)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_traceback_belongs_to_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger(NAME).exception("failed")
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "failed" and "ValueError: wrong" in line["traceback"]


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_lines_of_workers_carry_what_was_bound_around_the_engine(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object, kind: str
) -> None:
    monkeypatch.setenv(LOG, "json")
    configure_logs()
    with bound(run="r-1"):
        list(LocalEngine(1, kind, AT_ONCE).map(Flaky(tmp_path, 1), [0]))  # type: ignore[arg-type]
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["run"], line["error"]) for line in lines] == [("shard_retried", "r-1", "LakeError")]
