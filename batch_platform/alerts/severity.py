"""How urgent an alert is."""

from __future__ import annotations

from enum import IntEnum


class Severity(IntEnum):
    """What somebody has to do about it: `PAGE` now, at any hour; `TICKET` in working hours; `NOTICE` nothing yet."""

    NOTICE = 1
    TICKET = 2
    PAGE = 3

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def urgent(cls, critical: bool) -> Severity:
        """What a missed objective is worth: a page for a critical table, else a ticket."""
        return cls.PAGE if critical else cls.TICKET
