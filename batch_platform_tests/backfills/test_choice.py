"""Which tables and partitions a backfill is about."""

from __future__ import annotations

import pytest

from batch_platform.backfills.choice import Choice, targets
from batch_platform.backfills.stretch import Stretch
from batch_platform.errors import ConfigurationError
from batch_platform.schedules.scheduled import in_order
from batch_platform_tests.backfills.simulated import (
    CLICKS,
    FEATURES,
    MODEL,
    NOW,
    ORDERS,
    PREDICTIONS,
    STATIONS,
    WEEKLY,
    tables,
)

KNOWN = {table.table: table for table in tables()}


def wanted(names: str, text: str) -> dict[str, list[str]]:
    return targets(in_order(tables()), Choice.of(names.split(), KNOWN), Stretch.parse(text), NOW)


def test_names_pipelines_and_everything() -> None:
    assert Choice.of([FEATURES], KNOWN).named == {FEATURES}
    assert Choice.of(["orders"], KNOWN).named == set(KNOWN) == Choice.of(["*"], KNOWN).named
    assert Choice.of([f"{FEATURES}+"], KNOWN).named == {FEATURES, WEEKLY, MODEL, PREDICTIONS}
    assert Choice.of([f"+{FEATURES}"], KNOWN).needed == {STATIONS, ORDERS, CLICKS}


def test_a_wrong_name_is_told_with_what_it_resembles() -> None:
    with pytest.raises(ConfigurationError, match="did you mean features/orders"):
        Choice.of(["features/order"], KNOWN)
    with pytest.raises(ConfigurationError, match="written with features/orders"):
        Choice.of(["quarantine/orders"], KNOWN)


def test_each_cadence_gets_the_partitions_that_begin_in_the_range() -> None:
    found = wanted("*", "2025-04-01..2025-04-30")
    assert {name: len(keys) for name, keys in found.items()} == {
        STATIONS: 1, ORDERS: 30, CLICKS: 720, FEATURES: 30, WEEKLY: 4, MODEL: 1, PREDICTIONS: 30,
    }  # fmt: skip
    assert found[WEEKLY] == ["2025-04-06", "2025-04-13", "2025-04-20", "2025-04-27"]


def test_of_a_model_the_windows_that_serve_the_predictions_are_meant() -> None:
    assert wanted(f"{MODEL} {PREDICTIONS}", "2025-04-20..2025-05-02")[MODEL] == ["2025-04-01", "2025-05-01"]
    assert wanted(MODEL, "2025-04-20..2025-05-02")[MODEL] == ["2025-05-01"]


def test_what_is_needed_is_what_is_read_whatever_its_age() -> None:
    found = wanted(f"+{PREDICTIONS}", "2025-05-05")
    assert found[PREDICTIONS] == ["2025-05-05"] and found[MODEL] == ["2025-05-01"]
    assert (found[FEATURES][0], found[FEATURES][-1], len(found[FEATURES])) == ("2025-03-01", "2025-05-05", 62)
    assert (found[ORDERS][0], found[ORDERS][-1]) == ("2025-02-27", "2025-05-05")
    assert found[STATIONS] == [""] and WEEKLY not in found


def test_what_cannot_be_made_yet_is_left_out() -> None:
    assert wanted(ORDERS, "2025-06-10..2025-12-31")[ORDERS][-1] == "2025-06-14"
    assert wanted(WEEKLY, "2025-06")[WEEKLY] == ["2025-06-01", "2025-06-08"]


def test_tables_come_after_what_they_read() -> None:
    names = list(wanted("*", "2025-05"))
    assert names.index(ORDERS) < names.index(FEATURES) < names.index(MODEL) < names.index(PREDICTIONS)
