"""The memory of attempts: pauses, counting, and texts that are none."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.schedules.memory import Memory, Tried, from_text, to_text, tried_again

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
PLACES = st.tuples(st.text(max_size=9), st.text(max_size=9))
MOMENTS = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(
    st.builds(
        Memory,
        st.dictionaries(PLACES, st.builds(Tried, st.text(max_size=9), st.integers(1, 99), MOMENTS), max_size=9),
        st.integers(1, 4 * 10**9),
    )
)
def test_a_memory_outlasts_its_text(memory: Memory) -> None:
    assert from_text(to_text(memory)) == memory


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[]",
        "7",
        "null",
        '"text"',
        "{}",
        '{"format":1,"tried":[]}',
        '{"format":2}',
        '{"format":2,"begun":1,"tried":7}',
        '{"format":2,"begun":1,"tried":[["table"]]}',
        '{"format":2,"begun":1,"tried":[["table","key","cause","many",0]]}',
        '{"format":2,"begun":1,"tried":[["table","key","cause",1,1e30]]}',
        '{"format":2,"begun":1,"tried":[["table","key","cause",1,NaN]]}',
        '{"format":2,"begun":"soon","tried":[]}',
        "[" * 100_000,
    ],
)
def test_a_text_that_is_no_memory_is_an_empty_one(text: str | None) -> None:
    assert from_text(text) == Memory()


def test_pauses_grow_from_a_minute_to_an_hour() -> None:
    pauses = [Tried("cause", attempts, NOW).next_at - NOW for attempts in range(1, 8)]
    assert pauses == [timedelta(minutes=minutes) for minutes in (1, 4, 16, 60, 60, 60, 60)]
    assert Tried("cause", 10**9, NOW).next_at == NOW + timedelta(hours=1)


def test_attempts_are_counted_for_one_cause() -> None:
    place = ("table", "key")
    memory = Memory({place: tried_again(Memory(), place, "one", NOW)})
    assert memory.tried[place].attempts == 1
    assert tried_again(memory, place, "one", NOW).attempts == 2
    assert tried_again(memory, place, "another", NOW).attempts == 1


def test_the_text_of_a_thousand_attempts_is_small() -> None:
    tried = {("predictions/churn", f"{day}"): Tried("0123456789ab", 4, NOW) for day in range(1000)}
    assert len(to_text(Memory(tried, 1))) < 100_000
    assert json.loads(to_text(Memory(tried, 1)))["begun"] == 1
