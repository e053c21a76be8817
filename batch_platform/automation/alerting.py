"""The sensor `alerts`: looks every half minute at what is wrong, and tells those whom it concerns.

What was told stands in the sensor's cursor, which Dagster writes in one transaction with the end of the tick. A tick
that dies before that is repeated, so a message may come twice, but none is lost. Alerts never stop anything: whatever
fails here is told in the tick's log and tried again.

Belongs here: the sensor, and reading its book for the command line. Does not belong here: what is wrong (the look that
the sensor is given), who is told, when and how (`batch_platform.alerts`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import dagster as dg

from batch_platform.alerts.addresses import Addresses
from batch_platform.alerts.book import Book
from batch_platform.alerts.book_text import from_text, to_text
from batch_platform.alerts.delivery import deliver
from batch_platform.alerts.message import Message
from batch_platform.alerts.routing import Alerting
from batch_platform.alerts.watch import Look, watched
from batch_platform.alerts.wording import plain
from batch_platform.automation import clock
from batch_platform.automation.cursors import cursor_of
from batch_platform.errors import first_line

SENSOR = "alerts"
INTERVAL_SECONDS = 30

Looking = Callable[[dg.SensorEvaluationContext, datetime], Look]
"""Finds out what is the case at a moment; it may raise whatever it meets."""


def alerts_sensor(alerting: Alerting, looking: Looking, storage: Path | None = None) -> dg.SensorDefinition:
    """The sensor that tells what is wrong; it starts no runs, and it is on unless somebody switches it off.

    Args:
        alerting: what is declared; without routes it looks at nothing.
        looking: finds out what is the case.
        storage: a folder that outlasts restarts, for receivers that need one; see `delivery.deliver`.
    """

    @dg.sensor(
        name=SENSOR,
        description="Tells those whom it concerns what is overdue, wrong or failed: one message for one cause.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=INTERVAL_SECONDS,
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not alerting.routes:
            return dg.SkipReason("no route is declared: nobody is alerted; see docs/how-to/alerts.md")
        now = clock.now()
        blind = ""
        try:
            look: Look | None = looking(context, now)
        except Exception as error:
            look, blind = None, f", cannot look: {type(error).__name__}: {plain(first_line(error))}"
            context.log.warning(f"the state of the tables cannot be read{blind}")

        def sent(messages: Sequence[Message], addresses: Addresses) -> Sequence[str | None]:
            return deliver(messages, addresses, storage=storage)

        addresses = Addresses.of(alerting.routes, os.environ)
        found = watched(from_text(context.cursor), look, alerting, addresses, sent, now)
        for message in found.arrived:
            context.log.info(f"told {message.address}: {message.title} [{message.alert_id}]")
        for message, trouble in found.failed:
            context.log.warning(f"not told {message.address}: {trouble}: {message.title} [{message.alert_id}]")
        return dg.SensorResult(cursor=to_text(found.book), skip_reason=f"{found}{blind}")

    return alerts


def book_of(instance: dg.DagsterInstance) -> Book | None:
    """What the sensor remembers; None if it has never looked on this instance."""
    cursor = cursor_of(instance, SENSOR)
    return None if cursor is None else from_text(cursor)
