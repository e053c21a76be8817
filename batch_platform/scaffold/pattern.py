"""From the path of one file to the pattern of all: the date in it becomes a placeholder.

Belongs here: paths and dates. Does not belong here: reading files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from glob import escape

from batch_platform.partitions import Cadence

_DATES = (
    (re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)"), "{partition_key}", "{start:%Y-%m-%d}"),
    (re.compile(r"(?<!\d)(\d{4})/(\d{2})/(\d{2})(?!\d)"), "{start:%Y/%m/%d}", "{start:%Y/%m/%d}"),
    (re.compile(r"(?<!\d)(\d{4})(\d{2})(\d{2})(?!\d)"), "{start:%Y%m%d}", "{start:%Y%m%d}"),
    (re.compile(r"(?<!\d)(\d{4})-(\d{2})(?![\d-])"), "{start:%Y-%m}", "{start:%Y-%m}"),
    (re.compile(r"(?<!\d)(\d{4})/(\d{2})(?!\d)"), "{start:%Y/%m}", "{start:%Y/%m}"),
)


@dataclass(frozen=True)
class Pattern:
    """The files of which one was shown.

    Attributes:
        files: the `files:` of a source.
        day: the date in the path; None if there is none.
        cadence: how often such a file comes: daily where the path names a day, monthly where it names a month.
    """

    files: str
    day: date | None
    cadence: Cadence | None


def pattern_of(path: str, cadence: Cadence | None) -> Pattern:
    """The pattern of a path; a date that stands in it again, after the first, is replaced, too."""
    for form, key, start in _DATES:
        for match in form.finditer(path):
            year, month, *days = (int(number) for number in match.groups())
            try:
                day = date(year, month, days[0] if days else 1)
            except ValueError:
                continue
            found = cadence or (Cadence.DAILY if days else Cadence.MONTHLY)
            placeholder = start if found is Cadence.HOURLY else key
            pieces = [_literal(piece) for piece in path.split(match[0])]
            return Pattern(placeholder.join(pieces), day, found)
    return Pattern(_literal(path), None, cadence)


def _literal(text: str) -> str:
    return escape(text).replace("{", "{{").replace("}", "}}")
