"""What a person reads: what is wrong, since when, why, what it holds up, and what to do.

Belongs here: the words. Does not belong here: when they are sent (`announcing.py`), or how (`delivery.py`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote

from batch_platform.alerts.finding import moment
from batch_platform.alerts.grouping import Alert
from batch_platform.alerts.routing import Alerting, Route
from batch_platform.alerts.severity import Severity
from batch_platform.alerts.states import Cause
from batch_platform.alerts.wording import plain

MOST_LINES = 10
_TITLE = 150


class Occasion(StrEnum):
    """Why a message is sent.

    `MISSED` tells in one message of what began and ended while its address was out of reach.
    """

    OPENED = "opened"
    UPDATED = "updated"
    REMINDED = "still open"
    RESOLVED = "resolved"
    MISSED = "over"


@dataclass(frozen=True)
class Message:
    """One message to one address.

    Args:
        key: the alert that it tells of.
        alert_id: what the receiver knows that alert by; messages of one alert have the same.
        address: whom it goes to; a name, never the address itself.
        occasion: why.
        severity: how urgent it is to them.
        title: one line.
        body: several.
    """

    key: str
    alert_id: str
    address: str
    occasion: Occasion
    severity: Severity
    title: str
    body: str


def headline(alert: Alert) -> str:
    """What is wrong, in one line without anything that others could have written into it."""
    worst = alert.worst
    subject = plain(worst.place, _TITLE) if alert.cause.table or alert.key == worst.cause.key else alert.key
    others = len({(one.table, one.partition) for one in alert.findings}) - 1
    more = f" and {others} more" if others else ""
    waits = f", waits for {plain(str(alert.cause), 80)}" if _waits(alert) else ""
    return f"{subject}{more}: {worst.kind}{waits}"


def opened(alert: Alert, severity: Severity, alerting: Alerting, occasion: Occasion, alert_id: str) -> tuple[str, str]:
    """Title and body of a message about what lasts."""
    again = "" if occasion is Occasion.OPENED else f" ({occasion})"
    lines = [plain(finding.text) for finding in alert.findings[:MOST_LINES]]
    lines += _more(len(alert.findings) - MOST_LINES)
    if alert.since is not None:
        lines.append(f"Since {moment(alert.since)}")
    if _waits(alert) or alert.cause.text not in alert.worst.text:
        lines.append(f"Cause: {plain(alert.cause.text)}")
    late = {(finding.table, finding.partition) for finding in alert.findings}
    affected = [one for one in alert.affected if (one.table, one.partition) not in late]
    if affected:
        lines.append("Held up as well:")
        for one in affected[:MOST_LINES]:
            due = f", due {moment(one.due)}" if one.due else ""
            owners = f" ({plain(', '.join(one.owners), 80)})" if one.owners else ""
            lines.append(f"- {plain(one.table)} {plain(one.partition, 40)}{due}{owners}".replace("  ", " "))
        lines += _more(len(affected) - MOST_LINES)
    answering = sorted({owner for finding in alert.findings for owner in finding.owners})
    if answering:
        lines.append(f"Owners: {plain(', '.join(answering))}")
    lines.append(f"Runbook: {_runbook(alert, alerting)}")
    if alerting.ui:
        lines.append(f"Dagster: {_link(alert.cause if alert.cause.table else alert.worst.cause, alerting.ui)}")
    return f"{severity}: {headline(alert)}{again}", "\n".join([*lines, f"Alert {alert_id}"])


def closed(title: str, alert_id: str, since: datetime, healed: datetime, occasion: Occasion) -> tuple[str, str]:
    """Title and body of a message about what is over; `title` is the alert's headline when it lasted."""
    missed = "This could not be told while it lasted." if occasion is Occasion.MISSED else ""
    lines = [f"Since {moment(since)}, over since {moment(healed)}", missed, f"Alert {alert_id}"]
    return f"{occasion}: {title}", "\n".join(filter(None, lines))


def trial(address: str, route: Route) -> list[Message]:
    """Two messages that try an address: one as urgent as its most urgent, and that it is over."""
    severity = max(route.severities)
    alert_id = f"test-{secrets.token_hex(4)}"
    title = f"test of the route {route.name}"
    lines = "Nothing is wrong: somebody ran `batch-platform alerts test`."
    return [
        Message(alert_id, alert_id, address, occasion, severity, f"{word}: {title}", f"{lines}\nAlert {alert_id}")
        for occasion, word in ((Occasion.OPENED, str(severity)), (Occasion.RESOLVED, str(Occasion.RESOLVED)))
    ]


def _waits(alert: Alert) -> bool:
    cause, worst = alert.cause, alert.worst
    return bool(cause.table) and (cause.table, cause.partition) != (worst.table, worst.partition)


def _more(count: int) -> list[str]:
    return [f"... and {count} more"] if count > 0 else []


def _runbook(alert: Alert, alerting: Alerting) -> str:
    page = alert.worst.kind.runbook
    return f"{alerting.runbooks.rstrip('/')}/{page}" if alerting.runbooks else f"docs/runbooks/{page}"


def _link(cause: Cause, ui: str) -> str:
    """The page of Dagster's UI that shows the cause."""
    if not cause.table:
        return f"{ui.rstrip('/')}/runs/backfills" if cause.key.startswith("backfill") else f"{ui.rstrip('/')}/runs"
    partition = f"&partition={quote(cause.partition, safe='')}" if cause.partition else ""
    return f"{ui.rstrip('/')}/assets/{quote(cause.table)}?view=partitions{partition}"
