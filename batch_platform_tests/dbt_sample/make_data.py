"""The shop's seeds and raw file, made from a fixed seed; `python make_data.py` writes them anew, byte for byte.

Belongs here: what the shop sold. Does not belong here: what dbt makes of it (`make_golden.py`).
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent
SEEDS, RAW, SECOND = HERE / "shop" / "seeds", HERE / "shop" / "raw", HERE / "second" / "seeds"
FIRST_DAY = datetime(2025, 1, 1)
METHODS = ("card", "bank_transfer", "voucher", "gift_card")

Row = Sequence[object]


def main() -> None:
    """Write every file, for the first generation and for the second."""
    chance = random.Random(20250101)
    _write(SEEDS / "reference" / "country_codes.csv", ["country_code", "country", "is_eu"], _countries())
    _write(
        SEEDS / "raw_products.csv", ["sku", "name", "category", "price", "weight_kg", "is_active"], _products(chance)
    )
    names = ["customer_id", "first_name", "last_name", "email", "birth_date", "country_code", "is_subscribed", "note"]
    _write(SEEDS / "raw_customers.csv", names, _customers(chance))
    names = ["session_id", "customer_id", "device", "started_at", "page_count", "seconds", "is_member"]
    _write(RAW / "web_sessions.csv", names, _sessions(chance))
    orders = _orders(chance, 1, 240, 0)
    payments = _payments(chance, orders, 1)
    _write_orders(SEEDS, orders, payments)
    # Later, orders have moved on, and there are new ones, some of which are older than the newest of the first.
    moved = [
        [*row[:5], {"placed": "shipped", "shipped": "completed"}.get(str(row[5]), row[5]), row[6]] for row in orders
    ]
    new = _orders(chance, 241, 60, 59)
    _write_orders(SECOND, [*moved, *new], [*payments, *_payments(chance, new, len(payments) + 1)])


def _write_orders(folder: Path, orders: Sequence[Row], payments: Sequence[Row]) -> None:
    names = ["order_id", "customer_id", "sku", "quantity", "ordered_at", "status", "discount_rate"]
    _write(folder / "raw_orders.csv", names, orders)
    _write(folder / "raw_payments.csv", ["payment_id", "order_id", "method", "amount_cents", "paid_on"], payments)


def _write(path: Path, header: Sequence[str], rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _countries() -> list[Row]:
    return [
        ["AT", "Austria", "true"],
        ["CH", "Switzerland", "false"],
        ["DE", "Germany", "true"],
        ["FR", "France", "true"],
        ["GB", "United Kingdom", "false"],
        ["NO", "Norway", "false"],
        ["NA", "Namibia", "false"],
    ]


def _products(chance: random.Random) -> list[Row]:
    kinds = ("Chair", "Desk", 'Lamp, 12"', "Shelf", "Crème stool")
    return [
        [
            f"{number:05}",
            f"{kinds[number % 5]} {number}",
            ("seating", "office", "light", "storage", "")[number % 5],
            Decimal(chance.randint(500, 40000)) / 100,
            "" if number % 9 == 0 else round(chance.uniform(0.2, 30), 3),
            "true" if number % 7 else "false",
        ]
        for number in range(1, 41)
    ]


def _customers(chance: random.Random) -> list[Row]:
    first = ("Ann", "José", "Zoë", "Omar", "  Lee ", "Mia", 'Jo "JJ"')
    last = ("O'Brien", "Smith, Jr.", "Müller", "Ødegård", "de la Cruz", "Null")
    notes = ("", "", "", "prefers mail", "two\nlines", 'says "hello", twice', "it's fine")
    return [
        [
            number,
            first[number % 7],
            last[number % 6],
            "" if number % 11 == 0 else f"customer.{number}@Example.com",
            "" if number % 8 == 0 else date(1950, 1, 1) + timedelta(days=chance.randint(0, 20000)),
            ("DE", "FR", "AT", "CH", "GB", "NO", "NA")[chance.randint(0, 6)],
            ("true", "false", "")[number % 3],
            notes[chance.randint(0, 6)],
        ]
        for number in range(1, 121)
    ]


def _sessions(chance: random.Random) -> list[Row]:
    return [
        [
            number,
            "" if number % 6 == 0 else chance.randint(1, 120),
            ("phone", "desktop", "tablet")[chance.randint(0, 2)],
            FIRST_DAY + timedelta(seconds=chance.randint(0, 60 * 86400)),
            chance.randint(1, 40),
            round(chance.uniform(1, 1800), 2),
            ("true", "false")[chance.randint(0, 1)],
        ]
        for number in range(1, 301)
    ]


def _orders(chance: random.Random, first: int, count: int, after_days: int) -> list[Row]:
    statuses = ("placed", "shipped", "completed", "completed", "returned")
    # Six hours apart, so that no two orders have one time.
    return [
        [
            first + place,
            chance.randint(1, 110) if chance.random() < 0.5 else chance.randint(1, 4),
            f"{chance.randint(1, 40):05}",
            chance.randint(1, 5),
            FIRST_DAY + timedelta(days=after_days, hours=6 * place, minutes=chance.randint(0, 359)),
            statuses[chance.randint(0, 4)],
            "" if chance.random() < 0.5 else chance.choice((0.05, 0.1, 0.15, 0.333)),
        ]
        for place in range(count)
    ]


def _payments(chance: random.Random, orders: Sequence[Row], first: int) -> list[Row]:
    found: list[Row] = []
    for row in orders:
        for _ in range(chance.choice((0, 1, 1, 1, 2))):
            ordered = row[4]
            assert isinstance(ordered, datetime)
            paid = "" if chance.random() < 0.1 else (ordered + timedelta(days=chance.randint(0, 9))).date()
            found.append([first + len(found), row[0], chance.choice(METHODS), chance.randint(100, 90000), paid])
    return found


if __name__ == "__main__":
    main()
