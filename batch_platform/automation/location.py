"""Loading the project's code location in this process, with errors that a person can read.

Belongs here: definitions and components as commands need them. Does not belong here: what the code location holds
(`definitions.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from batch_platform.errors import BatchPlatformError, ConfigurationError, chain


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
        links = list(chain(error))
        known = next((link for link in links if isinstance(link, BatchPlatformError)), None)
        if known is not None:
            raise known from None
        text = " ".join(str(links[-1]).split()) or type(links[-1]).__name__
        raise ConfigurationError(
            f"a pipeline cannot be loaded: {text[:400]}", fix="correct it; `dg check yaml` says more"
        ) from None
