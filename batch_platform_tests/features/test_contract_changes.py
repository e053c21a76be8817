"""An earlier contract that cannot be read: a build tells it and goes on, a comparison refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.contracts import record
from batch_platform.errors import ConfigurationError
from batch_platform.features.contract_changes import changes_or_note, changes_since
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform_tests.features.projects import read_project
from batch_platform_tests.features.tables import built

NUMBERS = {"models/numbers.sql": "SELECT n FROM generate_series(1, 3) AS r(n)"}


@pytest.mark.parametrize("written", ["another version", "no record"])
def test_a_record_that_cannot_be_read_stops_no_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    numbers = read_project(tmp_path, NUMBERS)["numbers"]
    with monkeypatch.context() as earlier:
        if written == "another version":
            earlier.setattr(record, "VERSION", 2)
        else:
            earlier.setattr("batch_platform.features.builder.to_json", lambda _: "[]")
        (outcome,) = built(numbers, lake, [""])
        assert outcome.error is None and "contract_change" not in outcome.metadata
    with pytest.raises(ConfigurationError, match=r"features/numbers: the earlier contract cannot be read: .*record"):
        changes_since(numbers, lake)
    more = read_project(tmp_path, {"models/numbers.sql": "SELECT n FROM generate_series(1, 4) AS r(n)"})["numbers"]
    (outcome,) = built(more, lake, [""])
    assert outcome.error is None
    assert outcome.metadata["contract_change"] == ["the earlier contract cannot be read"]
    assert Table(lake, "features/numbers").read().num_rows == 4
    assert changes_or_note(more, lake) == () and changes_since(more, lake) == ()
