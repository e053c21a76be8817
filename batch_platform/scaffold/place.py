"""Where a new component goes, and putting it there: a document of the pipeline's `defs.yaml`, and files beside.

Belongs here: folders, documents, and never overwriting anything. Does not belong here: what the documents say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from batch_platform.errors import ConfigurationError, first_line

NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Place:
    """A component's place: `defs/<pipeline>` or `defs/<pipeline>/<name>`.

    Attributes:
        defs: the folder of all pipelines.
        pipeline: the pipeline's name; its documents stand in one `defs.yaml`.
        name: the path's last part: what the component is called unless it is told otherwise.
    """

    defs: Path
    pipeline: str
    name: str

    @classmethod
    def of(cls, target: Path, project: Path) -> Place:
        """The place that a path below the project's `defs/` means.

        Raises:
            ConfigurationError: it is not `<pipeline>` or `<pipeline>/<name>`, or a part is no name.
        """
        target, project = Path(os.path.normpath(target)), Path(os.path.normpath(project))
        parts = target.relative_to(project).parts if target.is_relative_to(project) else ()
        if "defs" not in parts:
            raise ConfigurationError(f"{target} is not below the project's defs/", fix="name a path such as sales")
        below = parts[parts.index("defs") + 1 :]
        if len(below) not in (1, 2):
            raise ConfigurationError(
                f"{'/'.join(below)!r} is no place for a component", fix="write <pipeline> or <pipeline>/<name>"
            )
        for part in below:
            named(part, "path")
        return cls(project.joinpath(*parts[: parts.index("defs") + 1]), below[0], below[-1])

    @property
    def documents(self) -> Path:
        """The file that holds the pipeline's documents."""
        folder = self.defs / self.pipeline
        other = folder / "defs.yml"  # a defs.yaml beside it would hide it
        return other if other.exists() else folder / "defs.yaml"


def named(name: str, field: str) -> str:
    """The name itself.

    Raises:
        ConfigurationError: it cannot be that of a pipeline, a table or a model.
    """
    if not NAME.fullmatch(name):
        raise ConfigurationError(f"{field}: {name[:60]!r} is no name", fix="use a-z, 0-9 and _, a letter first")
    return name


def declared(path: Path) -> list[dict[str, Any]]:
    """The documents of a `defs.yaml`, as far as they are mappings; none if the file is not there.

    Raises:
        ConfigurationError: it is no YAML.
    """
    try:
        found = list(yaml.safe_load_all(path.read_text(encoding="utf-8"))) if path.exists() else []
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(f"cannot be read: {first_line(error)}", where=str(path), fix="correct it") from None
    return [document for document in found if isinstance(document, dict)]


def attributes(place: Place, component: str) -> dict[str, dict[str, Any]]:
    """The attributes of all components of a kind in the project, by name; this pipeline's come first."""
    found: dict[str, dict[str, Any]] = {}
    others = sorted(path for path in place.defs.rglob("defs.y*ml") if path != place.documents)
    for path in (place.documents, *others):
        for document in declared(path):
            own = document.get("attributes")
            if str(document.get("type", "")).split(".")[-1] == component and isinstance(own, dict):
                found.setdefault(str(own.get("name", own.get("models", ""))), own)
    return found


def write(place: Place, component: str, document: str | None, files: Mapping[Path, str]) -> list[str]:
    """Write new files and add a document to the pipeline's; what was there stays as it is.

    Returns:
        What was written, in lines.

    Raises:
        ConfigurationError: a file exists, or cannot be written; nothing is left behind.
    """
    for path in files:
        if path.exists():
            raise ConfigurationError("exists already", where=str(path), fix="choose another name, or move it away")
    written: list[Path] = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
        if document is not None:
            _append(place.documents, f"type: batch_platform.{component}\nattributes:\n{document}")
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        raise ConfigurationError(f"cannot be written: {error.strerror}", where=str(error.filename)) from error
    added = [f"Added {component} to {place.documents}."] if document is not None else []
    return added + [f"Wrote {path}." for path in files]


def _append(path: Path, document: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    if before.strip():
        before = before.rstrip("\n") + "\n---\n"
    # Written beside and moved, so that an interruption leaves the old file whole.
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(before + document, encoding="utf-8")
    draft.replace(path)


def scalar(text: str) -> str:
    """A text as YAML writes it inside a flow or a block: quoted only where it must be."""
    if not text.isprintable():
        return str(yaml.safe_dump(text, default_style='"', width=1 << 30)).strip()
    plain = re.fullmatch(r"[A-Za-z_]([A-Za-z0-9_ .]*[A-Za-z0-9_.])?", text) and yaml.safe_load(text) == text
    return text if plain else "'" + text.replace("'", "''") + "'"
