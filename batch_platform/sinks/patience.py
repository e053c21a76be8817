"""How often a delivery is tried, and what lies between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How often a delivery is tried: `attempts` times, after pauses that double from `first_seconds` on.

    Each pause is drawn between half and one and a half times of that, so that many runs do not come back at once.
    """

    attempts: int = 5
    first_seconds: float = 0.5
    sleep: Callable[[float], None] = time.sleep

    def pauses(self) -> Iterable[float]:
        """The seconds between one attempt and the next."""
        return (self.first_seconds * 2**number * random.uniform(0.5, 1.5) for number in range(self.attempts - 1))
