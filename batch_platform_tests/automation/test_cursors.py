"""What a sensor remembers is read as it stands now, whatever else the instance still holds."""

from __future__ import annotations

import dagster as dg
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)

from batch_platform.automation.cursors import cursor_of


def remember(instance: dg.DagsterInstance, location: str, cursor: str, at: float) -> None:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
    origin = RemoteInstigatorOrigin(repository, "scheduling")
    data = SensorInstigatorData(last_tick_timestamp=at, cursor=cursor)
    instance.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data))


def test_a_sensor_that_never_looked_remembers_nothing(instance: dg.DagsterInstance) -> None:
    remember(instance, "here", "mine", 1.0)
    assert cursor_of(instance, "freshness") is None


def test_of_a_location_that_was_renamed_the_newer_memory_counts(instance: dg.DagsterInstance) -> None:
    remember(instance, "before", "old", 1.0)
    remember(instance, "now", "new", 2.0)
    remember(instance, "long before", "oldest", 0.5)
    assert cursor_of(instance, "scheduling") == "new"
