"""Where each column of each model comes from, remembered between processes: following a large project takes seconds.

Belongs here: the lineage of feature tables and the file that keeps it. Does not belong here: following values through
a query (`sql/lineage.py`), or drawing it (`cli/`).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from batch_platform.features.definition import FeatureTable, example_query
from batch_platform.sql.lineage import ColumnRef, Lineage, column_lineage
from batch_platform.versions import installed_version


@dataclass
class LineageBook:
    """The lineage of models by what it depends on, kept in a file that may be deleted at any time.

    Args:
        path: the file.
    """

    path: Path
    _known: dict[str, Any] = field(default_factory=dict)
    _used: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            found = json.loads(self.path.read_text())
        except (OSError, ValueError):
            found = {}
        self._known = found if isinstance(found, dict) else {}

    @classmethod
    def of(cls, project: Path) -> LineageBook:
        """The book of a project."""
        return cls(project / "local" / "cache" / "lineage.json")

    def lineage(self, features: FeatureTable) -> Lineage:
        """For each column of a model the columns of its inputs from which it is computed."""
        sql = example_query(features)
        key = _key(sql, features)
        try:
            found = _read(self._known[key])
        except (KeyError, TypeError, ValueError):
            found = column_lineage(sql, features.columns_read, str(features.model.path))
        self._used[key] = asdict(found)
        return found

    def save(self) -> None:
        """Keep what was asked for, where that is not what the file holds already; a file that cannot be is left."""
        if self._used == self._known:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile("w", dir=self.path.parent, delete=False) as file:
                json.dump(self._used, file)
            Path(file.name).replace(self.path)
        except OSError:
            return


def whole_lineage(tables: Iterable[FeatureTable], book: LineageBook) -> dict[str, Mapping[str, tuple[ColumnRef, ...]]]:
    """Table -> column -> the columns that it is computed from, of all models; what is unknown has none."""
    return {table.model.table: book.lineage(table).columns for table in tables}


@functools.cache
def _versions() -> tuple[str, str]:
    return version("sqlglot"), installed_version()


def _key(sql: str, features: FeatureTable) -> str:
    columns = {table: str(schema) for table, schema in sorted(features.columns_read.items())}
    told = [sql, str(features.model.path), columns, *_versions()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


def _read(raw: Mapping[str, Any]) -> Lineage:
    columns = {name: tuple(ColumnRef(**ref) for ref in refs) for name, refs in raw["columns"].items()}
    return Lineage(columns, dict(raw["unknown"]), str(raw["reason"]))
