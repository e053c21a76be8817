"""What lies in a project's folder: files of a kind, what other files configure them to be, and what may not be there.

Belongs here: names and places. Does not belong here: what the files say (`project.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batch_platform.errors import ConfigurationError
from batch_platform.sql.project_file import Folder, ProjectFile
from batch_platform.sql.properties import Entry
from batch_platform.sql.refusals import BLOCKS
from batch_platform.sql.rendering import table_name
from batch_platform.sql.settings import Layer, laid_over
from batch_platform.sql.yaml_nodes import Document


@dataclass(frozen=True)
class Placed:
    """A file of the project: where it lies below the folder of its kind, and what other files configure it to be."""

    path: Path
    folder: tuple[str, ...]
    given: Layer = field(repr=False)

    @property
    def name(self) -> str:
        """What the file is called in `ref`."""
        return self.path.stem


def files_of(root: Path, folders: Iterable[str], pattern: str) -> list[tuple[Path, tuple[str, ...]]]:
    """The files of a kind in and below folders of the project, each with the way from its folder to it."""
    found: dict[Path, tuple[str, ...]] = {}
    for folder in folders:
        for path in sorted((root / folder).rglob(pattern)):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root / folder).parts):
                found.setdefault(path, path.relative_to(root / folder).parts[:-1])
    return list(found.items())


def placed(
    root: Path,
    file: ProjectFile,
    kind: str,
    pattern: str,
    tree: Folder,
    entries: Mapping[str, Entry],
    known: frozenset[str],
) -> dict[str, Placed]:
    found: dict[str, Placed] = {}
    for path, folder in files_of(root, file.paths[kind], pattern):
        name = table_name(path.stem, str(path))
        if name in found:
            raise ConfigurationError(f"{found[name].path} has the same name", where=str(path), fix="rename one of them")
        layers = tree.layers((file.name, *folder, name))
        if name in entries:
            layers.append(entries[name].settings(known))
        found[name] = Placed(path, folder, laid_over(layers))
    return found


def refuse_strangers(kind: str, names: Iterable[str], entries: Mapping[str, Entry]) -> None:
    """Refuse an entry of a property file that speaks of a file which is not there."""
    known = set(names)
    for name, entry in entries.items():
        if name not in known:
            raise ConfigurationError(f"there is no {kind} {name!r}", where=entry.where, fix="correct the name")


def refuse_unknown_folders(tree: Folder, files: Iterable[Placed], project: str) -> None:
    """Refuse settings for a folder that holds nothing: dbt warns, and they would be lost."""
    ways = [(project, *place.folder, place.name) for place in files]
    for way, where in tree.ways():
        if not any(known[: len(way)] == way for known in ways):
            raise ConfigurationError(f"there is no {'/'.join(way[1:]) or 'file'} to configure", where=where)


def refuse_packages(root: Path) -> None:
    for name in ("packages.yml", "dependencies.yml"):
        if not (root / name).is_file():
            continue
        document = Document(root / name)
        node = document.root()
        parts = document.mapping(node, "the file", None) if node is not None else {}
        for key in ("packages", "projects"):
            if key in parts and document.value(parts[key]):
                document.refuse(parts[key], f"{key} are not installed here", "write the macros you need in macros/")


def refuse_kinds(root: Path, file: ProjectFile) -> None:
    """Refuse models in Python, and dbt's snapshots."""
    for path, _ in files_of(root, file.paths["model-paths"], "*.py"):
        raise ConfigurationError("models in Python are not supported", where=str(path), fix="write the model in SQL")
    for path, _ in files_of(root, file.paths["snapshot-paths"], "*.sql"):
        raise ConfigurationError(BLOCKS["snapshot"].what, where=str(path), fix=BLOCKS["snapshot"].fix)
