"""A new `InputSnapshot`: its document, from a sample file where there is one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence, Calendar
from batch_platform.scaffold.pattern import Pattern, pattern_of
from batch_platform.scaffold.place import Place, attributes, named, scalar, write
from batch_platform.scaffold.sample import Sample, read_sample
from batch_platform.settings import Settings

_KNOWN = {Cadence.HOURLY: "1h", Cadence.DAILY: "+1d", Cadence.WEEKLY: "+7d", Cadence.MONTHLY: "+31d"}


class Params(BaseModel):
    """The options of the command."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", description="The table is snapshots/<name>; by default the path's last part.")
    sample: str = Field("", description="One of its files: .csv, .parquet or .jsonl, .gz for text.")
    cadence: Literal["hourly", "daily", "weekly", "monthly"] | None = Field(None, description="How often a file comes.")
    start: str = Field("", description="The first partition's key; by default the date in the sample's path.")
    timezone: str = Field("UTC", description="IANA time zone in which partitions begin.")


def scaffold(params: Params, target: Path, project: Path) -> list[str]:
    """Add the document to the pipeline's; the lines to tell.

    Raises:
        BatchPlatformError: the sample cannot be read, an option makes no sense, or there is such a snapshot.
    """
    place = Place.of(target, project)
    name = named(params.name or place.name, "name")
    if name in attributes(place, "InputSnapshot"):
        raise ConfigurationError(f"there is an InputSnapshot {name!r} already", fix="give another --name")
    cadence = Cadence(params.cadence) if params.cadence else None
    if not params.sample:
        pattern = Pattern(f"data/{name}/{{partition_key}}.csv" if cadence else f"data/{name}.csv", None, cadence)
        document = _document(params, name, pattern, None)
        return write(place, "InputSnapshot", document, {})
    path = Path(params.sample).resolve()
    root = Settings.from_environment().project
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    sample = read_sample(path)
    if not sample.columns:
        raise ConfigurationError("has no columns that can be declared", where=str(path), fix="name another sample")
    return write(place, "InputSnapshot", _document(params, name, pattern_of(shown.as_posix(), cadence), sample), {})


def _document(params: Params, name: str, pattern: Pattern, sample: Sample | None) -> str:
    lines = [f"  name: {name}"]
    if pattern.cadence is not None:
        start = params.start or _first(pattern.day, pattern.cadence, params.timezone)
        calendar = Calendar(pattern.cadence, start, params.timezone)
        zone = "" if params.timezone == "UTC" else f", timezone: {params.timezone}"
        lines += [
            f'  partitions: {{cadence: {pattern.cadence}, start: "{calendar.start}"{zone}}}',
            f"  available: {_KNOWN[pattern.cadence]}  # when a partition is known, relative to its start",
        ]
    elif params.start:
        raise ConfigurationError("--start without --cadence", fix="say how often a partition comes: --cadence daily")
    lines += ["  source:", f"    files: {scalar(pattern.files)}"]
    if sample is None:
        lines += [
            "    # or a database, a Delta table or a function instead of files: docs/how-to/sources.md",
            "    # sql: {url_from: SHOP_DB, table: shop.orders, watermark: ordered_at}",
            "    # delta: {table: s3://lake/orders, partition: day}",
            "    # function: {call: shop.orders:of_day}",
        ]
        lines += ["    # columns: {order_id: BIGINT, ordered_at: TIMESTAMPTZ}  # declare those of anything that lasts"]
    else:
        lines += ["    columns:"]
        lines += [f"      {scalar(column)}: {_type(kind)}" for column, kind in sample.columns.items()]
        lines += [
            f"      # {ascii(column)[:60]}: {ascii(kind)[1:-1][:60]} cannot be declared"
            for column, kind in sample.unusable.items()
        ]
        if sample.keys:
            keys = ", ".join(map(scalar, sample.keys))
            lines += [f"  # key: [{keys}]  # never null and never twice in the sample; right if it always is"]
    return "\n".join(lines) + "\n"


def _type(kind: str) -> str:
    return f'"{kind}"' if "(" in kind else kind


def _first(day: date | None, cadence: Cadence, timezone: str) -> str:
    if day is None:
        raise ConfigurationError("--cadence without --start", fix="say the first partition: --start 2025-01-05")
    if cadence is Cadence.HOURLY:
        return f"{day.isoformat()}-00:00"
    return Calendar(cadence, day.isoformat(), timezone).first
