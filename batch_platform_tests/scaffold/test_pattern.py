"""The date in a path becomes the placeholder that the partition's own date fills in again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.partitions import Cadence, Calendar
from batch_platform.scaffold.pattern import pattern_of
from batch_platform.snapshots.file_pattern import expand
from batch_platform.snapshots.source_spec import SourceSpec


@pytest.mark.parametrize(
    ("path", "files", "day", "cadence"),
    [
        ("data/2025-01-05.csv", "data/{partition_key}.csv", date(2025, 1, 5), Cadence.DAILY),
        ("data/2025/01/05/a.csv", "data/{start:%Y/%m/%d}/a.csv", date(2025, 1, 5), Cadence.DAILY),
        ("data/x20250105.csv", "data/x{start:%Y%m%d}.csv", date(2025, 1, 5), Cadence.DAILY),
        ("d=2025-01-05/2025-01-05.csv", "d={partition_key}/{partition_key}.csv", date(2025, 1, 5), Cadence.DAILY),
        ("data/2025-02.csv", "data/{start:%Y-%m}.csv", date(2025, 2, 1), Cadence.MONTHLY),
        ("data/2025/02/a.csv", "data/{start:%Y/%m}/a.csv", date(2025, 2, 1), Cadence.MONTHLY),
        ("data/stations.csv", "data/stations.csv", None, None),
        ("data/2025-13-05.csv", "data/2025-13-05.csv", None, None),
        ("data/a{b}[1]*.csv", "data/a{{b}}[[]1][*].csv", None, None),
    ],
)
def test_the_date_in_a_path_is_found(path: str, files: str, day: date | None, cadence: Cadence | None) -> None:
    found = pattern_of(path, None)
    assert (found.files, found.day, found.cadence) == (files, day, cadence)


@given(
    day=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    form=st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"]),
    cadence=st.sampled_from([None, Cadence.DAILY, Cadence.HOURLY]),
    name=st.text("ab{}[]*?", max_size=6),
)
def test_the_pattern_means_the_path_it_was_made_from(day: date, form: str, cadence: Cadence | None, name: str) -> None:
    path = f"in/{name}x/{day.strftime(form)}.csv"
    found = pattern_of(path, cadence)
    SourceSpec(files=found.files)
    assert found.day == day and found.cadence is not None
    key = f"{day}-00:00" if cadence is Cadence.HOURLY else str(day)
    window = Calendar(found.cadence, key).window(key)
    from glob import escape

    assert expand(found.files, key, window, quote=escape) == str(Path(escape(path)))
