"""Opening a SQL database at an address that the environment holds.

Belongs here: from the name of a variable to an engine of SQLAlchemy, and which errors are a database's. Does not
belong here: what is read or written.
"""

from __future__ import annotations

from importlib.util import find_spec

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from batch_platform.errors import ConfigurationError, first_line
from batch_platform.secret_values import Secrets

CONNECT_SECONDS = 15
"""How long a connection may take to come about."""


def engine_from(variable: str, secrets: Secrets, where: str) -> sa.Engine:
    """An engine for the database at the address that an environment variable holds; nothing is opened yet.

    Raises:
        ConfigurationError: the variable is not set, its value is no address, or the driver is not installed.
    """
    value = secrets.take(variable)
    wrong: str | None = None
    try:
        url = sa.make_url(value)
        name = url.drivername
        if name in ("postgres", "postgresql") and find_spec("psycopg") is not None:
            url = url.set(drivername="postgresql+psycopg")
        waiting = {"connect_timeout": CONNECT_SECONDS} if url.get_backend_name() == "postgresql" else {}
        return sa.create_engine(url, connect_args=waiting, hide_parameters=True, pool_pre_ping=True)
    except NoSuchModuleError:
        wrong = f"holds an address of a database that SQLAlchemy does not know: {name}"
    except ModuleNotFoundError as error:
        wrong = f"needs the driver {error.name}, which is not installed"
    except (ArgumentError, ValueError):
        wrong = "holds no address that SQLAlchemy understands"
    raise ConfigurationError(
        f"the environment variable {variable} {secrets.redacted(wrong)}",
        where=where,
        fix="set it to postgresql://..., sqlite:///... or another that SQLAlchemy knows, and install its driver",
    )


def of_database(error: Exception) -> bool:
    """Whether SQLAlchemy or a driver raised it."""
    return isinstance(error, SQLAlchemyError) or type(error).__module__.partition(".")[0] in _DRIVERS


def said(error: Exception, secrets: Secrets) -> str:
    """What a database or driver says, in one line: without the statement, its parameters and secrets."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return secrets.redacted(first_line(told))


_DRIVERS = ("psycopg", "adbc_driver_manager", "sqlite3")
