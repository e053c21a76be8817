"""A new `Operations`: its document, with an example of everything that it can declare."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from batch_platform.errors import ConfigurationError
from batch_platform.partitions.clock_changes import zone_named
from batch_platform.scaffold.place import Place, attributes, scalar, write


class Params(BaseModel):
    """The options of the command."""

    model_config = ConfigDict(extra="forbid")

    timezone: str = Field("UTC", description="IANA time zone whose wall clock the batch window follows.")


def scaffold(params: Params, target: Path, project: Path) -> list[str]:
    """Add the document to the folder's; the lines to tell.

    Raises:
        ConfigurationError: the project has one already, or the time zone is unknown.
    """
    place = Place.of(target, project)
    zone = zone_named(params.timezone).key
    if attributes(place, "Operations"):
        raise ConfigurationError("the project declares its operations already", fix="edit that declaration")
    return write(place, "Operations", _DOCUMENT.replace("{zone}", scalar(zone)), {})


_DOCUMENT = """\
  windows:  # tables name one: automation: {window: off_peak}
    off_peak: {days: weekdays, from: "22:00", to: "06:00", timezone: {zone}}
  # blackouts:  # nothing starts by itself
  #   - {name: holidays, from: "2026-12-24 00:00", to: "2026-12-27 00:00", timezone: {zone}}
  # maintenance:  # nothing starts, whoever asks for it, and alerts are silent
  #   - {name: storage, cron: "0 2 * * 0", lasts: 2h, timezone: {zone}}
  # quotas: {"team:name": 2}  # the most runs that the platform has queued or running for a team
  # alerts:  # who is told when something is wrong: docs/how-to/alerts.md
  #   routes: [{name: everybody, to: {env: ALERTS_DEFAULT}}]  # a variable with apprise's address
"""
