"""Who hears of an alert: routes by owner, pipeline and severity.

Every route that matches is taken, so each can be read by itself and their order means nothing. A route matches an
alert if it matches one of its findings: the owner of a table that is held up hears of it with the urgency that it has
for that table.

Belongs here: the routes and what they match. Does not belong here: how YAML spells them (`declared.py`), or the
addresses, which the environment holds (`addresses.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from batch_platform.alerts.finding import Finding
from batch_platform.alerts.grouping import Alert
from batch_platform.alerts.severity import Severity

DEFAULT_REMIND = timedelta(hours=24)
DEFAULT_SETTLE = timedelta(minutes=10)


@dataclass(frozen=True)
class Route:
    """Who hears of what.

    Args:
        name: tells it from others.
        variable: the environment variable that holds one or several addresses.
        owners: of these only; none: of anybody.
        pipelines: of these only; none: of any.
        severities: of these only.
        unclaimed: whether it takes only what no other route takes.
    """

    name: str
    variable: str
    owners: frozenset[str] = frozenset()
    pipelines: frozenset[str] = frozenset()
    severities: frozenset[Severity] = frozenset({Severity.PAGE, Severity.TICKET})
    unclaimed: bool = False

    def matches(self, finding: Finding) -> bool:
        """Whether it takes a finding, other routes aside."""
        return (
            finding.severity in self.severities
            and (not self.owners or not self.owners.isdisjoint(finding.owners))
            and (not self.pipelines or finding.pipeline in self.pipelines)
        )


@dataclass(frozen=True)
class Alerting:
    """Everything that is declared about alerts; by default nobody hears of anything.

    Args:
        routes: who hears of what.
        runbooks: the address of the folder of runbooks; empty: they are named only.
        ui: the address of Dagster's UI; empty: no links.
        remind: after how long an alert that lasts is told again; None: never.
        settle: how long something must be good before it is told as resolved; what comes back sooner is the same
            alert and is not told anew.
    """

    routes: tuple[Route, ...] = ()
    runbooks: str = ""
    ui: str = ""
    remind: timedelta | None = DEFAULT_REMIND
    settle: timedelta = DEFAULT_SETTLE

    def taken(self, alert: Alert) -> dict[str, Severity]:
        """The environment variables whose addresses take an alert -> how urgent it is to them.

        Two routes to one variable are one: nobody is told the same twice.
        """
        claiming = [route for route in self.routes if not route.unclaimed]
        findings = [finding for finding in alert.findings if not finding.muted]
        left = [finding for finding in findings if not any(route.matches(finding) for route in claiming)]
        others = [route for route in self.routes if route.unclaimed]
        found: dict[str, Severity] = {}
        for routes, offered in ((claiming, findings), (others, left)):
            for route in routes:
                for finding in filter(route.matches, offered):
                    found[route.variable] = max(found.get(route.variable, finding.severity), finding.severity)
        return found
