"""Loading the project's code location in this process, with errors that a person can read.

Belongs here: definitions and components as commands need them. Does not belong here: what the code location holds
(`definitions.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from batch_platform.errors import BatchPlatformError, ConfigurationError


def load_definitions() -> tuple[dg.Definitions, dg.ComponentTree]:
    """The project's definitions and the components they come from.

    Raises:
        ConfigurationError: a pipeline cannot be loaded; the reason alone, without what Dagster wraps around it.
    """
    from batch_platform.definitions import defs as location

    with _told():
        return location(), load_components()


def load_components() -> dg.ComponentTree:
    """The project's components, each read when it is asked for."""
    from batch_platform.definitions import PACKAGE

    with _told():
        return dg.ComponentTree.for_project(PACKAGE)


@contextmanager
def _told() -> Iterator[None]:
    """Leave of an error what a person can act on."""
    try:
        yield
    except Exception as error:
        chain = list(_chain(error))
        known = next((link for link in chain if isinstance(link, BatchPlatformError)), None)
        if known is not None:
            raise known from None
        text = " ".join(str(chain[-1]).split()) or type(chain[-1]).__name__
        raise ConfigurationError(
            f"a pipeline cannot be loaded: {text[:400]}", fix="correct it; `dg check yaml` says more"
        ) from None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it, as a traceback would show them: the last one is the innermost."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
