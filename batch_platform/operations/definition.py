"""What a project declares about its operation, as plain values.

Belongs here: the values and their defaults. Does not belong here: reading YAML (`component.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from batch_platform.alerts.routing import Alerting
from batch_platform.schedules.windows import Windows


@dataclass(frozen=True)
class OperationsDefinition:
    """What holds for all pipelines; by default nothing is closed, nobody has a quota and nobody is alerted.

    Args:
        windows: when runs may start.
        quotas: team -> the most of its runs that the platform has queued or running at once.
        alerting: who is told when something is wrong.
    """

    windows: Windows = field(default_factory=Windows)
    quotas: Mapping[str, int] = field(default_factory=dict)
    alerting: Alerting = field(default_factory=Alerting)
