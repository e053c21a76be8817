"""The fields that several components share, and how a wrong declaration is told.

Belongs here: YAML fields with the same meaning in more than one component. Does not belong here: what a single
component declares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

import dagster as dg
from pydantic import Field, field_validator

from batch_platform.automation.reporting import asset_key
from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset

FoundT = TypeVar("FoundT")

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


@dataclass(frozen=True)
class Pipeline:
    """What all tables of one component have in common in the asset graph: their group and their owners."""

    name: str
    owners: tuple[str, ...]

    @classmethod
    def of(cls, context: dg.ComponentLoadContext, owners: Sequence[str]) -> Pipeline:
        """The pipeline is the folder of its `defs.yaml`."""
        return cls(context.path.name, tuple(owners))

    def spec(
        self,
        table: str,
        description: str,
        kinds: set[str],
        partitions: dg.PartitionsDefinition[str] | None,
        deps: Sequence[dg.AssetDep] = (),
        metadata: Mapping[str, object] | None = None,
    ) -> dg.AssetSpec:
        """One table as an asset, selectable in the UI by pipeline and by stage."""
        return dg.AssetSpec(
            asset_key(table),
            description=description,
            deps=deps,
            metadata=metadata,
            group_name=self.name,
            owners=self.owners,
            tags={"batch_platform/pipeline": self.name, "batch_platform/stage": table.split("/")[0]},
            kinds=kinds,
            partitions_def=partitions,
        )


def find(name: str, known: Mapping[str, FoundT], kind: str) -> FoundT:
    """What another component declares under a name.

    Raises:
        ConfigurationError: nothing; the names that there are stand in the message.
    """
    if name not in known:
        raise ConfigurationError(f"there is no {kind} {name!r}", fix=f"there are {', '.join(sorted(known)) or 'none'}")
    return known[name]
