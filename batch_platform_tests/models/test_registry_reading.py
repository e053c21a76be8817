"""What is read without MLflow's client is what that client says: versions, tags, aliases, places, over every way.

Canary tests: they hold MLflow's tables and its REST API.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import sqlalchemy as sa

from batch_platform.errors import RegistryError
from batch_platform.models import registry_reading
from batch_platform.models.registry import Registry
from batch_platform.models.registry_database import KNOWN_REVISIONS, DatabaseReader
from batch_platform.models.registry_reading import ClientReader, Reader, reader_of
from batch_platform.models.registry_rest import RestReader
from batch_platform.models.versions import Listing
from batch_platform.settings import Settings
from batch_platform_tests.models.registered import Line, registered, settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A registry with a deleted version, a foreign one, aliases, odd tags, and a second model."""
    made = settings_in(tmp_path)
    for slope, day in ((0.5, "2026-01-01"), (0.6, "2026-02-01"), (0.7, "2026-03-01")):
        registered(made, Line(slope), day, promote=slope < 0.7)
    client = mlflow.MlflowClient(made.registry, made.registry)
    client.delete_model_version("visits", "2")
    client.create_model_version("visits", str(tmp_path / "foreign"), tags={"empty": "", "odd": "ä '\"\n"})
    client.set_registered_model_alias("visits", "next", "3")
    client.create_registered_model("others")
    client.create_model_version("others", str(tmp_path / "other"))
    return made


def _client(settings: Settings) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(settings.registry, settings.registry)


def _plain(listing: Listing) -> object:
    return sorted((v.number, dict(v.tags)) for v in listing.versions), dict(listing.aliases)


def _agree(reader: Reader, settings: Settings) -> None:
    client = ClientReader(lambda: _client(settings))
    for name in ("visits", "others", "nobody", "it's"):
        assert _plain(reader.listing(name)) == _plain(client.listing(name)), name
    assert [v.number for v in sorted(reader.listing("visits").versions, key=lambda v: v.number)] == ["1", "3", "4"]
    for number in ("1", "3", "4"):
        assert reader.location("visits", number) == client.location("visits", number)


def test_the_tables_say_what_the_client_says(settings: Settings) -> None:
    reader = reader_of(settings.registry, lambda: _client(settings))
    assert isinstance(reader, DatabaseReader)
    _agree(reader, settings)
    with pytest.raises(RegistryError, match="no version 2"):
        reader.location("visits", "2")


def test_the_revision_of_the_installed_mlflow_is_known(settings: Settings) -> None:
    """Fails with a new MLflow: look at what its migrations change, then add its revision."""
    with sa.create_engine(settings.registry).connect() as connection:
        found = set(connection.scalars(sa.text("SELECT version_num FROM alembic_version")))
    assert found <= KNOWN_REVISIONS


def test_an_unknown_schema_or_a_new_database_is_left_to_the_client(settings: Settings, tmp_path: Path) -> None:
    engine = sa.create_engine(settings.registry)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'of tomorrow'"))
    engine.dispose()
    assert isinstance(reader_of(settings.registry, lambda: _client(settings)), ClientReader)
    fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
    assert isinstance(reader_of(fresh, lambda: _client(settings)), ClientReader)
    assert not (tmp_path / "fresh.db").exists()
    assert isinstance(reader_of("databricks", lambda: _client(settings)), ClientReader)


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_the_client_reads_many_pages(settings: Settings, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(registry_reading, "PAGE", page)
    assert len(ClientReader(lambda: _client(settings)).listing("visits").versions) == 3


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_WORKSPACE"])
def test_a_server_that_wants_unusual_credentials_is_left_to_the_client(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert RestReader.of("http://host", 10) is not None
    monkeypatch.setenv(name, "x")
    assert RestReader.of("http://host", 10) is None


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """MLflow's own server over the same database, on loopback."""
    import socket
    import time
    import urllib.request

    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", settings.registry]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (tmp_path / "server.log").read_text()[-2000:]
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_the_server_says_what_the_client_says_page_by_page(settings: Settings, server: str) -> None:
    for page in (1, 2, 1000):
        reader = RestReader.of(server, page)
        assert reader is not None
        _agree(reader, settings)
    with pytest.raises(RegistryError, match="no version 2"):
        RestReader(server, 10).location("visits", "2")
    found = Registry(replace(settings, registry=server)).versions("visits")
    assert [version.number for version in found] == ["1", "3"]


def test_reading_versions_imports_no_mlflow(settings: Settings) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from batch_platform.lake.store import Lake\n"
        "from batch_platform.models.registry import Registry\nfrom batch_platform.settings import Settings\n"
        f"settings = Settings(Path('.'), Lake('lake'), {settings.registry!r}, 'artifacts')\n"
        "found = Registry(settings).versions('visits')\n"
        "Registry(settings).location(found[0])\n"
        "print(len(found), sorted({'mlflow', 'torch', 'sklearn', 'matplotlib'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "2 []", done.stdout + done.stderr[-2000:]
