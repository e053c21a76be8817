"""Where something is wrong, as messages show it.

Belongs here: the one spelling of a table's partition. Does not belong here: what a key may be (`calendar.py`).
"""

from __future__ import annotations


def place(table: str, key: str) -> str:
    """A partition as messages show it: `features/flights[2025-01-06]`; without a key, the table itself."""
    return f"{table}[{key}]" if key else table
