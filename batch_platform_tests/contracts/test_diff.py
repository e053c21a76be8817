"""Differences of contracts: what breaks readers, what rejects more, and that a record in JSON loses neither."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_platform.contracts.changes import Change, ChangeKind
from batch_platform.contracts.contract import Contract
from batch_platform.contracts.diff import describe, diff
from batch_platform.contracts.record import from_json, record_of, to_json
from batch_platform.contracts.table_query import TableQuery
from batch_platform.errors import ConfigurationError
from batch_platform_tests.contracts.examples import EVERY_RULE, FLIGHTS, contract_of, one_column
from batch_platform_tests.contracts.test_distribution import GUARDS
from batch_platform_tests.contracts.test_pandera_class import FLIGHTS as WITH_CLASS

ALL = [FLIGHTS, EVERY_RULE, GUARDS, WITH_CLASS]


@pytest.mark.parametrize("text", ALL)
def test_a_record_in_json_loses_nothing(tmp_path: Path, text: str) -> None:
    contract = contract_of(tmp_path, text)
    written = to_json(contract)
    assert "\n" not in written and to_json(from_json(written)) == written
    assert from_json(written) == record_of(contract)
    assert diff(from_json(written), contract) == diff(contract, from_json(written)) == diff(contract, contract) == ()


@pytest.mark.parametrize("text", ["", "{}", "[]", "1", '{"version": 1}', '{"version": 1, "columns": [{"a": 1}]}'])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no record of a contract"):
        from_json(text)
    with pytest.raises(ConfigurationError, match="of another version"):
        from_json('{"version": 2}')


def test_contracts_of_two_tables_are_not_compared(tmp_path: Path) -> None:
    flights = contract_of(tmp_path, FLIGHTS)
    with pytest.raises(ValueError, match="are two tables"):
        diff(flights, contract_of(tmp_path, FLIGHTS.replace("flight_features", "other")))


DEPARTURE = "      - {name: departure, data_type: TIMESTAMPTZ}\n"
CHANGES = [
    (DEPARTURE, "", ChangeKind.REMOVED, True, False, "departure: the column is gone (TIMESTAMPTZ)"),
    (DEPARTURE, DEPARTURE + "      - {name: new, data_type: DATE}\n", ChangeKind.ADDED, False, False, "a new column"),
    ("data_type: INTEGER", "data_type: BIGINT", ChangeKind.RETYPED, False, False, "holds every old value"),
    ("data_type: INTEGER", "data_type: SMALLINT", ChangeKind.RETYPED, True, True, "does not hold every old value"),
    ("data_type: DOUBLE", "data_type: FLOAT", ChangeKind.RETYPED, True, True, "DOUBLE became FLOAT"),
    ("role: feature, unit: miles", "role: carried, unit: miles", ChangeKind.ROLE, True, False, "role feature became"),
    ("unit: miles", "unit: km", ChangeKind.UNIT, True, False, "distance_miles: unit miles became km"),
    (", personal: true", "", ChangeKind.PERSONAL, False, False, "no longer counts as personal data"),
    ("IATA code.", "Code.", ChangeKind.DESCRIPTION, False, False, "carrier: described in other words"),
    ("One row per", "A row per", ChangeKind.DESCRIPTION, False, False, "the table is described in other words"),
    ("data_tests: [not_null]", "data_tests: []", ChangeKind.RULE_REMOVED, True, False, "flight_number: not_null is no"),
    ("data_tests: [not_null]", "data_tests: [not_null, unique]", ChangeKind.RULE_ADDED, False, True, "is checked now"),
    ("[AA, B6]", "[AA, B6, UA]", ChangeKind.RULE_WIDENED, True, False, "readers may meet new values"),
    ("[AA, B6]", "[AA]", ChangeKind.RULE_NARROWED, False, True, "accepted_values(AA) (may quarantine or stop more)"),
    ("[AA, B6]", "[AA, UA]", ChangeKind.RULE_SHIFTED, True, True, "became carrier: accepted_values(AA, UA)"),
    ("[AA, B6]", "[B6, AA]", ChangeKind.RENAMED, False, False, "is now called carrier: accepted_values(B6, AA)"),
    ("{min: 2, max: 2}", "{min: 2}", ChangeKind.RULE_WIDENED, True, False, "string_length(2, 2) became"),
    ("{max: 1000}", "{max: 2000}", ChangeKind.RULE_WIDENED, False, False, "row_count(, 1000) became row_count(, 2000)"),
    ("{max: 1000}", "{max: 10}", ChangeKind.RULE_NARROWED, False, True, "compatible: row_count(, 1000) became"),
    ("max: 5000}", "max: 5000, severity: warn}", ChangeKind.SEVERITY, True, False, "became a warning"),
    ("max: 5000}", "max: 5000, name: near}", ChangeKind.RENAMED, False, False, "is now called near"),
    ("arrival > departure", "arrival >= departure", ChangeKind.RULE_REWRITTEN, True, True, "says something else now"),
    ("combination_of_columns: [carrier, flight_number]", "combination_of_columns: [carrier]", ChangeKind.RULE_REMOVED,
     True, False, "unique(carrier, flight_number) is no longer checked"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "kind", "breaking", "stricter", "what"), CHANGES)
def test_every_change_is_told_with_what_it_means_to_readers(
    tmp_path: Path, before: str, after: str, kind: ChangeKind, breaking: bool, stricter: bool, what: str
) -> None:
    text = FLIGHTS if before != DEPARTURE else FLIGHTS.replace('"arrival > departure"', '"arrival is not null"')
    assert text.count(before) >= 1
    old, new = contract_of(tmp_path, text), contract_of(tmp_path, text.replace(before, after, 1))
    changes = diff(old, new)
    first = next(change for change in changes if change.kind is kind)
    assert (first.breaking, first.stricter) == (breaking, stricter)
    assert what in str(first)
    assert len(changes) == 1 or {change.kind for change in changes} == {ChangeKind.RULE_REMOVED, ChangeKind.RULE_ADDED}
    assert diff(from_json(to_json(old)), from_json(to_json(new))) == changes


def test_bounds_that_cannot_be_compared_count_as_wider_and_narrower(tmp_path: Path) -> None:
    old = one_column(tmp_path, "DATE", "{range: {min: 2025-01-06}}")
    new = one_column(tmp_path, "TIMESTAMPTZ", "{range: {min: 2025-01-06T00:00:00Z}}")
    kinds = [(change.kind, change.breaking, change.stricter) for change in diff(old, new)]
    assert kinds == [(ChangeKind.RETYPED, True, True), (ChangeKind.RULE_SHIFTED, True, True)]


def test_columns_in_another_order_are_told_and_break_nothing(tmp_path: Path) -> None:
    text = FLIGHTS.replace(DEPARTURE, "") + DEPARTURE
    assert diff(contract_of(tmp_path, FLIGHTS), contract_of(tmp_path, text)) == (
        Change(ChangeKind.REORDERED, None, "the columns stand in another order; readers go by name"),
    )


def test_breaking_changes_are_described_first(tmp_path: Path) -> None:
    changed = FLIGHTS.replace("IATA code.", "Code.").replace("unit: miles", "unit: km")
    lines = describe(diff(contract_of(tmp_path, FLIGHTS), contract_of(tmp_path, changed))).splitlines()
    assert lines == [
        "breaking: distance_miles: unit miles became km",
        "compatible: carrier: described in other words",
    ]
    assert describe(()) == ""


BOUND = st.none() | st.integers(0, 4)
RANGE = st.tuples(BOUND, BOUND, st.booleans()).filter(
    lambda r: r[:2] != (None, None) and (None in r[:2] or r[0] < r[1] or (r[0] == r[1] and r[2]))  # type: ignore[operator]
)


def ranged(folder: Path, low: int | None, high: int | None, inclusive: bool) -> Contract:
    given = {"min": low, "max": high, "inclusive": None if inclusive else "false"}
    arguments = ", ".join(f"{name}: {value}" for name, value in given.items() if value is not None)
    return one_column(folder, "DOUBLE", f"{{range: {{{arguments}}}}}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=RANGE, new=RANGE)
def test_a_range_breaks_readers_where_it_lets_a_new_value_in(
    tmp_path: Path, old: tuple[int | None, int | None, bool], new: tuple[int | None, int | None, bool]
) -> None:
    def accepts(value: float, low: int | None, high: int | None, inclusive: bool) -> bool:
        edge = inclusive or value not in (low, high)
        return (low is None or value >= low) and (high is None or value <= high) and edge

    changes = diff(ranged(tmp_path, *old), ranged(tmp_path, *new))
    points = [n / 2 for n in range(-2, 11)]
    gained = any(accepts(v, *new) and not accepts(v, *old) for v in points)
    lost = any(accepts(v, *old) and not accepts(v, *new) for v in points)
    assert any(change.breaking for change in changes) is gained
    assert any(change.stricter for change in changes) is lost


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from("abcd"), min_size=1), st.sets(st.sampled_from("abcd"), min_size=1))
def test_a_set_breaks_readers_where_it_grows(tmp_path: Path, old: set[str], new: set[str]) -> None:
    before, after = (
        one_column(tmp_path, "VARCHAR", f"{{accepted_values: {{values: [{', '.join(sorted(values))}]}}}}")
        for values in (old, new)
    )
    changes = diff(before, after)
    assert any(change.breaking for change in changes) is bool(new - old)
    assert any(change.stricter for change in changes) is bool(old - new)
    assert (changes == ()) is (old == new)


def test_code_of_a_class_may_change_without_breaking_readers(tmp_path: Path) -> None:
    old = record_of(contract_of(tmp_path, WITH_CLASS))
    source = next(rule.arguments["source"] for rule in old.rules if "source" in rule.arguments)
    changes = diff(from_json(to_json(old).replace(str(source), "0" * 64)), old)
    assert {change.kind for change in changes} == {ChangeKind.RULE_REWRITTEN}
    assert not any(change.breaking for change in changes) and all("its code changed" in str(c) for c in changes)


def test_a_query_names_its_tables_as_its_reader_does() -> None:
    query = (
        'select "features"."m".x, \'"features"."m"\' -- "features"."m"\n'
        'from "features"."m" join features.m2 using (x) where "m"."features" = 1'
    )
    rule = TableQuery("t", query, ("features/m", "features/m2", "snapshots/s"))
    assert rule.sql(lambda table: f"<{table}>") == (
        'select <features/m>.x, \'"features"."m"\' -- "features"."m"\n'
        'from <features/m> join <features/m2> using (x) where "m"."features" = 1'
    )
    assert rule.sql() == query.replace("features.m2", '"features"."m2"')
    assert rule.problem(0) is None and rule.problem(2) == "yields 2 rows of t, which must yield none"


def test_no_two_kinds_of_change_are_told_alike(tmp_path: Path) -> None:
    told = [what for _, _, _, _, _, what in CHANGES]
    assert not any(a == b for a, b in itertools.combinations(told, 2))
