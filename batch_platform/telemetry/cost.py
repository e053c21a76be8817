"""What a step cost: its wall time, its processor time, and dollars at the configured rate."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Meter:
    """Measures from its creation on; processor time includes every thread of this process."""

    dollars_per_cpu_hour: float
    _wall: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=time.process_time)

    @property
    def seconds(self) -> float:
        """Wall seconds since the start, to the millisecond."""
        return round(time.perf_counter() - self._wall, 3)

    @property
    def dollars(self) -> float:
        """Processor time since the start, at the configured rate."""
        return round((time.process_time() - self._cpu) / 3600 * self.dollars_per_cpu_hour, 8)
