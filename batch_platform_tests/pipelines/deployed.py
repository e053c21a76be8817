"""Temporary projects as a deployment runs them: with sensors, a registered model and Dagster's web server and daemon.

Belongs here: making such a project and its files, starting and stopping `dagster dev`, asking it over GraphQL. Does not
belong here: what is expected of it, or a browser.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from batch_platform.settings import ARTIFACTS, LAKE, PROJECT, REGISTRY, Settings
from batch_platform_tests.models.registered import Line, registered, settings_in
from batch_platform_tests.pipelines.project import Project

CHECKOUT = Path(__file__).parents[2]
LOCATION = "project"
STARTING_SECONDS, ANSWERING_SECONDS = 180, 30

FoundT = TypeVar("FoundT")

_LOCATION = """\
from pathlib import Path
from batch_platform.definitions import location_of
defs = location_of(Path(__file__).parent)
"""
_DAGSTER = """\
telemetry: {enabled: false}
nux: {enabled: false}
run_monitoring: {enabled: true, start_timeout_seconds: 300}
concurrency: {runs: {max_concurrent_runs: 2}}
"""


@dataclass(frozen=True)
class Deployment:
    """A project with the pipeline `visits` in a folder, and the settings by which it runs.

    Args:
        project: its files.
        settings: where its lake and its registry are; all below `project.root`.
    """

    project: Project
    settings: Settings

    @classmethod
    def create(cls, root: Path) -> Deployment:
        """The project, with a model that is registered, and no data."""
        project = Project.create(root)
        project.add("visits")
        (root / "location.py").write_text(_LOCATION)
        (root / "workspace.yaml").write_text(
            f"load_from: [{{python_file: {{relative_path: location.py, location_name: {LOCATION}}}}}]\n"
        )
        (root / "dagster").mkdir()
        (root / "dagster" / "dagster.yaml").write_text(_DAGSTER)
        settings = replace(settings_in(root), project=root)
        registered(settings, Line(0.5), "2025-01-01")
        return cls(project, settings)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes need of the environment, and nothing of what may be set here by chance."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("BATCH_PLATFORM_", "DAGSTER_"))}
        return kept | {
            PROJECT: str(self.project.root),
            LAKE: self.settings.lake.root,
            REGISTRY: self.settings.registry,
            ARTIFACTS: self.settings.artifacts,
            "DAGSTER_HOME": str(self.project.root / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(CHECKOUT),
        }

    def write_visits(self, days: Sequence[str], rows: int = 20, *, shift: float = 0.0) -> None:
        """The shop's files of these days; each appears whole. `shift` makes it another content."""
        folder = self.project.root / "data" / "visits"
        folder.mkdir(parents=True, exist_ok=True)
        for day in days:
            number = int(day.replace("-", "")) * 1000
            lines = [f"{number + n},{(n % 10) / 10 + shift},{('red', 'blue')[n % 2]}" for n in range(rows)]
            partial = folder / f".{day}.part"
            partial.write_text("\n".join(["visit,distance,color", *lines]) + "\n")
            partial.rename(folder / f"{day}.csv")

    @contextmanager
    def served(self) -> Iterator[Server]:
        """`dagster dev` on a free port, from its first answer on; ended with all its processes."""
        port = free_port()
        program = str(Path(sys.executable).with_name("dagster"))
        log = self.project.root / "dagster-dev.log"
        with log.open("wb") as told:
            process = subprocess.Popen(
                [program, "dev", "--workspace", "workspace.yaml", "--host", "127.0.0.1", "--port", str(port)],
                cwd=self.project.root,
                env=self.environment,
                stdout=told,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            server = Server(f"http://127.0.0.1:{port}", process, log)
            try:
                server.wait("the code location", STARTING_SECONDS, server.is_loaded)
                yield server
            finally:
                _end(process)


@dataclass(frozen=True)
class Server:
    """A running `dagster dev`.

    Args:
        address: of the web server.
        process: its first process, whose group holds all others.
        log: what it prints.
    """

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    def ask(self, query: str, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The `data` of a GraphQL answer."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        request = urllib.request.Request(f"{self.address}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=ANSWERING_SECONDS) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        data: dict[str, Any] = found["data"]
        return data

    def is_loaded(self) -> bool:
        """Whether the code location is there; one that cannot be loaded is an error at once."""
        entries = self.ask(
            "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus locationOrLoadError { __typename "
            "... on PythonError { message } } } } } }"
        )["workspaceOrError"]["locationEntries"]
        found = [entry["locationOrLoadError"] for entry in entries if entry["locationOrLoadError"]]
        assert all(entry["__typename"] == "RepositoryLocation" for entry in found), found
        return bool(found)

    def wait(self, what: str, seconds: float, ready: Callable[[], FoundT]) -> FoundT:
        """What `ready` gives as soon as it is true.

        Raises:
            AssertionError: it was not in time; with the end of the server's log.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.process.poll() is None, self._failed(f"the server ended while {what} was waited for")
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                if found := ready():
                    return found
            time.sleep(0.5)
        raise AssertionError(self._failed(f"{what} was not there after {seconds:.0f} s"))

    def partitions(self, table: str) -> dict[str, set[str]]:
        """Status -> the partitions of a table that have it, as the UI colours them."""
        ranges = self.ask(
            "query T($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { "
            "assetPartitionStatuses { ... on TimePartitionStatuses { ranges { startKey endKey status } } } } } }",
            {"key": {"path": table.split("/")}},
        )["assetNodeOrError"]["assetPartitionStatuses"]["ranges"]
        return _by_status(ranges)

    def checks(self, table: str) -> dict[str, dict[str, set[str]]]:
        """Check -> status -> the partitions that have it."""
        found = self.ask(
            "query T($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { "
            "assetChecksOrError { ... on AssetChecks { checks { name partitionStatuses { "
            "... on AssetCheckTimePartitionStatuses { ranges { startKey endKey status } } } } } } } } }",
            {"key": {"path": table.split("/")}},
        )["assetNodeOrError"]["assetChecksOrError"]["checks"]
        return {check["name"]: _by_status((check["partitionStatuses"] or {}).get("ranges", [])) for check in found}

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the newest first: id, status, tags, tables."""
        found = self.ask(
            "{ runsOrError { ... on Runs { results { runId status tags { key value } assetSelection { path } } } } }"
        )["runsOrError"]["results"]
        return [
            {
                "id": run["runId"],
                "status": run["status"],
                "tags": {tag["key"]: tag["value"] for tag in run["tags"]},
                "tables": {"/".join(key["path"]) for key in run["assetSelection"] or ()},
            }
            for run in found
        ]

    def sensor(self, name: str) -> dict[str, Any]:
        """A sensor's state and its newest ticks."""
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": LOCATION,
            "sensorName": name,
        }
        found: dict[str, Any] = self.ask(
            "query S($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) { ... on Sensor { "
            "sensorState { status ticks(limit: 20) { status skipReason runIds error { message } } } } } }",
            {"selector": selector},
        )["sensorOrError"]["sensorState"]
        return found

    def set_sensor(self, name: str, *, running: bool) -> None:
        """Switch a sensor on or off, as its toggle in the UI does."""
        selector = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION, "sensorName": name}
        if running:
            query = "mutation S($s: SensorSelector!) { startSensor(sensorSelector: $s) { __typename } }"
            assert self.ask(query, {"s": selector})["startSensor"]["__typename"] == "Sensor"
            return
        state = self.ask(
            "query S($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { id } } }",
            {"s": selector},
        )["sensorOrError"]
        query = "mutation S($id: String!) { stopSensor(id: $id) { __typename } }"
        assert self.ask(query, {"id": state["id"]})["stopSensor"]["__typename"] == "StopSensorMutationResult"

    def _failed(self, what: str) -> str:
        return f"{what}; its log ends:\n{self.log.read_text(errors='replace')[-3000:]}"


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def days_before(today: date, oldest: int, newest: int) -> list[str]:
    """The days from `oldest` to `newest` days before a day, as partition keys in order."""
    return [str(today - timedelta(days=back)) for back in range(oldest, newest - 1, -1)]


def today() -> date:
    """The day in UTC, in which the pipeline's partitions are."""
    return datetime.now(UTC).date()


def _by_status(ranges: Sequence[Mapping[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in ranges:
        first, last = date.fromisoformat(each["startKey"]), date.fromisoformat(each["endKey"])
        keys = {str(first + timedelta(days=step)) for step in range((last - first).days + 1)}
        found.setdefault(each["status"], set()).update(keys)
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """An interruption, as from a keyboard; whatever is left of the group after some seconds is killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
