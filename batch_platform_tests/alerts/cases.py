"""A source, two tables behind it and what may be wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from batch_platform.alerts.finding import Watched, findings_of
from batch_platform.alerts.grouping import Alert, grouped
from batch_platform.alerts.routing import Alerting, Route
from batch_platform.alerts.severity import Severity
from batch_platform.alerts.states import Cause, Fault, State, is_in_work
from batch_platform.partitions.places import place
from batch_platform.schedules.holds import Held, Hold

DAY = "2026-03-02"
NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FLIGHTS, FEATURES, DELAYS, REPORT = (
    "snapshots/flights",
    "features/flight_features",
    "predictions/flight_delay",
    "predictions/report",
)
TABLES = {
    table.table: table
    for table in (
        Watched(FLIGHTS, ("team:data",), "flight_delay"),
        Watched(FEATURES, ("team:flight-ops",), "flight_delay"),
        Watched(DELAYS, ("team:flight-ops",), "flight_delay", critical=True),
        Watched(REPORT, ("team:finance",), "reports"),
    )
}
EVERYBODY = Alerting((Route("all", "ALL"),))


def at(hour: int, minute: int = 0) -> datetime:
    """A moment of the day."""
    return datetime(2026, 3, 2, hour, minute, tzinfo=UTC)


def state(
    table: str,
    hold: Hold | None = None,
    on: str = "",
    *,
    key: str = DAY,
    due: datetime | None = None,
    warn: datetime | None = None,
    fault: Fault | None = None,
    there: bool = False,
    planned: bool = False,
    detail: str = "",
    root: str = "",
) -> State:
    """A partition that waits for another, `on`, which may wait for a third, `root`; or for itself."""
    held = None if hold is None else Held(hold, on or table, key, detail)
    why = f"failed: {fault.text}" if fault else str(hold or "is not there")
    cause = Cause(at := root or on or table, at, key, f"{place(at, key)}: {why}", is_in_work(held))
    return State(table, key, cause, there, due, warn, held, fault, planned)


def source_missing(key: str = DAY, due: datetime | None = None) -> list[State]:
    """The flights of a day have not arrived; predictions are due at six, the report at nine."""
    return [
        state(FEATURES, Hold.INPUT_MISSING, FLIGHTS, key=key),
        state(DELAYS, Hold.INPUT_MISSING, FEATURES, key=key, due=due or at(6), root=FLIGHTS),
        state(REPORT, Hold.INPUT_MISSING, DELAYS, key=key, due=at(9), root=FLIGHTS),
    ]


def alerts(states: list[State], now: datetime = NOW, told: dict[str, frozenset[str]] | None = None) -> list[Alert]:
    """The alerts that states give."""
    return list(grouped(findings_of(states, TABLES, now), states, TABLES, now, told))


def severities(*words: str) -> frozenset[Severity]:
    """Severities by their names."""
    return frozenset(Severity[word.upper()] for word in words)
