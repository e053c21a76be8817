"""A new feature table: its SQL and its contract, which hand on all columns of a snapshot, and its document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from glob import glob
from pathlib import Path
from string import Formatter
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Offset
from batch_platform.scaffold.place import Place, attributes, named, scalar, write
from batch_platform.scaffold.sample import Sample, read_sample
from batch_platform.settings import Settings

_FEATURES = ("BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "VARCHAR")


class Params(BaseModel):
    """The options of the command."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", description="The table is features/<name>; by default <snapshot>_features.")
    models: str = Field("", description="Folder under dbt_like_sql/models/; by default the pipeline's name.")
    from_snapshot: str = Field(
        "", description="The snapshot whose rows it hands on; by default the pipeline's only one."
    )
    sample: str = Field("", description="A file of that snapshot; by default the first that is there.")
    key: list[str] = Field([], description="Columns that identify a row; by default the snapshot's, or the sample's.")
    carried: list[str] = Field([], description="Columns that are handed on and that no model may read.")
    known_at: str = Field("", description="The decision time; by default when the snapshot is known.")


def scaffold(params: Params, target: Path, project: Path) -> list[str]:
    """Write the model and its contract, and add the document if the folder has none; the lines to tell.

    Raises:
        BatchPlatformError: there is no such snapshot, its columns or its key are not known, or a file exists.
    """
    place = Place.of(target, project)
    origin, snapshot = _snapshot(params.from_snapshot, place)
    name = named(params.name or f"{origin}_features", "name")
    folder = "/".join(named(part, "models") for part in (params.models or place.pipeline).split("/"))
    settings = Settings.from_environment()
    sample = _sample(params.sample, origin, snapshot, settings.project)
    columns = _renamed(_declared(snapshot, sample))
    key = _key(params.key, snapshot, sample, columns)
    guessed = bool(key) and not params.key and not snapshot.get("key")
    unknown = [column for column in params.carried if column not in columns]
    if unknown:
        raise ConfigurationError(f"--carried {unknown[0]!r} is no column", fix=f"there are {', '.join(columns)}")
    models = settings.sql_models / folder
    twins = sorted(settings.sql_models.rglob(f"{name}.sql"))
    if twins:
        raise ConfigurationError("exists already", where=str(twins[0]), fix="give another --name")
    contract = models / "schema.yml" if not (models / "schema.yml").exists() else models / f"{name}.yml"
    named_columns = {column: new for column, (new, _) in columns.items()}
    files = {
        models / f"{name}.sql": _sql(origin, columns, [named_columns[column] for column in key], snapshot, guessed),
        contract: _contract(name, origin, columns, key, sample, params.carried),
    }
    known_at = Offset.parse(params.known_at or str(snapshot.get("available", "+1d"))).text
    document = f"  models: {folder}  # dbt_like_sql/models/{folder}/\n  known_at: {known_at}  # the decision time\n"
    there = folder in attributes(place, "FeatureTables")
    return write(place, "FeatureTables", None if there else document, files)


def _snapshot(name: str, place: Place) -> tuple[str, dict[str, Any]]:
    known = attributes(place, "InputSnapshot")
    if not name and len(known) == 1:
        return next(iter(known.items()))
    name = name.removeprefix("snapshots/")
    if name not in known:
        what = f"there is no InputSnapshot {name[:60]!r}" if name else "--from-snapshot is missing"
        raise ConfigurationError(what, fix=f"there are {', '.join(sorted(known)) or 'none: scaffold one first'}")
    return name, known[name]


def _sample(given: str, origin: str, snapshot: Mapping[str, Any], project: Path) -> Sample | None:
    """What a file of the snapshot tells: the one that was named, else the first that its pattern may mean."""
    if given:
        return read_sample(Path(given).resolve())
    files = (snapshot.get("source") or {}).get("files")
    if not isinstance(files, str):
        return None
    try:
        pieces = list(Formatter().parse(files))
    except ValueError:
        return None
    pattern = "".join(literal + ("*" if name is not None else "") for literal, name, _, _ in pieces)
    found = sorted(glob(pattern, root_dir=project, recursive=True))  # noqa: PTH207, RUF100
    return read_sample(project / found[0]) if found else None


def _declared(snapshot: Mapping[str, Any], sample: Sample | None) -> dict[str, str]:
    columns = (snapshot.get("source") or {}).get("columns")
    if isinstance(columns, dict) and columns:
        return {str(name): str(kind).upper().replace(" ", "") for name, kind in columns.items()}
    if sample is not None and sample.columns:
        return sample.columns
    raise ConfigurationError(
        "the snapshot declares no columns, and none of its files is there", fix="give --sample, or declare `columns`"
    )


def _renamed(columns: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Each column with its name in the feature table, which SQL and contracts can spell, and its type."""
    found: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    for column, kind in columns.items():
        base = column if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", column) else _snake(column)
        new, number = base, 1
        while new.lower() in taken or new.lower() == "partition_key":
            number += 1
            new = f"{base}_{number}"
        taken.add(new.lower())
        found[column] = new, kind
    return found


def _snake(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return words if words[:1].isalpha() else f"column_{words}".rstrip("_")


def _key(
    given: Sequence[str], snapshot: Mapping[str, Any], sample: Sample | None, columns: Mapping[str, object]
) -> list[str]:
    declared = snapshot.get("key") or []
    key = list(given) or [str(name) for name in declared] or list(sample.keys if sample else ())
    if not key and snapshot.get("partitions"):
        raise ConfigurationError("nothing tells what identifies a row", fix="give --key, once for each column")
    missing = [name for name in key if name not in columns]
    if missing:
        raise ConfigurationError(f"the key column {missing[0]!r} is no column", fix=f"there are {', '.join(columns)}")
    return key


def _sql(
    origin: str, columns: Mapping[str, tuple[str, str]], key: Sequence[str], snapshot: Mapping[str, Any], guessed: bool
) -> str:
    partitions = snapshot.get("partitions")
    zone = str((partitions or {}).get("timezone", "UTC"))
    # A table without partitions is made of plain ones, whose rows have no positions.
    positions = ["_source_file", "_source_row"] if partitions else []
    selected = []
    quoted_zone = "'" + zone.replace("'", "''") + "'"
    for column, (new, kind) in columns.items():
        read = _quoted(column)
        if kind == "TIMESTAMP":
            read = f"{read} AT TIME ZONE {quoted_zone}"
        selected.append(read if read == _quoted(new) else f"{read} AS {_quoted(new)}")
    body = ",\n".join(f"    {line}" for line in [*selected, *positions])
    keys = ", ".join(f"'{name}'" for name in key)
    note = "-- The key is a guess: it identifies the rows of one sample.\n" if guessed else ""
    config = f"{{{{ config(key=[{keys}]) }}}}\n\n" if key else ""
    order = f"ORDER BY {', '.join(map(_quoted, key))}\n" if key else ""
    return (
        f"{config}"
        f"-- One row per row of {origin}. Each column has its entry in the property file beside this one.\n"
        f"{note}"
        f"SELECT\n{body}\nFROM {{{{ source('snapshots', '{origin}') }}}}\n{order}"
    )


def _contract(
    name: str,
    origin: str,
    columns: Mapping[str, tuple[str, str]],
    key: Sequence[str],
    sample: Sample | None,
    carried: Sequence[str],
) -> str:
    lines = [
        "version: 2",
        "models:",
        f"  - name: {name}",
        f"    description: One row per row of {origin}.",
        "    columns:",
    ]
    for column, (new, kind) in columns.items():
        role = "key" if column in key else "carried" if column in carried or kind not in _FEATURES else "feature"
        role = "feature" if role == "carried" and kind.startswith("DECIMAL") and column not in carried else role
        lines += [
            f"      - name: {scalar(new)}",
            f"        description: {scalar(f'{column} of {origin}.')}",
            f"        data_type: {'TIMESTAMPTZ' if kind == 'TIMESTAMP' else scalar(kind)}",
            f"        meta: {{role: {role}}}",
        ]
        if column in key or (sample is not None and column in sample.complete):
            lines.append("        data_tests: [not_null]")
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.lower() not in _reserved()
    return name if plain else '"' + name.replace('"', '""') + '"'


@cache
def _reserved() -> frozenset[str]:
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        ).fetchall()
    return frozenset(row[0] for row in rows)
