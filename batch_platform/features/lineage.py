"""Where each column of each model comes from, remembered between processes: following a large project takes seconds.

Belongs here: the lineage of feature tables and the file that keeps it. Does not belong here: following values through
a query (`sql/lineage.py`), or drawing it (`cli/`).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from batch_platform.features.definition import FeatureTable, example_query
from batch_platform.sql.lineage import ColumnRef, Lineage, column_lineage
from batch_platform.versions import installed_version

Origins = Mapping[str, tuple[ColumnRef, ...]]
"""A table's columns, each with those that it is computed from."""

_SHOWN = 6
"""How many origins of a column its description names."""


@dataclass
class LineageBook:
    """The lineage of models by what it depends on, kept in a file that may be deleted at any time.

    Args:
        path: the file.
        most: how many models that the file does not know are followed; None for any number. The rest stay unknown
            until the book is opened again.
    """

    path: Path
    most: int | None = None
    _known: dict[str, Any] = field(default_factory=dict)
    _used: dict[str, Any] = field(default_factory=dict)
    _followed: int = 0

    def __post_init__(self) -> None:
        try:
            found = json.loads(self.path.read_text())
        except (OSError, ValueError):
            found = {}
        self._known = found if isinstance(found, dict) else {}

    @classmethod
    def of(cls, project: Path, most: int | None = None) -> LineageBook:
        """The book of a project."""
        return cls(project / "local" / "cache" / "lineage.json", most)

    def lineage(self, features: FeatureTable) -> Lineage:
        """For each column of a model the columns of its inputs from which it is computed."""
        sql = example_query(features)
        key = _key(sql, features)
        try:
            found = _read(self._known[key])
        except (AttributeError, KeyError, TypeError, ValueError):
            if self.most is not None and self._followed >= self.most:
                return Lineage({}, reason="not followed yet: it is when definitions load again")
            self._followed += 1
            found = column_lineage(sql, features.columns_read, str(features.model.path))
        self._used[key] = asdict(found)
        return found

    def save(self) -> None:
        """Keep what was asked for, where that is not what the file holds already; a file that cannot be is left."""
        text = json.dumps(self._used)
        if text == json.dumps(self._known):
            return
        written: Path | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=self.path.parent, delete=False) as file:
                written = Path(file.name)
                file.write(text)
            written.replace(self.path)
        except OSError:
            if written is not None:
                with suppress(OSError):
                    written.unlink()


def whole_lineage(tables: Iterable[FeatureTable], book: LineageBook) -> dict[str, Origins]:
    """Table -> column -> the columns that it is computed from, of all models; what is unknown has none."""
    return {table.model.table: book.lineage(table).columns for table in tables}


def through_ephemeral(columns: Origins, ephemeral: Mapping[str, Origins]) -> dict[str, tuple[ColumnRef, ...]]:
    """The lineage of a table's columns in terms of assets: an ephemeral model's columns are what they come from.

    Args:
        columns: column -> the columns that it is computed from.
        ephemeral: the same of the ephemeral models, by table; what is unknown of them has no origin.
    """

    def assets(refs: Iterable[ColumnRef]) -> Iterator[ColumnRef]:
        for ref in refs:
            if ref.table in ephemeral:
                yield from assets(ephemeral[ref.table].get(ref.column, ()))
            else:
                yield ref

    return {name: tuple(dict.fromkeys(assets(refs))) for name, refs in columns.items()}


def told(refs: Sequence[ColumnRef]) -> str:
    """Where a column comes from, in as few words as a table of columns has room for."""
    columns: dict[str, list[str]] = {}
    for ref in refs[:_SHOWN]:
        columns.setdefault(ref.table, []).append(ref.column)
    found = "; ".join(f"{table}: {', '.join(names)}" for table, names in columns.items())
    more = f" and {len(refs) - _SHOWN} more" if len(refs) > _SHOWN else ""
    return f"[from {found}{more}]" if refs else ""


@functools.cache
def _versions() -> tuple[str, str]:
    return version("sqlglot"), installed_version()


def _key(sql: str, features: FeatureTable) -> str:
    columns = {table: str(schema) for table, schema in sorted(features.columns_read.items())}
    told = [sql, str(features.model.path), columns, *_versions()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _read(raw: Any) -> Lineage:
    """An entry of the file, which may hold anything.

    Raises:
        AttributeError: as the others, it is no entry.
        KeyError, TypeError, ValueError: likewise.
    """
    columns = {
        name: tuple(ColumnRef(str(ref["table"]), str(ref["column"])) for ref in refs)
        for name, refs in raw["columns"].items()
    }
    unknown = {name: str(why) for name, why in raw["unknown"].items()}
    return Lineage(columns, unknown, str(raw["reason"]))
