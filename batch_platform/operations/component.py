"""`Operations`: what holds for all pipelines of a project, declared once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any

import dagster as dg
from pydantic import Field

from batch_platform.alerts.declared import parse_alerts
from batch_platform.alerts.routing import Alerting
from batch_platform.automation.asked_once import everyone
from batch_platform.automation.declared import Declaration
from batch_platform.automation.scaffold import scaffolder
from batch_platform.errors import ConfigurationError
from batch_platform.operations.definition import OperationsDefinition
from batch_platform.schedules.scheduled import Scheduled
from batch_platform.schedules.spans import DAYS, Span, parse_span
from batch_platform.schedules.windows import Named, Windows, refuse_unknown_window


class SpanField(dg.Model, dg.Resolvable):
    """A stretch of time: `from` and `to`, or `cron` and `lasts`."""

    from_: Annotated[
        str | int, Field(alias="from", description="'22:00', or a date and time: '2026-12-24 00:00'. Quote it.")
    ] = ""
    to: Annotated[
        str | int, Field(description="The first moment that is no longer part of it; '24:00' is midnight. Quote it.")
    ] = ""
    days: Annotated[
        str | list[str],
        Field(description="weekdays, weekends, or some of [mon, tue, ...]: the days on which it begins."),
    ] = Field(default_factory=lambda: list(DAYS))
    cron: Annotated[
        str, Field(description="Five fields such as '0 22 * * 1-5', instead of `from`, `to` and `days`.")
    ] = ""
    lasts: Annotated[str, Field(description="How long after each strike of `cron`: 90m, 8h, 2d.")] = ""
    timezone: Annotated[str, Field(description="IANA time zone whose wall clock is meant.")] = "UTC"

    def span(self, where: str) -> Span:
        """The stretch; raises ConfigurationError with `where` if it makes no sense."""
        return parse_span(
            where,
            begins=_quoted(self.from_, where),
            ends=_quoted(self.to, where),
            days=self.days,
            cron=self.cron,
            lasts=self.lasts,
            timezone=self.timezone,
        )


class ClosingField(SpanField):
    """A stretch of time with a name, in which nothing starts."""

    name: Annotated[str, Field(description="What people are told about it.", min_length=1)]


def _resolved(context: dg.ResolutionContext, declared: Mapping[str, Any]) -> dict[str, list[SpanField]]:
    """The stretches of each window, of which YAML names one or several."""
    several = {name: each if isinstance(each, Sequence) else [each] for name, each in declared.items()}
    return {name: [SpanField.resolve_from_model(context, one) for one in each] for name, each in several.items()}


@dg.scaffold_with(scaffolder("batch_platform.scaffold.operations"))
class Operations(Declaration):
    """Batch windows, blackouts, maintenance, quotas and alerts; one for the whole project, or none."""

    windows: Annotated[
        dict[str, list[SpanField]],
        # Dagster's own way would have all windows name one stretch, or all of them several.
        dg.Resolver(_resolved, model_field_type=Mapping[str, SpanField.model() | list[SpanField.model()]]),
        Field(description="Name -> when runs of tables with `automation: {window: name}` may start."),
    ] = Field(default_factory=dict)
    blackouts: Annotated[
        list[ClosingField], Field(description="When nothing starts by itself; what people ask for does.")
    ] = Field(default_factory=list)
    maintenance: Annotated[
        list[ClosingField], Field(description="When nothing starts, whoever asks for it, and alerts are silent.")
    ] = Field(default_factory=list)
    quotas: Annotated[
        dict[str, int],
        Field(description="'team:name' -> the most of its runs that are queued or running by themselves."),
    ] = Field(default_factory=dict)

    alerts: Annotated[
        dict[str, Any] | None, Field(description="Who is told when something is wrong: see docs/how-to/alerts.md.")
    ] = None

    def definition(self) -> OperationsDefinition:
        """What is declared.

        Raises:
            ConfigurationError: an unknown time zone or day, no cron expression, a window that never opens, a quota
                of nobody.
        """
        windows = Windows(
            tuple(Named(_window_name(name), _spans(name, declared)) for name, declared in self.windows.items()),
            _closings("blackout", self.blackouts),
            _closings("maintenance", self.maintenance),
        )
        alerting = Alerting() if self.alerts is None else parse_alerts(self.alerts)
        return OperationsDefinition(windows, _quotas(self.quotas), alerting)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """No assets: what is declared is asked for by those that heed it; see `operations`."""
        with self.declaring():
            operations(context.component_tree)
        return dg.Definitions()


def operations(tree: dg.ComponentTree) -> OperationsDefinition:
    """What the project declares about its operation; the defaults where it declares nothing.

    Raises:
        ConfigurationError: there are several declarations, or theirs cannot mean what it says.
    """
    found: Sequence[Operations] = tree.get_all_components(of_type=Operations)
    if not found:
        return OperationsDefinition()
    if len(found) > 1:
        places = ", ".join(each._place for each in found)
        raise ConfigurationError(f"operations are declared {len(found)} times: {places}", fix="keep one of them")
    with found[0].declaring():
        return found[0].definition()


def _quoted(value: str | int, where: str) -> str:
    """A time as it was written: without quotes YAML reads 22:00 as a number of minutes."""
    if isinstance(value, str):
        return value
    raise ConfigurationError(f"{value} is no time of day", where=where, fix='write it in quotes, such as "22:00"')


def refuse_unknown_windows(tree: dg.ComponentTree, windows: Windows) -> None:
    """Refuse a table of the project that asks for a batch window that is not declared.

    Raises:
        ConfigurationError: with the file and the component that asks, and the windows there are.
    """
    for component in everyone(tree, Declaration):  # type: ignore[type-abstract]
        # Each kind of table has rules of its own, but all of them may name a window.
        window = getattr(getattr(component, "automation", None), "window", "")
        with component.declaring():
            refuse_unknown_window(window, windows, "automation")


def refuse_unknown_names(tree: dg.ComponentTree, tables: Sequence[Scheduled]) -> None:
    """Refuse a quota or a route for a team or a pipeline that no table has: it would do nothing, and nobody notice.

    A project without tables may name anything.

    Raises:
        ConfigurationError: with the names there are.
    """
    counted = {f"team:{table.team}" for table in tables if table.team}
    owners = {owner for table in tables for owner in table.owners if owner.startswith("team:")}
    pipelines = {table.pipeline for table in tables}
    for component in tree.get_all_components(of_type=Operations) if tables else ():
        with component.declaring():
            declared = component.definition()
            _refuse_unknown("quotas", [f"team:{team}" for team in declared.quotas], counted)
            for route in declared.alerting.routes:
                teams = [owner for owner in route.owners if owner.startswith("team:")]
                _refuse_unknown(f"alerts.routes, {route.name}, owners", teams, owners)
                _refuse_unknown(f"alerts.routes, {route.name}, pipelines", route.pipelines, pipelines)


def _refuse_unknown(where: str, names: Iterable[str], there: Collection[str]) -> None:
    for name in sorted(set(names) - set(there)):
        raise ConfigurationError(
            f"no table has {name!r}", where=where, fix=f"there are {', '.join(sorted(there)) or 'none'}"
        )


def _window_name(name: str) -> str:
    if not name:
        raise ConfigurationError("a window has an empty name", fix="give it one such as off_peak")
    return name


def _spans(name: str, declared: Sequence[SpanField]) -> tuple[Span, ...]:
    if not declared:
        raise ConfigurationError(f"window {name!r} never opens", fix="say when, or leave it out")
    return tuple(each.span(f"window {name!r}") for each in declared)


def _closings(kind: str, declared: Sequence[ClosingField]) -> tuple[Named, ...]:
    return tuple(Named(each.name, (each.span(f"{kind} {each.name!r}"),)) for each in declared)


def _quotas(declared: Mapping[str, int]) -> dict[str, int]:
    for team, most in declared.items():
        if not team.startswith("team:") or not team.removeprefix("team:"):
            raise ConfigurationError(f"quota of {team!r}", where="quotas", fix="name a team, as owners do: 'team:name'")
        if most < 1:
            fix = "use 1 or more; `automation: {enabled: false}` stops a table"
            raise ConfigurationError(f"the quota of {team} is {most}", where="quotas", fix=fix)
    return {team.removeprefix("team:"): most for team, most in declared.items()}
