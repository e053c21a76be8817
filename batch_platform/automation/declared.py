"""The fields that several components share, and how a wrong declaration is told.

Belongs here: YAML fields with the same meaning in more than one component. Does not belong here: what a single
component declares.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import dagster as dg
from pydantic import Field, field_validator

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset

Owners = Annotated[Sequence[str], Field(description="Who answers for the table: 'team:name' or an e-mail address.")]


class Partitioning(dg.Model, dg.Resolvable):
    """How a table is cut in time."""

    cadence: Annotated[Cadence, Field(description="hourly, daily, weekly or monthly.")]
    start: Annotated[str, Field(description="The first partition's key, such as '2025-01-06'; quote it.")]
    timezone: Annotated[str, Field(description="IANA time zone in which partitions begin.")] = "UTC"

    @field_validator("start", mode="before")
    @classmethod
    def _quoted(cls, value: object) -> object:
        if not isinstance(value, str):
            raise ValueError(f"expected a quoted date such as '2025-01-06', found {value!r}")
        return value

    def calendar(self, ahead: str) -> Calendar:
        """The partitions, with those that exist before they begin."""
        offset = Offset.parse(ahead)
        steps = {Cadence.HOURLY: offset.days * 24 + offset.hours, Cadence.DAILY: offset.days}
        steps |= {Cadence.WEEKLY: -(-offset.days // 7), Cadence.MONTHLY: -(-offset.days // 28)}
        return Calendar(self.cadence, self.start, self.timezone, steps[self.cadence])


@contextmanager
def declared(context: dg.ComponentLoadContext, component: str, name: str) -> Iterator[None]:
    """Name the file and the component in the error of a declaration that cannot mean what it says."""
    try:
        yield
    except ConfigurationError as error:
        place = f"{context.path}/defs.yaml, {component} {name!r}"
        where = f"{place}, {error.where}" if error.where else place
        raise ConfigurationError(error.what, where=where, fix=error.fix) from None


def group_of(context: dg.ComponentLoadContext) -> str:
    """The asset group: the pipeline's folder."""
    return str(context.path.name)


def pipeline_tags(context: dg.ComponentLoadContext, stage: str) -> dict[str, str]:
    """Tags by which a pipeline or a stage is selected in the UI."""
    return {"batch_platform/pipeline": group_of(context), "batch_platform/stage": stage}
