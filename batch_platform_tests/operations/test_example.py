"""The project's own declaration changes nothing until somebody edits it, and Dagster's command offers the component."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import batch_platform
from batch_platform.automation.location import load_components
from batch_platform.operations.component import Operations, operations


def test_the_example_loads_and_closes_nothing() -> None:
    found = operations(load_components())
    assert found.windows.names == ("off_peak",)
    assert found.windows.blackouts == found.windows.maintenance == ()
    assert found.quotas == {}
    for hours in range(0, 400 * 24, 5):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
        assert found.windows.closed_until("", moment) is None


def test_the_component_is_among_those_of_the_package() -> None:
    assert "Operations" in dir(batch_platform)
    assert batch_platform.Operations is Operations
