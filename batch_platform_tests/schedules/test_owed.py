"""What must be made: what is missing within the horizon, and what was made from what is not there any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batch_platform.lake.digest import combine
from batch_platform.partitions import Cadence
from batch_platform.schedules.facts import Arrival, Made, Read
from batch_platform.schedules.owed import Owed, Reason, demands, is_outdated, owed
from batch_platform.schedules.rules import RerunOn, Rules
from batch_platform.schedules.scheduled import Input, Role
from batch_platform_tests.schedules.tables import READER, SOURCE, facts, holding, made_from, reader, source, undated
from batch_platform_tests.simulation.days import days_from


def keys(found: dict[str, Owed]) -> list[str]:
    return list(found)


def test_what_is_missing_within_the_horizon_is_owed_oldest_first() -> None:
    books = holding({SOURCE: {"2025-03-05": "five"}})
    assert keys(owed(source(), facts(books))) == ["2025-03-03", "2025-03-04", *days_from("2025-03-06", 4)]


def test_of_a_watched_source_only_what_has_arrived_is_owed() -> None:
    arrived = {SOURCE: {"2025-03-08": Arrival("eight")}}
    found = owed(source(), facts(holding({}), arrived=arrived))
    assert found == {"2025-03-08": Owed(Reason.MISSING, "eight")}


def test_a_source_that_cannot_be_watched_is_polled() -> None:
    assert all(each.polled for each in owed(source(), facts(holding({}))).values())
    assert not any(each.polled for each in owed(reader(), facts(holding({}))).values())


def test_what_others_demand_is_owed_whatever_its_age_if_it_exists() -> None:
    demanded = {"2025-02-27", "2025-03-01", "2025-03-10", "2025-03-11"}
    found = owed(source(), facts(holding({}), arrived={SOURCE: {}}), demanded)
    assert found == {"2025-03-01": Owed(Reason.MISSING, "", polled=True)}


def test_nothing_is_demanded_of_what_is_switched_off() -> None:
    rules = Rules.declared(Cadence.DAILY, SOURCE, enabled=False)
    assert owed(source(rules=rules), facts(holding({})), {"2025-03-05"}) == {}


def test_what_is_asked_for_by_name_is_owed_though_it_is_old_or_switched_off() -> None:
    rules = Rules.declared(Cadence.DAILY, SOURCE, enabled=False)
    arrived = {SOURCE: {"2025-03-01": Arrival("one", asked=True), "2025-03-02": Arrival("two", False, asked=True)}}
    books = holding({SOURCE: {"2025-03-02": "two"}})
    found = owed(source(rules=rules), facts(books, arrived=arrived))
    assert found == {"2025-03-01": Owed(Reason.ASKED, "one")}


def test_demands_are_the_inputs_that_are_not_there() -> None:
    books = holding({SOURCE: {"2025-03-05": "five"}})
    both = reader(lambda key: ["2025-03-05", key])
    assert list(demands(both, ["2025-03-06"], books)) == [(SOURCE, "2025-03-06")]


@pytest.mark.parametrize("digest", [combine(["nine"]), "nine"])
def test_a_digest_that_was_recorded_as_it_is_counts_as_well(digest: str) -> None:
    made = Made("out", {SOURCE: Read(("2025-03-09", "2025-03-09"), digest)})
    assert not is_outdated(SOURCE, made, holding({SOURCE: {"2025-03-09": "nine"}}))
    assert is_outdated(SOURCE, made, holding({SOURCE: {"2025-03-09": "another"}}))


def test_a_stretch_is_outdated_if_any_of_it_changed_or_is_gone() -> None:
    made = made_from("out", "eight", "nine", first="2025-03-08", last="2025-03-09")
    assert not is_outdated(SOURCE, made, holding({SOURCE: {"2025-03-08": "eight", "2025-03-09": "nine"}}))
    assert is_outdated(SOURCE, made, holding({SOURCE: {"2025-03-08": "eight", "2025-03-09": "other"}}))
    assert is_outdated(SOURCE, made, holding({SOURCE: {"2025-03-09": "nine"}}))
    # What lies outside the stretch does not count.
    more = {"2025-03-07": "new", "2025-03-08": "eight", "2025-03-09": "nine"}
    assert not is_outdated(SOURCE, made, holding({SOURCE: more}))


def test_what_was_made_before_an_input_was_declared_is_not_outdated() -> None:
    assert not is_outdated("snapshots/another", Made("out"), holding({}))


@pytest.mark.parametrize(("first", "expected"), [("2025-03-03", ["2025-03-03"]), ("2025-03-02", [])])
def test_only_what_lies_within_the_lookback_is_made_again(first: str, expected: list[str]) -> None:
    books = holding({SOURCE: {first: "new"}, READER: {first: made_from("out", "old", first=first)}})
    found = owed(reader(), facts(books))
    assert [key for key, each in found.items() if each.reason is Reason.INPUTS] == expected


def test_the_cause_follows_the_inputs_and_the_code() -> None:
    def cause(digest: str, code: str = "v1") -> str:
        return owed(reader(code=code), facts(holding({SOURCE: {"2025-03-09": digest}})))["2025-03-09"].cause

    assert cause("one") == cause("one")
    assert len({cause("one"), cause("two"), cause("one", "v2")}) == 3


def test_code_and_model_count_only_if_that_is_declared() -> None:
    made = replace(made_from("out", "nine", first="2025-03-09"), model="1")
    books = holding({SOURCE: {"2025-03-09": "nine"}, READER: {"2025-03-09": made}})
    now = facts(books, serving=lambda _, __: "2")

    def reason(*told: RerunOn) -> Reason | None:
        table = reader(rules=Rules.declared(Cadence.DAILY, READER, rerun_on=told), code="v2")
        found = owed(table, now).get("2025-03-09")
        return found and found.reason

    assert reason(RerunOn.INPUTS) is None
    assert reason(RerunOn.INPUTS, RerunOn.CODE) is Reason.CODE
    assert reason(RerunOn.MODEL) is Reason.MODEL


def test_a_register_makes_a_table_of_days_again_only_if_declared_and_one_without_days_always() -> None:
    read = Input("snapshots/register", lambda _: [""], Role.UNDATED)
    made = Made("out", {"snapshots/register": Read(None, combine(["old"]))}, "v1")
    books = holding({"snapshots/register": {"": "new"}, READER: {"2025-03-09": made, "": made}})
    days, whole = reader(inputs=(read,)), reader(inputs=(read,), calendar=None)
    assert "2025-03-09" not in owed(days, facts(books))
    told = Rules.declared(Cadence.DAILY, READER, rerun_on=[RerunOn.UNDATED_INPUTS])
    assert owed(replace(days, rules=told), facts(books))["2025-03-09"].reason is Reason.INPUTS
    assert owed(whole, facts(books))[""].reason is Reason.INPUTS


def test_a_register_that_changed_is_owed_once() -> None:
    books = holding({"snapshots/register": {"": "old"}})
    arrived = {"snapshots/register": {"": Arrival("token")}}
    assert owed(undated(), facts(books, arrived=arrived)) == {"": Owed(Reason.SOURCE, "token")}
    arrived = {"snapshots/register": {"": Arrival("token", changed=False)}}
    assert owed(undated(), facts(books, arrived=arrived)) == {}
