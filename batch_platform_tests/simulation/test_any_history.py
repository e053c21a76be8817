"""Whatever happens in whatever order: what must hold of every history, found by hypothesis."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform_tests.simulation.days import days_from, running_shop
from batch_platform_tests.simulation.history import Place
from batch_platform_tests.simulation.shop import CUSTOMERS, ORDERS, REGISTER, SCORES, Shop
from batch_platform_tests.simulation.stages import MALFORMED, File
from batch_platform_tests.simulation.world import World

KINDS = ("correct", "malform", "rewrite", "break", "kill", "daemon", "lake", "forget", "unsaved", "register", "by hand")
DAYS = days_from("2025-02-24", 18)
FROZEN = "2025-02-28"


@dataclass(frozen=True)
class Event:
    """Something that happens some minutes after noon of the 10th."""

    kind: str
    minute: int
    day: str
    lasts: int


EVENTS = st.lists(
    st.builds(Event, st.sampled_from(KINDS), st.integers(0, 3000), st.sampled_from(DAYS), st.integers(1, 600)),
    max_size=12,
)


def disturb(world: World, number: int, event: Event) -> None:
    """Let an event happen, and end if it is one that ends."""
    begin = world.now + timedelta(minutes=event.minute, seconds=7 * number)
    end = begin + timedelta(minutes=event.lasts)
    place = ((CUSTOMERS, SCORES)[number % 2], event.day)
    if event.kind in ("correct", "malform") and event.day < "2025-03-10":
        file = File(f"version {number}") if event.kind == "correct" else MALFORMED
        world.at(begin, lambda: world.put(ORDERS, event.day, file))
        world.at(end, lambda: world.put(ORDERS, event.day, File(f"good {number}")))
    elif event.kind == "rewrite" and event.day < "2025-03-10":
        world.at(begin, lambda: world.put(ORDERS, event.day, world.files[ORDERS][event.day]))
    elif event.kind == "break":
        world.at(begin, lambda: world.broken.add(place))
        world.at(end, lambda: world.broken.discard(place))
    elif event.kind == "kill":
        world.at(begin, lambda: world.kill(world.runs[-1]) if world.runs else None)
    elif event.kind in ("daemon", "lake", "unsaved"):
        name = {"daemon": "daemon_up", "lake": "lake_up", "unsaved": "saves_cursor"}[event.kind]
        world.at(begin, lambda: setattr(world, name, False))
        world.at(end, lambda: setattr(world, name, True))
    elif event.kind == "forget":
        world.at(begin, lambda: setattr(world, "cursor", None))
    elif event.kind == "register":
        world.at(begin, lambda: world.put(REGISTER, "", File(f"register {number}")))
    elif event.kind == "by hand":
        world.at(begin, lambda: world.launch((CUSTOMERS,), event.day))


def overlaps(world: World) -> list[Place]:
    """The partitions that two runs of the daemon were to make at the same time."""
    found = []
    ends: dict[Place, float] = {}
    for run in sorted(world.runs, key=lambda run: run.asked):
        assert run.ended is not None
        for place in run.places:
            if run.identity and run.asked.timestamp() < ends.get(place, 0.0):
                found.append(place)
            ends[place] = max(ends.get(place, 0.0), run.ended.timestamp())
    return found


@pytest.mark.slow
@settings(max_examples=60)
@given(EVENTS)
def test_a_world_that_comes_to_rest_is_as_it_should_be(events: list[Event]) -> None:
    world = running_shop(Shop(), days=6)
    before = {table: dict(world.books.tables[table]) for table in (CUSTOMERS, SCORES)}
    for number, event in enumerate(events):
        disturb(world, number, event)
    world.until("2025-03-13 16:00")
    world.broken.clear()
    # Somebody looks after what was given up: the memory of it is put aside.
    world.cursor = None
    world.until("2025-03-14 16:00")
    assert world.decision is not None

    assert not any(world.decision.owed.values())
    for table in (CUSTOMERS, SCORES):
        assert not world.outdated(table)
        assert set(days_from("2025-03-08", 7)) <= set(world.books.live(table))
    assert overlaps(world) == []

    by_hand = {place for run in world.runs if not run.identity for place in run.places}
    for table, held in before.items():
        frozen = [key for key in held if key < "2025-03-04" and (CUSTOMERS, key) not in by_hand]
        assert all(world.books.tables[table][key] == held[key] for key in frozen)

    identities = Counter(run.identity for run in world.runs if run.identity)
    assert max(identities.values(), default=1) == 1
    ordinary = 5 * 4
    forgotten = 1 + sum(event.kind in ("forget", "unsaved", "lake") for event in events)
    # Each change may reach three tables, today's and the older days by themselves, and each has its attempts.
    assert len(world.runs) <= ordinary + (2 * len(events) + 1) * 3 * 2 * 4 * forgotten
