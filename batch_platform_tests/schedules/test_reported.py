"""Only what has changed is reported again, the worst first, and nothing is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.schedules.freshness import PartitionFreshness, State
from batch_platform.schedules.reported import Reported, mark_of, news

DUE = datetime(2026, 3, 6, 9, tzinfo=UTC)


def told(key: str, state: State = State.FRESH, **known: object) -> PartitionFreshness:
    """A judged partition."""
    return replace(PartitionFreshness("features/a", key, state, DUE, root=("features/a", key)), **known)  # type: ignore[arg-type]


KEYS = st.integers(1, 28).map(lambda day: f"2026-03-{day:02}")
LOOKS = st.dictionaries(KEYS, st.sampled_from(State), max_size=12)


@given(st.lists(LOOKS, min_size=1, max_size=6), st.integers(1, 30))
def test_what_was_reported_last_is_what_is_the_case_once_nothing_is_left_to_report(
    looks: list[dict[str, State]], most: int
) -> None:
    reported, last = Reported(), dict[str, State]()
    for look in looks:
        found = [told(key, state) for key, state in look.items()]
        while True:
            chosen, reported = news(found, reported, most)
            assert len(chosen) <= most
            last |= {each.partition: each.state for each in chosen}
            if not chosen:
                break
            reported = Reported.from_text(reported.to_text())
        assert {key: last[key] for key in look} == look
        assert {key for _, key in reported.marks} == set(look)
        assert {key for _, key in reported.late} == {key for key, state in look.items() if state is State.OVERDUE}


def test_the_worst_comes_first() -> None:
    found = [told("1", State.FRESH), told("2", State.OVERDUE), told("3", State.WARNED)]
    assert [each.partition for each in news(found, Reported(), 2)[0]] == ["2", "3"]


@pytest.mark.parametrize(
    ("change", "is_news"),
    [
        ({"text": "tried again at another time"}, False),
        ({"by": timedelta(minutes=50)}, False),
        ({"by": timedelta(minutes=70)}, True),
        ({"kind": "another error"}, True),
        ({"root": ("snapshots/b", "1")}, True),
        ({"run_id": "another"}, True),
        ({"state": State.WARNED}, True),
    ],
)
def test_what_is_news(change: dict[str, object], is_news: bool) -> None:
    before = told("1", State.OVERDUE, by=timedelta(minutes=10), kind="an error")
    assert (mark_of(replace(before, **change)) != mark_of(before)) == is_news  # type: ignore[arg-type]


def test_after_days_only_another_day_is_news() -> None:
    marks = {mark_of(told("1", State.OVERDUE, by=timedelta(days=2, hours=hours))) for hours in range(24)}
    assert len(marks) == 1


def test_what_is_doubted_is_reported_again_and_stays_known_as_late() -> None:
    found = [told("1", State.OVERDUE), told("2")]
    _, reported = news(found, Reported(), 10)
    doubted = reported.doubting([("features/a", "1"), ("features/a", "3")])
    assert doubted.late == [("features/a", "1")]
    assert [each.partition for each in news(found, doubted, 10)[0]] == ["1"]


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"format": 2}', '{"format": 1}', '{"format": 1, "marks": [1]}'])
def test_a_text_that_is_none_of_ours_is_nothing(text: str | None) -> None:
    assert Reported.from_text(text) == Reported()


def test_what_is_remembered_as_late_stays_short() -> None:
    marks = {("features/a", f"{number:05}"): "overdue:x" for number in range(2000)}
    assert Reported(marks).late[0] == ("features/a", "01500")
