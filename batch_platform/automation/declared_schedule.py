"""The fields by which any table says when it is made: `slo:` and `automation:`.

Belongs here: how YAML spells them. Does not belong here: what they mean (`schedules/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import dagster as dg
from pydantic import Field

from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.rules import DEFAULT_ATTEMPTS, RerunOn, Rules
from batch_platform.schedules.slo import Slo, refuse_early_deadline


class SloField(dg.Model, dg.Resolvable):
    """By when each partition must be there, relative to its start."""

    due: Annotated[str, Field(description="'-1d 20:00': at eight in the evening of the day before; '+1d 06:00'.")]
    warn: Annotated[str | None, Field(description="When to begin to worry; not after `due`.")] = None
    critical: Annotated[bool, Field(description="Whether somebody is paged when it is missed.")] = False


def objective(declared: SloField | None, earliest: Offset, calendar: Calendar | None, what: str) -> Slo | None:
    """The objective of a table, if it can be met; None if none is declared.

    Args:
        declared: what the YAML says.
        earliest: when a partition can be made at the earliest.
        calendar: the partitions.
        what: what `earliest` is called where it is declared, such as `known_at`.

    Raises:
        ConfigurationError: it cannot be met, or the table has no partitions.
    """
    if declared is None:
        return None
    warn = None if declared.warn is None else Offset.parse(declared.warn)
    found = Slo(Offset.parse(declared.due), warn, declared.critical)
    refuse_early_deadline(found, earliest, calendar, what)
    return found


class AutomationField(dg.Model, dg.Resolvable):
    """When the platform makes partitions by itself."""

    enabled: Annotated[bool, Field(description="false: only when somebody asks.")] = True
    horizon: Annotated[
        int | str | None,
        Field(description="How far back missing partitions are made: '14 days', or a number of partitions."),
    ] = None
    lookback: Annotated[
        int | str | None, Field(description="How far back partitions are made again after a change; older are frozen.")
    ] = None
    rerun_on: Annotated[
        Sequence[RerunOn], Field(description="The changes after which: inputs, undated_inputs, code, model.")
    ] = (RerunOn.INPUTS,)
    attempts: Annotated[int, Field(description="How often a partition is tried before something must change.")] = (
        DEFAULT_ATTEMPTS
    )
    window: Annotated[str, Field(description="A batch window of the project's operations: runs start in it only.")] = ""

    def rules(self, calendar: Calendar | None, table: str) -> Rules:
        """The rules for a table with these partitions.

        Raises:
            ConfigurationError: they make no sense for this cadence.
        """
        cadence = calendar.cadence if calendar else Cadence.DAILY
        return Rules.declared(cadence, f"{table}, automation", **self.model_dump())
