"""Loading the project's code location in this process, with errors that a person can read.

Belongs here: definitions and components as commands need them. Does not belong here: what the code location holds
(`definitions.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import ValidationError

from batch_platform.errors import BatchPlatformError, ConfigurationError, chain

_FIX = "correct it; `dg check yaml` says more"


def load_definitions() -> tuple[dg.Definitions, dg.ComponentTree]:
    """The project's definitions and the components they come from.

    Raises:
        ConfigurationError: a pipeline cannot be loaded; the reason alone, without what Dagster wraps around it.
    """
    from batch_platform.definitions import defs as location

    with _told():
        found = location()
        return found, found.component_tree or load_components()


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
        if isinstance(links[-1], ValidationError):
            raise _misread(links[-1]) from None
        text = " ".join(str(links[-1]).split()) or type(links[-1]).__name__
        raise ConfigurationError(f"a pipeline cannot be loaded: {text[:400]}", fix=_FIX) from None


def _misread(error: ValidationError) -> ConfigurationError:
    """A field that the schema refuses, with its file and line.

    Dagster lets each field be a template, too: next to what is wrong with it stands that it is no text.
    """
    wrong = [one for one in error.errors() if not re.search(r"\.str( at |$)", _place(one["loc"]))] or error.errors()
    # A misspelled field is why another one is missing.
    first = min(wrong, key=lambda one: one["type"] != "extra_forbidden")
    path, _, file = _place(first["loc"]).partition(" at ")
    path = re.sub(r"\.(\w+Model|json-or-python\[.*\]|constrained-\w+)(?=\.|$)", "", path)
    known = {
        "extra_forbidden": "there is no such field",
        "missing": "a field is missing",
        "string_type": "expected text in quotes",
        "model_type": "expected a mapping of fields",
    }
    what = known.get(first["type"], first["msg"].replace("Input should be", "expected"))
    found = "" if first["type"] in ("extra_forbidden", "missing") else f", found {first['input']!r:.80}"
    more = f" [and {len(wrong) - 1} more]" if len(wrong) > 1 else ""
    return ConfigurationError(f"{what}{found}{more}", where=f"{f'{file}, ' if file else ''}field {path}", fix=_FIX)


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))
