"""Reading a registry that is a database of MLflow's, straight from its tables.

The tables are MLflow's own affair: only the revisions of its schema that were held against MLflow's client are read
here (a canary test does so), any other is left to the client.

Belongs here: those queries. Does not belong here: writing anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from batch_platform.errors import RegistryError
from batch_platform.models.versions import Listed, Listing

KNOWN_REVISIONS = frozenset({"dc11669786a5"})
"""Revisions of MLflow's schema whose tables mean what is read here: that of MLflow 3.17."""

_KINDS = ("sqlite", "postgresql", "mysql", "mssql")
_WORKSPACE = "default"
_DELETED = "Deleted_Internal"
_PATIENCE = 20
"""Seconds to wait for whoever writes to a SQLite file."""

_revision = sa.table("alembic_version", sa.column("version_num"))
_versions = sa.table(
    "model_versions",
    *map(sa.column, ("workspace", "name", "version", "current_stage", "source", "storage_location")),
)
_tags = sa.table("model_version_tags", *map(sa.column, ("workspace", "name", "version", "key", "value")))
_aliases = sa.table("registered_model_aliases", *map(sa.column, ("workspace", "name", "alias", "version")))


@dataclass(frozen=True)
class DatabaseReader:
    """Reads the tables at a database address.

    Raises (every method):
        sqlalchemy.exc.SQLAlchemyError: the database is unreachable, or is none.
    """

    address: str

    @classmethod
    def of(cls, address: str) -> DatabaseReader | None:
        """The reader of this address; None if it is no database, has no tables yet, or tables of another revision."""
        if address.partition(":")[0].partition("+")[0] not in _KINDS:
            return None
        # Opening a SQLite file would make it; a registry that is new is made by MLflow.
        if address.startswith("sqlite") and not Path(sa.engine.make_url(address).database or "").is_file():
            return None
        reader = cls(address)
        with reader._connected() as connection:
            if not sa.inspect(connection).has_table(_revision.name):
                return None
            found = set(connection.scalars(sa.select(_revision.c.version_num)))
        return reader if found and found <= KNOWN_REVISIONS else None

    def listing(self, name: str) -> Listing:
        """All versions and aliases of a model."""
        joined = sa.and_(
            _tags.c.workspace == _versions.c.workspace,
            _tags.c.name == _versions.c.name,
            _tags.c.version == _versions.c.version,
        )
        versions = (
            sa.select(_versions.c.version, _tags.c.key, _tags.c.value)
            .select_from(_versions.outerjoin(_tags, joined))
            .where(*_live(name))
        )
        aliases = sa.select(_aliases.c.alias, _aliases.c.version).where(
            _aliases.c.workspace == _WORKSPACE, _aliases.c.name == name
        )
        tags: dict[str, dict[str, str]] = {}
        with self._connected() as connection:
            # Aliases first: a version that is promoted between the two is then there already.
            named = {str(alias): str(number) for alias, number in connection.execute(aliases)}
            for number, key, value in connection.execute(versions):
                found = tags.setdefault(str(number), {})
                if key is not None:
                    found[str(key)] = str(value)
        return Listing([Listed(number, found) for number, found in tags.items()], named)

    def location(self, name: str, number: str) -> str:
        """Where the files of a version lie.

        Raises:
            RegistryError: there is no such version.
        """
        wanted = sa.select(_versions.c.storage_location, _versions.c.source).where(
            *_live(name), _versions.c.version == int(number)
        )
        with self._connected() as connection:
            found = connection.execute(wanted).one_or_none()
        if found is None:
            raise RegistryError(f"{name!r} has no version {number}", fix="it may have been deleted; train it again")
        return str(found[0] or found[1])

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        patience = {"timeout": _PATIENCE} if self.address.startswith("sqlite") else {}
        engine = sa.create_engine(self.address, poolclass=sa.NullPool, connect_args=patience)
        with engine.connect() as connection:
            yield connection


def _live(name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _versions.c.workspace == _WORKSPACE, _versions.c.name == name, _versions.c.current_stage != _DELETED
