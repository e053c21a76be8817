"""One deployment with its web server and daemon for all tests of this folder, and a window for each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from batch_platform_tests.pipelines.deployed import Deployment, Server, days_before, today
from batch_platform_tests.ui.browser import Screen, chromium, looking_at

BAD, LATE = 30, 3
"""Days before today: of the file that cannot be read, and of the one that comes late."""

DUE = "+1d 06:00"
"""When a day's predictions are due: six hours after its visits are known."""


@pytest.fixture(scope="session")
def program() -> str:
    """The browser; where tests run by themselves, one that is missing is an error, and nothing is left out."""
    found = chromium()
    if found is None:
        told = "there is no chromium: make browser"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    return found


@pytest.fixture(scope="session")
def deployment(program: str, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """Six weeks of visits, and a deadline; the file of one day is bad, that of another is not there yet."""
    made = Deployment.create(tmp_path_factory.mktemp("ui") / "project")
    *others, predictions = made.project.documents("visits")
    objective = {"attributes": {**predictions["attributes"], "slo": {"due": DUE}}}  # type: ignore[dict-item]
    made.project.declare("visits", [*others, predictions | objective])
    bad, late = days_before(today(), BAD, BAD)[0], days_before(today(), LATE, LATE)[0]
    made.write_visits([day for day in days_before(today(), 45, 1) if day != late])
    file = made.project.root / "data" / "visits" / f"{bad}.csv"
    file.write_text(file.read_text().replace(",0.1,", ",far,", 1))
    return made


@pytest.fixture(scope="session")
def server(deployment: Deployment) -> Iterator[Server]:
    """The deployment's web server and daemon, with automation on."""
    with deployment.served() as running:
        yield running


@pytest.fixture
def screen(server: Server, program: str) -> Iterator[Screen]:
    """A browser window."""
    with looking_at(server.address, program) as window:
        yield window
