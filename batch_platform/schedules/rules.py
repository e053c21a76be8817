"""When the platform makes partitions of a table by itself: what `automation:` in a declaration means.

Belongs here: the rules and their defaults. Does not belong here: applying them (`decision.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence
from batch_platform.timelines.lookbacks import Lookback


class RerunOn(StrEnum):
    """A change after which partitions within the lookback are made again.

    `inputs`: the content of a partition that they read. `undated_inputs`: that of a table without partitions, such as
    a register, which would make history from what was known only later. `code`: their SQL or outputs. `model`: the
    version that would score them today.
    """

    INPUTS = "inputs"
    UNDATED_INPUTS = "undated_inputs"
    CODE = "code"
    MODEL = "model"


DEFAULT_HORIZON = {
    Cadence.HOURLY: "2 days",
    Cadence.DAILY: "7 days",
    Cadence.WEEKLY: "4 weeks",
    Cadence.MONTHLY: "3 months",
}
"""How far back missing and outdated partitions are made, unless a declaration says otherwise."""

DEFAULT_ATTEMPTS = 4


@dataclass(frozen=True)
class Rules:
    """When partitions of a table are made without anybody asking.

    Args:
        horizon: partitions this far back are made if they are missing; older ones are a matter for a backfill.
        lookback: partitions this far back are made again after a change; older ones are frozen.
        rerun_on: the changes after which they are; for a model there are none unless they are named.
        attempts: how often one partition is tried before it waits for something to change.
        window: the name of a batch window in which runs may start; empty: at any time.
        enabled: whether anything is made at all.
    """

    horizon: Lookback
    lookback: Lookback
    rerun_on: frozenset[RerunOn] = frozenset({RerunOn.INPUTS})
    attempts: int = DEFAULT_ATTEMPTS
    window: str = ""
    enabled: bool = True

    @classmethod
    def declared(
        cls,
        cadence: Cadence,
        where: str,
        *,
        horizon: int | str | None = None,
        lookback: int | str | None = None,
        rerun_on: Sequence[RerunOn] = (RerunOn.INPUTS,),
        attempts: int = DEFAULT_ATTEMPTS,
        window: str = "",
        enabled: bool = True,
    ) -> Rules:
        """The rules of a table with this cadence; `where` names it in errors.

        Raises:
            ConfigurationError: a horizon or lookback is no number of partitions and no time, or there is no attempt.
        """
        if attempts < 1:
            raise ConfigurationError(f"attempts is {attempts}", where=where, fix="use 1 or more")
        usual = DEFAULT_HORIZON[cadence]
        return cls(
            Lookback.parse(usual if horizon is None else horizon, cadence, where, "horizon"),
            Lookback.parse(usual if lookback is None else lookback, cadence, where),
            frozenset(rerun_on),
            attempts,
            window,
            enabled,
        )
