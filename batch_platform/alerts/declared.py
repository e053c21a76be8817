"""What a project may declare under `alerts:`.

Belongs here: the YAML fields and what they refuse. Does not belong here: what they mean (`routing.py`). An address is
never part of a declaration: it names the environment variable that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from batch_platform.alerts.routing import Alerting, Route
from batch_platform.alerts.severity import Severity
from batch_platform.errors import ConfigurationError

_DURATION = re.compile(r"([1-9]\d{0,4})\s*([mhd])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)


class _Field(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Address(_Field):
    """Where a route goes: the name of an environment variable, never an address itself."""

    env: Annotated[str, Field(description="The environment variable that holds one or several apprise URLs.")]

    @field_validator("env")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not _VARIABLE.fullmatch(value):
            raise ValueError("to.env is not the name of an environment variable")
        return value


class RouteField(_Field):
    """Who hears of what; every route that matches is taken."""

    name: Annotated[str, Field(description="Tells it from others.")]
    to: Annotated[Address, Field(description="{env: ALERTS_FLIGHT_OPS}: where the address stands.")]
    owners: Annotated[Sequence[str], Field(description="Only of these owners: 'team:name' or an e-mail address.")] = ()
    pipelines: Annotated[Sequence[str], Field(description="Only of these pipelines.")] = ()
    severity: Annotated[
        Sequence[Literal["page", "ticket", "notice"]], Field(description="Only this urgent: page, ticket, notice.")
    ] = ("page", "ticket")
    unclaimed: Annotated[bool, Field(description="Whether it takes only what no other route takes.")] = False

    @field_validator("name")
    @classmethod
    def _is_short(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(f"name {value[:80]!r}: use lower case letters, digits, _ and -")
        return value

    @field_validator("to", mode="before")
    @classmethod
    def _names_a_variable(cls, value: object) -> object:
        # What stands there instead may be the address itself: it is not repeated.
        if not isinstance(value, dict | Address):
            raise ValueError("expected {env: NAME}, the environment variable that holds the address")
        if isinstance(value, dict) and set(value) != {"env"}:
            raise ValueError("expected {env: NAME} and nothing else")
        return value

    @field_validator("severity")
    @classmethod
    def _some(cls, value: Sequence[str]) -> Sequence[str]:
        if not value:
            raise ValueError("no severity: the route would take nothing")
        return value

    def route(self) -> Route:
        """The route that it declares."""
        return Route(
            self.name,
            self.to.env,
            frozenset(self.owners),
            frozenset(self.pipelines),
            frozenset(Severity[severity.upper()] for severity in self.severity),
            self.unclaimed,
        )


class AlertsField(_Field):
    """Who is told when something is wrong, and how."""

    routes: Annotated[Sequence[RouteField], Field(description="Who hears of what.")]
    runbooks: Annotated[str, Field(description="The address of the folder docs/runbooks, for links.")] = ""
    ui: Annotated[str, Field(description="The address of Dagster's UI, for links: http://localhost:3000.")] = ""
    remind: Annotated[str, Field(description="Tell again what lasts this long: 24h, 3d; never.")] = "24h"
    settle: Annotated[str, Field(description="Tell as resolved what has been good this long: 10m.")] = "10m"

    @field_validator("runbooks", "ui")
    @classmethod
    def _is_a_link(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s@]+", value):
            raise ValueError("expected an address such as https://example.org, without a password")
        return value

    @field_validator("remind", "settle")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        if value != "never" and not _DURATION.fullmatch(value):
            raise ValueError(f"{value[:40]!r} is no duration: write 90m, 24h or 3d")
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> AlertsField:
        names = [route.name for route in self.routes]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two routes are named {twice!r}: rename one")
        if self.settle == "never":
            raise ValueError("settle: never would tell nothing as resolved: write 1m or more")
        return self

    def alerting(self) -> Alerting:
        """What it declares."""
        settle = _duration(self.settle)
        assert settle is not None
        routes = tuple(route.route() for route in self.routes)
        return Alerting(routes, self.runbooks, self.ui, _duration(self.remind), settle)


def parse_alerts(raw: Mapping[str, Any]) -> Alerting:
    """What a mapping under `alerts:` declares.

    Raises:
        ConfigurationError: a field is unknown, or has a value that it cannot have. What stands in its place is
            not repeated: it may be an address.
    """
    try:
        return AlertsField.model_validate(raw).alerting()
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        what = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        more = f" [and {len(others)} more]" if others else ""
        raise ConfigurationError(
            f"{what}{more}", where=".".join(["alerts", *map(str, first["loc"])]), fix="see docs/how-to/alerts.md"
        ) from None


def _duration(text: str) -> timedelta | None:
    match = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
