"""SQL unit tests tell what differs, cell by cell, and refuse at file and line what a case cannot mean."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.sql.row_differences import Expected, differences
from batch_platform.sql.unit_case import load_case
from batch_platform.sql.unit_test import case_folders, check, run
from batch_platform_tests.sql.cases import HERE, models

FLIGHT = "{flight_date: 2025-03-10, carrier: AA, flight_number: 1, origin: JFK, destination: LAX}"


def _case(folder: Path, given: str, expect: str, case: str = "partition: 2025-03-10") -> Path:
    made = folder / "flight_features" / "a_case"
    made.mkdir(parents=True)
    for name, text in (("given", given), ("expect", expect), ("case", case)):
        (made / f"{name}.yaml").write_text(text)
    return made


def _copy(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(HERE / "flight_features" / name, folder / "flight_features" / name))


def test_a_cell_that_differs_is_told_with_its_row_and_place(tmp_path: Path) -> None:
    folder = _copy(tmp_path, "recent_7_days")
    expect = folder / "expect.yaml"
    expect.write_text(expect.read_text().replace("0.660256", "0.7"))
    with pytest.raises(AssertionError) as told:
        check(folder, models())
    assert str(told.value).splitlines()[1:] == [
        f"  differs ({expect}:1): {{flight_number: 1, late_rate_28_days: 0.666667}}",
        "    origin_late_rate_7_days: expected 0.7, found 0.660256",
    ]


def test_rows_that_are_missing_and_rows_that_nobody_expected_are_told(tmp_path: Path) -> None:
    folder = _case(tmp_path, f"flight_schedule: [{FLIGHT}]", "- {flight_number: 2, aircraft_manufacturer: BOEING}")
    with pytest.raises(AssertionError) as told:
        check(folder, models())
    assert str(told.value).splitlines()[1:] == [
        f"  missing ({folder / 'expect.yaml'}:1): {{flight_number: 2, aircraft_manufacturer: 'BOEING'}}",
        "  unexpected: {flight_number: 1, aircraft_manufacturer: 'UNKNOWN'}",
    ]


def test_nothing_expected_means_no_row(tmp_path: Path) -> None:
    check(_case(tmp_path, "", ""), models())
    folder = _case(tmp_path / "other", f"flight_schedule: [{FLIGHT}]", "")
    with pytest.raises(AssertionError, match="unexpected"):
        check(folder, models())


def test_order_counts_only_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = _copy(tmp_path, "congestion_within_30_minutes")
    expect = folder / "expect.yaml"
    lines = expect.read_text().splitlines()
    swapped = [*lines[:3], lines[4], lines[3], *lines[5:]]
    expect.write_text("\n".join(swapped).replace("ordered: true", "ordered: false"))
    check(folder, models())
    expect.write_text("\n".join(swapped))
    with pytest.raises(AssertionError, match="differs"):
        check(folder, models())


def test_only_partitions_that_production_would_read_are_there(tmp_path: Path) -> None:
    """`partitions` gives the rows to each of several; 28 days end two days before the partition."""
    days = "[2025-02-08, 2025-02-09, 2025-03-08, 2025-03-09]"
    given = f"flight_outcomes: {{partitions: {days}, rows: [{FLIGHT}]}}\nflight_schedule: [{FLIGHT}]"
    folder = _case(tmp_path, given, "[]")
    subject = models()["flight_features"]
    case = load_case(folder, subject)
    outcomes = case.given["snapshots/flight_outcomes"]
    assert outcomes["partition_key"].to_pylist() == ["2025-02-09", "2025-03-08"]
    assert case.given["snapshots/flight_schedule"]["partition_key"].to_pylist() == ["2025-03-10"]
    assert case.given["snapshots/weather_forecast"].num_rows == 0
    assert outcomes.schema.field("arrival_delay_minutes").type == pa.int32()
    assert run(case, subject)["_source_row"].to_pylist() == [1]


def test_a_cell_is_the_text_that_stands_there(tmp_path: Path) -> None:
    """`NO` is no boolean where the column holds text, and a quoted `null` is a word."""
    row = FLIGHT.replace("AA", "NO").replace("LAX", "'null'")
    check(_case(tmp_path, f"flight_schedule: [{row}]", "- {carrier: NO, destination: 'null', tail_number: }"), models())


@pytest.mark.parametrize(
    ("given", "expect", "case", "said"),
    [
        ("\nnowhere: []", "", None, r"given\.yaml:2: flight_features does not read nowhere \(it reads snapshots/"),
        ("aircraft: []\nsnapshots/aircraft: []", "", None, r"given\.yaml:2: snapshots/aircraft is given twice"),
        ("aircraft:\n- {tail: N1}", "", None, r"given\.yaml:2: the table has no column 'tail' \(it has .*tail_number"),
        (
            "aircraft:\n- {seat_count: many}",
            "",
            None,
            r"given\.yaml:2: 'many' is no value for seat_count, which is int32",
        ),
        ("aircraft:\n- {seat_count: [1]}", "", None, r"given\.yaml:2: a cell must be one value"),
        ("aircraft:\n- {partition: 2025-03-10}", "", None, r"given\.yaml:2: the table has no partitions"),
        ("flight_outcomes:\n- {carrier: AA}", "", None, r"given\.yaml:2: the row names no .*add partition: 2025-03-08"),
        (
            "flight_schedule:\n- {partition: 10 March}",
            "",
            None,
            r"given\.yaml:2: '10 March' is not a daily partition key",
        ),
        (
            "aircraft:\n  csv: |\n    seat_count\n    1\n    x",
            "",
            None,
            r"given\.yaml:5: 'x' is no value for seat_count",
        ),
        ("aircraft:\n  csv: |\n    seat_count\n    1,2", "", None, r"given\.yaml:4: has 2 cells, the header 1"),
        ("aircraft: {file: ../case.yaml}", "", None, r"given\.yaml:1: there is no file '\.\./case\.yaml' beside it"),
        ("aircraft: {rows: [], csv: ''}", "", None, r"given\.yaml:1: says not exactly once where its rows are"),
        ("", "\n- {flight: 1}", None, r"expect\.yaml:2: the model has no column 'flight' \(it has flight_date"),
        ("", "- {distance_miles: far}", None, r"expect\.yaml:1: 'far' is no value for distance_miles"),
        ("", "{rows: [], ordered: perhaps}", None, r"expect\.yaml:1: ordered must be true or false"),
        (
            "",
            "",
            "",
            r"case\.yaml: flight_features has partitions, and the case names none \(add partition: 2025-01-06",
        ),
        ("", "", "partition: soon", r"case\.yaml:1: 'soon' is not a daily partition key"),
        ("", "", "day: 2025-03-10", r"case\.yaml:1: the case has no key day"),
    ],
)
def test_a_wrong_case_is_refused_with_file_and_line(
    tmp_path: Path, given: str, expect: str, case: str | None, said: str
) -> None:
    folder = _case(tmp_path, given, expect, "partition: 2025-03-10" if case is None else case)
    with pytest.raises(ConfigurationError, match=said):
        check(folder, models())


def test_a_folder_that_names_no_model_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no_such_model" / "a_case").mkdir(parents=True)
    (tmp_path / "no_such_model" / "a_case" / "expect.yaml").touch()
    (folder,) = case_folders(tmp_path)
    with pytest.raises(ConfigurationError, match="there is no model 'no_such_model' to test"):
        check(folder, models())
    folder = _case(tmp_path, "", "")
    (folder / "given.yaml").unlink()
    with pytest.raises(ConfigurationError, match=r"given\.yaml: the file is missing"):
        check(folder, models())


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1.0, 1.0 + 5e-10, True),
        (1.0, 1.0 + 5e-9, False),
        (0.0, 1e-13, True),
        (float("nan"), float("nan"), True),
        (None, None, True),
        (None, 0, False),
        ("a", "A", False),
    ],
)
def test_floats_may_lie_a_little_apart_and_nothing_else(one: object, other: object, equal: bool) -> None:
    assert (differences([Expected({"x": one}, "here")], [{"x": other}]) == []) is equal


def test_two_equal_rows_expected_need_two_rows() -> None:
    row = Expected({"x": 1}, "here:1")
    assert differences([row, row], [{"x": 1}, {"x": 1}]) == []
    assert differences([row, row], [{"x": 1}]) == ["missing (here:1): {x: 1}"]
    assert differences([row], [{"x": 1}, {"x": 1}]) == ["unexpected: {x: 1}"]
