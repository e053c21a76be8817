"""Writing small projects for tests."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.sql.project import Project, load_project


def project_of(root: Path, **files: str) -> Project:
    """Write files, `__` in a name for `/` and the last `_` for the dot, and read the project."""
    write(root, **files)
    return load_project(root)


def write(root: Path, **files: str) -> None:
    """Write files below `root`; see `project_of`."""
    for name, text in files.items():
        place, _, kind = name.replace("__", "/").rpartition("_")
        path = root / f"{place}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def refusal(root: Path, **files: str) -> str:
    """The message with which a project is refused when it and all that it holds is read, without the root."""
    with pytest.raises(ConfigurationError) as caught:
        project = project_of(root, **files)
        project.seeds()
        project.singular_tests()
        project.models()
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(f"{root}/", "")
