"""Each kind of source is read by its own class, which is imported only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from batch_platform.snapshots.source_spec import KINDS, SourceSpec
from batch_platform.snapshots.sources import READERS, source_from

SOURCES: dict[str, tuple[dict[str, Any], str]] = {
    "files": ({"files": "in/*.csv"}, "FilesSource"),
    "demo": ({"demo": "nycflights13/aircraft"}, "DemoSource"),
    "sql": ({"sql": {"url_from": "DB", "table": "orders"}}, "SqlSource"),
    "delta": ({"delta": {"table": "orders"}}, "DeltaTableSource"),
    "function": ({"function": {"call": "shop:orders"}}, "CalledSource"),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_each_kind_of_source_is_read_by_its_class(kind: str) -> None:
    declared, name = SOURCES[kind]
    spec = SourceSpec.model_validate(declared)
    source = source_from(spec, base=Path("/project"))
    assert spec.kind == kind and type(source).__name__ == name
    assert (source.spec, source.base) == (spec, Path("/project"))  # type: ignore[attr-defined]


def test_there_is_a_reader_for_every_kind() -> None:
    assert {*READERS} == {*KINDS} == {*SOURCES}


def test_declaring_a_source_imports_no_driver_and_no_store() -> None:
    code = (
        "import sys; import batch_platform.snapshots.sources; "
        "print([name for name in ('deltalake.fs', 'adbc_driver_manager', 'psycopg', 'polars') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
