"""Descriptions: `{% docs %}` blocks in Markdown files, and `{{ doc('name') }}` in a description.

Belongs here: finding and inserting them. Does not belong here: what is described.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from jinja2.sandbox import ImmutableSandboxedEnvironment

from batch_platform.errors import BatchPlatformError, ConfigurationError, first_line
from batch_platform.sql.templates import environment, has_jinja, read_text, refuse

_TAG = re.compile(r"\{%[-+]?\s*(?P<word>docs|enddocs)(?:\s+(?P<name>\w+))?\s*[-+]?%\}", re.ASCII)


def load_docs(files: Iterable[Path]) -> dict[str, str]:
    """The blocks of Markdown files, by name; they are text and hold no templates.

    Raises:
        ConfigurationError: a block has no name or no end, or a name stands twice: `file:line: what`.
    """
    found: dict[str, str] = {}
    places: dict[str, str] = {}
    for path in files:
        text = read_text(path)
        opened: re.Match[str] | None = None
        for tag in _TAG.finditer(text):
            line = text.count("\n", 0, tag.start()) + 1
            if (tag["word"] == "docs") == (opened is not None):
                refuse(path, line, "a docs block must end before the next begins", "write {% enddocs %}")
            if opened is not None:
                found[opened["name"]] = text[opened.end() : tag.start()].strip()
                opened = None
                continue
            if tag["name"] is None:
                refuse(path, line, "a docs block needs a name", "write {% docs name %}")
            if tag["name"] in found:
                refuse(path, line, f"docs {tag['name']} is already in {places[tag['name']]}", "rename one")
            places[tag["name"]], opened = f"{path}:{line}", tag
        if opened is not None:
            line = text.count("\n", 0, opened.start()) + 1
            refuse(path, line, f"docs {opened['name']} does not end", "write {% enddocs %}")
    return found


def described(text: str, docs: Mapping[str, str], where: str, project: str = "") -> str:
    """A description with the blocks that it names in their places.

    Args:
        text: as the property file says it.
        docs: the project's blocks; they are inserted as they stand.
        where: the place, `file:line`, for the error.
        project: the project's name, which `doc` takes as its first of two arguments.

    Raises:
        ConfigurationError: it names a block that is not there, or anything but `doc`.
    """
    if not has_jinja(text):
        return text

    def doc(*names: str) -> str:
        if len(names) not in (1, 2) or (len(names) == 2 and names[0] != project):
            raise ConfigurationError("doc() takes the name of a block of this project", fix="doc('name')")
        if names[-1] not in docs:
            raise ConfigurationError(
                f"there is no docs block {names[-1]!r}", fix=f"there are {', '.join(sorted(docs)) or 'none'}"
            )
        return docs[names[-1]]

    try:
        return _environment().from_string(text).render(doc=doc)
    except BatchPlatformError as error:
        raise ConfigurationError(error.what, where=where, fix=error.fix) from None
    except Exception as error:  # a description is the user's program, too
        raise ConfigurationError(first_line(error), where=where, fix="a description knows doc() alone") from None


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    return environment()
