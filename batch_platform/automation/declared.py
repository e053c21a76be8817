"""The fields that several components share, and how a wrong declaration is told.

Belongs here: YAML fields with the same meaning in more than one component. Does not belong here: what a single
component declares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Self, TypeVar

import dagster as dg
from dagster.components.resolved.errors import ResolutionException
from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, ValidationError, field_validator

from batch_platform.automation.asked_once import everyone, find_declarations
from batch_platform.automation.plain_values import PlainValues
from batch_platform.automation.reporting import asset_key
from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.watching import Watched
from batch_platform.settings import SettingError

FoundT = TypeVar("FoundT")

FeatureTableName = Annotated[str, AfterValidator(lambda name: name.removeprefix("features/"))]
"""A feature table by its name or by its asset key."""

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


class Declaration(dg.Component, dg.Model, dg.Resolvable):
    """Base of the components: a field that cannot be read is one line with file, component, field and expectation."""

    _place: str = PrivateAttr("")
    _pipeline: str = PrivateAttr("")

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Make the component from its `attributes:`.

        Raises:
            ConfigurationError: a field has the wrong type or a value that it cannot have.
        """
        name = getattr(attributes, "name", None) or getattr(attributes, "models", "")
        place = f"{context.path}/defs.yaml, {cls.__name__}{f' {str(name)!r}' if name else ''}"
        find_declarations(context)
        with declared(place):
            try:
                component = super().load(attributes, context)
            except (ValidationError, ResolutionException) as error:
                raise _unreadable(error, attributes) from None
        component._place, component._pipeline = place, Pipeline.of(context, ()).name
        return component

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> Self:
        """Make it from fields that may hold templates."""
        made: Self = super().resolve_from_model(PlainValues.of(context), model)
        return made

    @property
    def pipeline(self) -> str:
        """The pipeline that declares it."""
        return self._pipeline

    def scheduled(self, context: dg.ComponentLoadContext) -> list[Scheduled]:
        """The tables of this component as the schedule sees them; none unless it makes any."""
        return []

    def watched(self, context: dg.ComponentLoadContext) -> list[Watched]:
        """The tables of this component that capture a source from outside; none unless it makes any."""
        return []

    def declaring(self) -> AbstractContextManager[None]:
        """Whatever of this component cannot mean what it says is told with its own file and name.

        Components ask one another what they declare, so the one that is being built need not be the one at fault.
        """
        return declared(self._place)

    def refuse_namesake(self, context: dg.ComponentLoadContext, name: str) -> None:
        """Refuse a second component of this kind and name, in whatever pipeline: both would write one table."""
        others_of_kind = everyone(context.component_tree, type(self))
        places = [other._place for other in others_of_kind if getattr(other, "name", None) == name]
        if len(places) > 1:
            others = ", ".join(place for place in places if place != self._place) or "this file, too"
            raise ConfigurationError(
                f"another component of this kind has the same name: {others}", fix="rename one of them"
            )


def _unreadable(error: Exception, attributes: BaseModel | None) -> ConfigurationError:
    """What is wrong with a field, from the error that Dagster or pydantic made of it."""
    # Dagster puts a traceback into the text and hides the cause, but keeps it as the context.
    outer = re.match(r"\S+?(?P<line>:\d+) - attributes\.(?P<field>\S+)", str(error))
    line, field = (f"line {outer['line'][1:]}, ", outer["field"]) if outer else ("", "")
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ValidationError):
        cause = cause.__context__
    if cause is None:
        value = getattr(attributes, field, None)
        what = "the template cannot be resolved" if "{{" in str(value) else "expected a mapping of fields"
        return ConfigurationError(f"{what}, found {value!r:.80}", where=f"{line}field {field}")
    first, *others = cause.errors()
    field = ".".join([*filter(None, [field]), *map(str, first["loc"])])
    what = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    found = "" if first["type"] == "value_error" else f", found {first['input']!r:.80}"
    more = f" [and {len(others)} more]" if others else ""
    return ConfigurationError(f"{what}{found}{more}", where=f"{line}field {field}")


class DeclarationError(ConfigurationError):
    """A declaration that cannot mean what it says, told with the file and the component that it stands in."""


@contextmanager
def declared(place: str) -> Iterator[None]:
    """Put the file and the component before the error of a declaration; one that has them already stays as it is."""
    try:
        yield
    except (DeclarationError, SettingError):
        raise
    except ConfigurationError as error:
        where = f"{place}, {error.where}" if error.where else place
        raise DeclarationError(error.what, where=where, fix=error.fix) from None


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
        code_version: str | None = None,
    ) -> dg.AssetSpec:
        """One table as an asset, selectable in the UI by pipeline and by stage.

        A changed `code_version` makes the UI mark what was computed by the earlier one.
        """
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
            code_version=code_version,
        )


def find(name: str, known: Mapping[str, FoundT], kind: str) -> FoundT:
    """What another component declares under a name.

    Raises:
        ConfigurationError: there is none; the message names those there are.
    """
    if name not in known:
        raise ConfigurationError(f"there is no {kind} {name!r}", fix=f"there are {', '.join(sorted(known)) or 'none'}")
    return known[name]
