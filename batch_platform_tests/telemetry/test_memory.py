"""Memory is measured in bytes, for this process and for those it started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from batch_platform.telemetry import memory
from batch_platform.telemetry.memory import peak_bytes, resident_bytes

MIB = 1 << 20
_CHILD = "import sys; held = b'x' * (64 << 20); print('held', flush=True); sys.stdin.read()"


def test_what_was_held_and_let_go_stays_in_the_peak() -> None:
    code = (
        "from batch_platform.telemetry.memory import peak_bytes, resident_bytes\n"
        "before = resident_bytes(); held = b'x' * (96 << 20); during = resident_bytes(); del held\n"
        "print(before, during, resident_bytes(), peak_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, during, after, peak = map(int, done.stdout.split())
    assert during - before > 90 * MIB and during - after > 90 * MIB
    assert peak > during - MIB  # the kernel counts in portions


def test_processes_that_were_started_count_when_asked_for() -> None:
    child = subprocess.Popen([sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdout.readline()
        assert resident_bytes(children=True) - resident_bytes() > 60 * MIB
        assert peak_bytes(children=True) - peak_bytes() > 60 * MIB
    finally:
        child.stdin.close()
        child.stdout.close()
        child.wait()


def test_without_proc_the_peak_is_known_nevertheless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = peak_bytes()
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    assert abs(peak_bytes() - known) < 64 * MIB
    assert resident_bytes(children=True) == peak_bytes()
