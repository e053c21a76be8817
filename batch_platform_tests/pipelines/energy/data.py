"""The meters' hourly files and the weeks' tariffs, as a grid operator would drop them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
METERS = (1, 2, 3, 4)


def hours_of(day: str) -> list[datetime]:
    """The moments, in UTC, at which the hours of a local day begin: 23, 24 or 25 of them."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZONE)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=ZONE)
    first, last = start.astimezone(UTC), end.astimezone(UTC)
    return [first + timedelta(hours=n) for n in range(int((last - first) / timedelta(hours=1)))]


def write_readings(root: Path, days: Sequence[str], absent: Sequence[tuple[int, str]] = ()) -> None:
    """A file for each hour of each day; a meter is silent on a day in `absent`."""
    for day in days:
        folder = root / "data" / "readings" / day
        folder.mkdir(parents=True, exist_ok=True)
        for moment in hours_of(day):
            chance = random.Random(moment.isoformat())
            lines = [
                json.dumps(
                    {"meter_id": meter, "kilowatt_hours": chance.uniform(0, 2), "measured_at": moment.isoformat()}
                )
                for meter in METERS
                if (meter, day) not in absent
            ]
            local = moment.astimezone(ZONE)
            (folder / f"{local:%H%z}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def write_tariffs(root: Path, weeks: Sequence[str]) -> None:
    """A file for each week."""
    (root / "data" / "tariffs").mkdir(parents=True, exist_ok=True)
    for number, week in enumerate(weeks):
        text = f"tariff,cents_per_kilowatt_hour\nday,{30 + number}.50\nnight,{20 + number}.25\n"
        (root / "data" / "tariffs" / f"{week}.csv").write_text(text)
