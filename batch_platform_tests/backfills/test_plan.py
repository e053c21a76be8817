"""A plan as a whole: its states, runs, versions, effort and risks, and that running it leaves nothing to do."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.backfills.plan import BackfillPlan, plan
from batch_platform.backfills.report import as_json
from batch_platform.backfills.risks import FAILS, RiskKind
from batch_platform.backfills.states import State
from batch_platform.backfills.stretch import Stretch
from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Offset
from batch_platform.schedules.facts import Facts, Made
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.slo import Slo
from batch_platform_tests.backfills.simulated import (
    CLICKS,
    DAYS,
    FEATURES,
    MODEL,
    ORDERS,
    PREDICTIONS,
    STATIONS,
    WEEKLY,
    Holdings,
    tables,
)

TABLES = tables()


def planned(
    holdings: Holdings, names: str, text: str, declared: tuple[Scheduled, ...] = TABLES, **more: bool
) -> BackfillPlan:
    return plan(declared, names.split(), Stretch.parse(text), holdings.facts(), **more)


@cache
def _built(text: str) -> Holdings:
    holdings = Holdings()
    assert not holdings.run(TABLES, planned(holdings, f"+{PREDICTIONS}", text).making)
    return holdings


def built(text: str = "2025-05-01..2025-05-20") -> Holdings:
    """A deployment in which everything that these predictions need has been made."""
    return _built(text).copy()


def states(found: BackfillPlan, table: str) -> Counter[State]:
    return next(own.counts for own in found.tables if own.table == table)


def kinds(found: BackfillPlan) -> set[RiskKind]:
    return {risk.kind for risk in found.risks}


def test_a_fresh_project_is_built_in_one_go() -> None:
    holdings = Holdings()
    first = planned(holdings, f"+{PREDICTIONS}", "2025-05-01..2025-05-20")
    assert not kinds(first) & FAILS
    assert not holdings.run(TABLES, first.making)
    again = planned(holdings, f"+{PREDICTIONS}", "2025-05-01..2025-05-20")
    assert again.partitions == 0 and not again.runs and not again.risks
    assert states(again, PREDICTIONS) == {State.VALID: 20}


def test_one_bad_day_takes_that_day_and_what_reads_it() -> None:
    holdings = built()
    del holdings.made_of[FEATURES]["2025-05-07"], holdings.made_of[PREDICTIONS]["2025-05-07"]
    holdings.failed |= {(FEATURES, "2025-05-07")}
    found = planned(holdings, f"{FEATURES} {PREDICTIONS}", "2025-05-01..2025-05-20")
    assert found.making == {FEATURES: ("2025-05-07",), PREDICTIONS: ("2025-05-07",)}
    assert states(found, FEATURES)[State.FAILED] == 1 and states(found, PREDICTIONS)[State.MISSING] == 1


def test_a_day_made_again_takes_along_what_rolls_over_it() -> None:
    holdings = built()
    del holdings.made_of[ORDERS]["2025-05-07"]
    found = planned(holdings, "*", "2025-05-01..2025-05-20")
    assert found.making[ORDERS] == ("2025-05-07",)
    assert found.making[FEATURES] == ("2025-05-07", "2025-05-08", "2025-05-09") == found.making[PREDICTIONS]
    # What was made of these days without the missing one says so itself; the others follow what is made again.
    assert set(states(found, PREDICTIONS)) == {State.VALID, State.FOLLOWS}
    assert MODEL not in found.making, "a version once trained is not trained again"


def test_changed_code_and_changed_inputs_are_outdated_whatever_the_schedule_says() -> None:
    holdings = built()
    found = planned(holdings, FEATURES, "2025-05-01..2025-05-20", tables("two"))
    assert states(found, FEATURES) == {State.CODE: 20}
    holdings.make(TABLES[0], "")
    assert states(planned(holdings, FEATURES, "2025-05-01..2025-05-20"), FEATURES) == {State.INPUTS: 20}


def test_running_partitions_are_left_out_and_told() -> None:
    holdings = Holdings()
    facts = holdings.facts(running={ORDERS: {"2025-05-02"}}, requested={ORDERS: {"2025-05-03"}})
    found = plan(TABLES, [ORDERS], Stretch.parse("2025-05-01..2025-05-04"), facts)
    assert found.making == {ORDERS: ("2025-05-01", "2025-05-04")}
    assert kinds(found) == {RiskKind.RUNNING}
    whole = plan(TABLES, [ORDERS], Stretch.parse("2025-05-01..2025-05-04"), facts, everything=True)
    assert whole.making == found.making


def test_everything_again_if_asked_for() -> None:
    found = planned(built(), PREDICTIONS, "2025-05-01..2025-05-20", everything=True)
    assert len(found.making[PREDICTIONS]) == 20 and states(found, PREDICTIONS) == {State.VALID: 20}


def test_runs_come_in_the_order_of_what_they_need() -> None:
    found = planned(Holdings(), f"+{PREDICTIONS}", "2025-05-01..2025-05-20")
    waves = {table: run.wave for run in found.runs for table in run.tables}
    assert waves == {STATIONS: 0, ORDERS: 0, CLICKS: 0, FEATURES: 1, MODEL: 2, PREDICTIONS: 3}
    without_model = planned(built(), f"{FEATURES} {PREDICTIONS}", "2025-05-01..2025-05-20", everything=True)
    assert [(run.tables, run.partitions) for run in without_model.runs] == [((FEATURES, PREDICTIONS), 20)]


def test_inputs_that_are_missing_and_not_part_of_it_are_told() -> None:
    found = planned(Holdings(), FEATURES, "2025-05-01..2025-05-20")
    missing = [risk for risk in found.risks if risk.kind is RiskKind.INPUT_MISSING]
    assert {risk.text.split(" of ")[1].split()[0] for risk in missing} == {STATIONS, ORDERS, CLICKS}
    assert "2025-04-29 to 2025-05-20" in next(risk.text for risk in missing if ORDERS in risk.text)


def test_versions_are_told_stretch_by_stretch() -> None:
    holdings = built("2025-04-20..2025-05-20")
    found = planned(holdings, PREDICTIONS, "2025-04-20..2025-05-20", everything=True)
    assert [(use.window, use.first, use.last, use.partitions) for use in found.versions] == [
        ("2025-04-01", "2025-04-20", "2025-04-30", 11),
        ("2025-05-01", "2025-05-01", "2025-05-20", 20),
    ]
    del holdings.made_of[MODEL]["2025-05-01"]
    trained = planned(holdings, f"{MODEL} {PREDICTIONS}", "2025-04-20..2025-05-20")
    assert trained.versions[-1].trained and trained.making[PREDICTIONS][0] == "2025-05-01"
    assert RiskKind.NOT_PROMOTED in kinds(trained)
    holdings.made_of[MODEL].clear()
    assert RiskKind.NO_MODEL in kinds(planned(holdings, PREDICTIONS, "2025-05", everything=True))


def test_a_version_that_was_not_promoted_is_told() -> None:
    holdings = built("2025-04-20..2025-05-20")
    april = holdings.made_of[MODEL]["2025-04-01"].model
    facts = replace(holdings.facts(), serving=lambda _, __: april)
    found = plan(TABLES, [PREDICTIONS], Stretch.parse("2025-05"), facts, everything=True)
    risk = next(risk for risk in found.risks if risk.kind is RiskKind.NOT_PROMOTED)
    assert "(window 2025-05-01) is not promoted" in risk.text and f"version {april} scores" in risk.text


def test_frozen_predictions_that_another_version_would_score_are_told() -> None:
    holdings = built("2025-05-01..2025-05-20")
    facts: Facts = replace(holdings.facts(), serving=lambda _, __: "99")
    found = plan(TABLES, [PREDICTIONS], Stretch.parse("2025-05"), facts)
    assert states(found, PREDICTIONS)[State.MODEL] == 20
    risk = next(risk for risk in found.risks if risk.kind is RiskKind.RESCORED)
    assert risk.partitions == 20 and "scored by 99" in risk.text


def test_a_deadline_within_the_backfill_is_told() -> None:
    due = Slo(Offset.parse("+1d 12:01"))
    declared = tuple(replace(table, slo=due) if table.table == PREDICTIONS else table for table in TABLES)
    found = planned(Holdings(), f"+{PREDICTIONS}", "2025-05-01..2025-05-20", declared)
    assert found.elapsed >= 120
    risks = [risk for risk in found.risks if risk.kind is RiskKind.DEADLINE]
    assert [risk.first for risk in risks] == ["2025-06-14"]


def test_effort_follows_from_rows_and_from_what_the_newest_partitions_took() -> None:
    holdings = built()
    for key in ("2025-05-03", "2025-05-04"):
        holdings.made_of[FEATURES][key] = replace(holdings.made_of[FEATURES][key], rows=500)
        del holdings.made_of[PREDICTIONS][key]
    facts = holdings.facts(seconds={MODEL: 75.0})
    found = plan(TABLES, [PREDICTIONS], Stretch.parse("2025-05-01..2025-05-20"), facts, start_seconds=8)
    own = found.tables[0]
    assert (own.rows, own.seconds, own.dollars) == (1000, pytest.approx(20), pytest.approx(0.01))
    assert found.seconds == pytest.approx(28) and found.elapsed == pytest.approx(58)
    fresh = plan(TABLES, [MODEL], Stretch.parse("2025-06"), Holdings().facts(seconds={MODEL: 75.0}))
    assert fresh.tables[0].seconds == 75 and fresh.tables[0].rows is None


def test_a_range_without_partitions_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no partition of predictions/orders begins in 2019"):
        planned(Holdings(), PREDICTIONS, "2019")


def test_the_plan_is_plain_json() -> None:
    found = json.loads(json.dumps(as_json(planned(Holdings(), f"+{PREDICTIONS}", "2025-05-01..2025-05-03"))))
    own = next(table for table in found["tables"] if table["table"] == PREDICTIONS)
    assert own["states"] == {"missing": 3} and own["make"] == ["2025-05-01", "2025-05-02", "2025-05-03"]
    assert found["partitions"] == sum(len(table["make"]) for table in found["tables"])


SOME_DAYS = st.sets(st.sampled_from(DAYS.keys_between("2025-04-28", "2025-05-20")), max_size=5)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    names=st.sampled_from(
        ["*", f"+{PREDICTIONS}", f"{FEATURES}+", f"+{FEATURES} {PREDICTIONS}", f"+{WEEKLY}", "orders"]
    ),
    lost=st.fixed_dictionaries({ORDERS: SOME_DAYS, FEATURES: SOME_DAYS, PREDICTIONS: SOME_DAYS}),
    failed=SOME_DAYS,
    untrained=st.booleans(),
    recaptured=SOME_DAYS,
    code=st.sampled_from(["one", "two"]),
    everything=st.booleans(),
)
def test_states_add_up_and_running_the_plan_leaves_nothing_to_do(
    names: str,
    lost: dict[str, set[str]],
    failed: set[str],
    untrained: bool,
    recaptured: set[str],
    code: str,
    everything: bool,
) -> None:
    holdings = built()
    declared = tables(code)
    for table, keys in lost.items():
        for key in keys:
            holdings.made_of[table].pop(key, None)
    if untrained:
        holdings.made_of[MODEL].clear()
    for key in recaptured:
        holdings.make(declared[1], key)
    holdings.failed |= {(FEATURES, key) for key in failed}

    found = planned(holdings, names, "2025-05-01..2025-05-20", declared, everything=everything)
    for own in found.tables:
        assert sum(own.counts.values()) == len(own.states)
        assert set(own.making) <= set(own.states)
        skipped = own.counts[State.RUNNING] + (0 if everything else own.counts[State.VALID])
        assert len(own.making) == len(own.states) - skipped
    assert sum(run.partitions * len(run.tables) for run in found.runs) == found.partitions

    unsaid = holdings.run(declared, found.making)
    if not kinds(found) & FAILS:
        assert not unsaid, "whatever fails for a reason known before is told"
    again = planned(holdings, names, "2025-05-01..2025-05-20", declared)
    left = {(own.table, key) for own in again.tables for key in own.making if own.states[key] is not State.FOLLOWS}
    assert left <= unsaid
    assert unsaid or not again.partitions


def test_a_model_registered_without_a_record_counts_as_there() -> None:
    holdings = built()
    holdings.made_of[MODEL]["2025-06-01"] = Made("pinned", model="7")
    assert planned(holdings, MODEL, "2025-06").partitions == 0
