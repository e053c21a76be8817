"""A shop that has run for a while, with sources that deliver as they should, for scenarios to disturb."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from batch_platform_tests.simulation.shop import CLICKS, ORDERS, REGISTER, Shop
from batch_platform_tests.simulation.stages import File
from batch_platform_tests.simulation.world import World

NOON = "2025-03-10 12:00"


def running_shop(
    shop: Shop | None = None,
    begin: str = NOON,
    *,
    days: int = 40,
    without: Collection[str] = (),
) -> World:
    """A shop whose tables hold everything, and whose sources deliver for so many days more.

    Args:
        shop: what is declared.
        begin: the moment, on the local wall clock.
        days: how long the sources deliver by themselves: orders of a day at 01:45 of the next, clicks 30 minutes late.
        without: days whose orders do not come by themselves.
    """
    shop = shop or Shop()
    tables = shop.tables()
    world = World(tables, datetime.fromisoformat(begin).replace(tzinfo=ZoneInfo(shop.zone)), shop.zone)
    world.files[REGISTER][""] = File("the register")
    for name in (ORDERS, CLICKS):
        if name not in tables:
            continue
        calendar = tables[name].calendar
        assert calendar is not None
        last = calendar.key_at(world.now + timedelta(days=days))
        for key in calendar.keys_between(calendar.first, last):
            end = calendar.start_of(calendar.shift(key, 1)).astimezone(UTC)
            comes = end + (timedelta(minutes=105) if name == ORDERS else timedelta(minutes=30))
            if comes <= world.now:
                world.files[name][key] = File(f"{name} of {key}")
            elif key not in without:
                world.at(comes, lambda name=name, key=key: world.put(name, key, File(f"{name} of {key}")))  # type: ignore[misc]
    world.settle()
    return world


def days_from(first: str, count: int) -> list[str]:
    """Keys of consecutive days."""
    return [f"{datetime.fromisoformat(first) + timedelta(days=step):%Y-%m-%d}" for step in range(count)]
