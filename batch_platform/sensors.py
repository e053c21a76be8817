"""The sensors of the code location and the checks they report, and what they share: one view of the deployment.

The view is made when it is first needed. Belongs here: putting sensors together. Does not belong here: what any of
them does.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import cache
from threading import Lock

import dagster as dg

from batch_platform.alerts.watch import Look
from batch_platform.automation.alert_look import AlertLook, delivery_checks
from batch_platform.automation.alerting import alerts_sensor
from batch_platform.automation.arrivals import arrivals_sensor, watched_of
from batch_platform.automation.freshness import Deadlines, freshness_sensor
from batch_platform.automation.maintenance import maintenance_sensor
from batch_platform.automation.observing import Observer
from batch_platform.automation.on_time import on_time_check
from batch_platform.automation.pools import pools_of
from batch_platform.automation.run_history import FirstMade
from batch_platform.automation.schedule import schedule_of
from batch_platform.automation.scheduling import scheduling_sensor
from batch_platform.operations.component import operations, refuse_unknown_names, refuse_unknown_windows
from batch_platform.settings import Settings

PATIENCE = 5.0
"""Seconds of one look that go into reading tables for the first time."""


def observer_of(tree: dg.ComponentTree, pipelines: dg.Definitions, instance: dg.DagsterInstance) -> Observer:
    """The view of a deployment; what it read of the lake it keeps.

    Args:
        tree: the project's components.
        pipelines: the assets and checks that they make.
        instance: Dagster.

    Raises:
        ConfigurationError: a declaration makes no sense.
    """
    graph, declared = pipelines.resolve_asset_graph(), operations(tree)
    checks = [graph.get_check_spec(key) for key in sorted(graph.asset_check_keys)]
    settings = Settings.from_environment()
    return Observer.of(schedule_of(tree), checks, settings, instance, declared.windows, declared.quotas)


def sensors(tree: dg.ComponentTree, pipelines: dg.Definitions) -> dg.Definitions:
    """The sensors, and the checks that only they report.

    Args:
        tree: the project's components.
        pipelines: the assets and checks that they make.

    Raises:
        ConfigurationError: what is declared about the operation makes no sense, or a table asks for a batch window
            that is not declared, or a quota or a route names a team or a pipeline that no table has.
    """
    declared = operations(tree)
    refuse_unknown_windows(tree, declared.windows)
    refuse_unknown_names(tree, schedule_of(tree))

    kept: list[Observer] = []
    first_made: FirstMade = {}
    making = Lock()

    def observer(instance: dg.DagsterInstance) -> Observer:
        # Dagster opens its store anew for each look, in one of several threads; what was read of the lake stays.
        with making:
            if not kept:
                kept.append(replace(observer_of(tree, pipelines, instance), patience=PATIENCE))
        return replace(kept[0], instance=instance)

    def deadlines(instance: dg.DagsterInstance) -> Deadlines:
        return Deadlines.of(observer(instance), first_made)

    @cache
    def delivered() -> dict[str, dg.AssetCheckKey]:
        return delivery_checks(pipelines.resolve_asset_graph().asset_check_keys, schedule_of(tree))

    def alert_look(context: dg.SensorEvaluationContext, now: datetime) -> Look:
        return AlertLook(observer(context.instance), delivered(), first_made).look(now)

    return dg.Definitions(
        sensors=[
            arrivals_sensor(lambda: watched_of(tree)),
            scheduling_sensor(observer),
            freshness_sensor(deadlines),
            maintenance_sensor(declared.windows, pools_of(pipelines)),
            alerts_sensor(declared.alerting, alert_look, Settings.from_environment().project / "local" / "alerts"),
        ],
        asset_checks=[
            on_time_check(table, lambda instance, own, keys: deadlines(instance).judge(own, keys))
            for table in schedule_of(tree)
            if table.slo is not None
        ],
    )
