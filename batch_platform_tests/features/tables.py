"""A small feature table over two snapshots, which the tests of building and checking share.

A day's features see the day's own `flights` and the `outcomes` of the 3 newest days known on the evening before:
those from 4 to 2 days back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from batch_platform.errors import BatchPlatformError
from batch_platform.features.build import build
from batch_platform.features.definition import FeatureTable
from batch_platform.features.pieces import Piece, Shown
from batch_platform.features.quarantine import Tolerance
from batch_platform.features.query import Failed
from batch_platform.features.sandbox import Sandbox
from batch_platform.lake.provenance import METADATA_KEY, Provenance
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import PartitionOutcome, Run
from batch_platform.partitions import Cadence, Calendar, Offset, Window
from batch_platform.snapshots.capture import Snapshot, capture
from batch_platform.snapshots.sources import Extract, SourceFile
from batch_platform.sql.model import load_model
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Timeline, reading
from batch_platform_tests.contracts.declared import load_contracts

CALENDAR = Calendar(Cadence.DAILY, "2025-01-06")
DAYS = CALENDAR.keys_between("2025-01-06", "2025-01-15")
RUN = Run("a-run")
KNOWN_AT = Offset.parse("-1d 18:00")
FLIGHTS, OUTCOMES, FEATURES, QUARANTINE = (
    "snapshots/flights",
    "snapshots/outcomes",
    "features/flight_delays",
    "quarantine/flight_delays",
)
TIMELINES = {
    FLIGHTS: Timeline(FLIGHTS, CALENDAR, Offset.parse("-1d 12:00")),
    OUTCOMES: Timeline(OUTCOMES, CALENDAR, Offset.parse("+1d 12:00")),
    "snapshots/airports": Timeline("snapshots/airports", None, None),
}

SQL = """\
{{ config(key=['flight'], lookback={'outcomes': 3}) }}
SELECT
    flights.flight,
    flights.distance_miles,
    CAST(coalesce(sum(flown.delay_minutes), 0) AS BIGINT) AS delay_3_days_minutes,
    count(flown.flight) AS flown_3_days_count,
    flights._source_file,
    flights._source_row
FROM {{ source('snapshots', 'flights') }} AS flights
LEFT JOIN {{ source('snapshots', 'outcomes') }} AS flown USING (flight)
GROUP BY ALL
ORDER BY flight
"""

CONTRACT = """\
models:
  - name: flight_delays
    description: One row per flight of the day.
    columns:
      - {name: flight, data_type: VARCHAR, meta: {role: key}, data_tests: [not_null]}
      - {name: distance_miles, data_type: BIGINT, data_tests: [{range: {min: 1, max: 5000}}]}
      - {name: delay_3_days_minutes, data_type: BIGINT}
      - {name: flown_3_days_count, data_type: BIGINT}
"""


@dataclass(frozen=True)
class Given:
    """A source whose partitions are given: key -> columns."""

    name: str
    partitions: Mapping[str, Mapping[str, Sequence[object]]]

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        rows = pa.table(dict(self.partitions[partition_key or ""]))
        file = f"{self.name}-{partition_key or 'all'}.csv"
        rows = rows.append_column("_source_file", pa.array([file] * rows.num_rows, pa.string()))
        rows = rows.append_column("_source_row", pa.array(range(1, rows.num_rows + 1), pa.int64()))
        return Extract(rows, (SourceFile(file, rows.nbytes, f"sha256 of {rows.to_pydict()}"),))


def put(lake: Lake, table: str, partitions: Mapping[str, Mapping[str, Sequence[object]]]) -> None:
    """Capture these partitions of a snapshot."""
    name = table.split("/")[1]
    calendar = TIMELINES[table].calendar
    outcomes = capture(Snapshot(name, Given(name, partitions), (), calendar), lake, list(partitions), RUN, Meter(0.04))
    assert [outcome.error for outcome in outcomes] == [None] * len(partitions)


def put_days(lake: Lake, days: Sequence[str] = DAYS) -> None:
    """Three flights a day and their outcomes; no two days are alike."""
    names = ["AA1", "B62", "UA3"]
    put(lake, FLIGHTS, {day: {"flight": names, "distance_miles": [100 + DAYS.index(day), 200, 300]} for day in days})
    put(lake, OUTCOMES, {day: {"flight": names, "delay_minutes": [DAYS.index(day) ** 2, 1, 2]} for day in days})


def feature_table(folder: Path, sql: str = SQL, contract: str = CONTRACT, stop_above: str = "50%") -> FeatureTable:
    """The feature table of this SQL and contract, written into `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "flight_delays.sql").write_text(sql)
    (folder / "schema.yml").write_text(contract)
    model = load_model(folder / "flight_delays.sql")
    readings = tuple(
        reading(TIMELINES[table], model.lookback.get(table), CALENDAR, KNOWN_AT)
        for table in model.inputs
        if table in TIMELINES
    )
    contracts = load_contracts(folder)
    return FeatureTable(model, contracts["flight_delays"], CALENDAR, KNOWN_AT, readings, Tolerance.parse(stop_above))


def built(features: FeatureTable, lake: Lake, keys: Sequence[str]) -> list[PartitionOutcome]:
    """Build partitions, as a step would."""
    return build(features, lake, keys, RUN, Meter(0.04))


@dataclass(frozen=True)
class Answer:
    """What a query gave for one partition, put together again."""

    rows: pa.Table
    shown: Shown


def answers(pieces: Iterable[Piece | Failed]) -> dict[str, Answer | BatchPlatformError]:
    """Each partition's rows, or the error that its query ended in; pieces say rightly where they stand."""
    found: dict[str, Answer | BatchPlatformError] = {}
    parts: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Failed):
            found[piece.key] = piece.error
            continue
        parts = [piece] if piece.first else [*parts, piece]
        assert {part.key for part in parts} == {piece.key} and piece.key not in found
        if piece.last:
            found[piece.key] = Answer(pa.concat_tables(part.rows for part in parts), piece.shown)
            parts = []
    return found


def answers_of_range(sandbox: Sandbox, windows: Mapping[str, Window]) -> dict[str, Answer] | None:
    """What a range gives in one pass, if it can."""
    pieces = sandbox.query_range(windows)
    found = None if pieces is None else answers(chain.from_iterable(pieces))
    return None if found is None else {key: item for key, item in found.items() if isinstance(item, Answer)}


def answer_of(sandbox: Sandbox, key: str, window: Window) -> Answer:
    """What one partition gives by itself."""
    found = answers(chain.from_iterable(sandbox.query(key, window)))[key]
    assert isinstance(found, Answer)
    return found


def last_commit(lake: Lake, table: str) -> Provenance:
    """The provenance in the newest entry of a table's own log."""
    delta = Table(lake, table).open()
    assert delta is not None
    return Provenance.from_json(delta.history(1)[0][METADATA_KEY])


def versions(lake: Lake) -> tuple[int, int]:
    """The versions of the feature table and of its quarantine; -1 before the first commit."""
    return Table(lake, FEATURES).version(), Table(lake, QUARANTINE).version()
