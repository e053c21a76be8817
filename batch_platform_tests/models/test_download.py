"""Model files that lie elsewhere are copied once, verified, and mended when the copy is damaged."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batch_platform.errors import ModelError
from batch_platform.models import artifact
from batch_platform.models.download import CACHE, source_of
from batch_platform.models.runtimes.loading import folder_digest
from batch_platform.models.versions import BUILT_IN, Version
from batch_platform_tests.models.registered import Line

REMOTE = "s3://bucket/models/visits"


class Remote:
    """A folder that stands for an object store, and what was fetched from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fetched: list[str] = []

    def __call__(self, address: str, target: Path) -> None:
        self.fetched.append(address)
        shutil.copytree(self.folder, target, dirs_exist_ok=True)


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    artifact.save(Line(0.5), tmp_path / "remote")
    return Remote(tmp_path / "remote")


def version(digest: str, flavor: str = BUILT_IN) -> Version:
    return Version("visits", "3", digest, "2026-01-01", datetime(2026, 1, 1, tzinfo=UTC), True, flavor=flavor)


OURS = version(artifact.digest_of(Line(0.5)))


def test_local_files_are_used_where_they_lie(tmp_path: Path, remote: Remote) -> None:
    source = source_of(OURS, (tmp_path / "there").as_uri(), tmp_path, remote)
    assert (source.folder, source.digest, source.number) == (tmp_path / "there" / "data" / "model", OURS.digest, "3")
    assert source_of(version("0" * 32, "onnx"), str(tmp_path / "there"), tmp_path, remote).folder == tmp_path / "there"
    assert not remote.fetched


@pytest.mark.parametrize("flavor", [BUILT_IN, "sklearn"])
def test_remote_files_are_copied_once_and_verified(flavor: str, tmp_path: Path, remote: Remote) -> None:
    wanted = OURS if flavor == BUILT_IN else version(folder_digest(remote.folder), flavor)
    first, second = (source_of(wanted, REMOTE, tmp_path, remote) for _ in range(2))
    assert first == second
    assert first.folder == tmp_path / CACHE / wanted.digest
    assert remote.fetched == [f"{REMOTE}/data/model" if flavor == BUILT_IN else REMOTE]
    assert [path.name for path in (tmp_path / CACHE).iterdir()] == [wanted.digest]


def test_a_damaged_copy_is_fetched_again(tmp_path: Path, remote: Remote) -> None:
    folder = source_of(OURS, REMOTE, tmp_path, remote).folder
    (folder / artifact.TENSORS).write_bytes(b"")
    assert artifact.load(source_of(OURS, REMOTE, tmp_path, remote).folder, OURS.digest) == Line(0.5)
    assert len(remote.fetched) == 2


def test_files_that_are_not_the_registered_ones_are_refused_and_not_kept(tmp_path: Path, remote: Remote) -> None:
    for other in (version("0" * 32), version("0" * 32, "sklearn")):
        with pytest.raises(ModelError, match="the registry says 000000000000"):
            source_of(other, REMOTE, tmp_path, remote)
    assert not list((tmp_path / CACHE).iterdir())


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, remote: Remote) -> None:
    (tmp_path / CACHE).parent.mkdir(parents=True)
    (tmp_path / CACHE).write_text("in the way")
    with pytest.raises(ModelError, match=f"{CACHE}: the model cannot be copied to this machine"):
        source_of(OURS, REMOTE, tmp_path, remote)


def test_many_at_once_end_with_one_whole_copy(tmp_path: Path, remote: Remote) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: source_of(OURS, REMOTE, tmp_path, remote), range(16)))
    assert len(set(found)) == 1
    assert artifact.load(found[0].folder, OURS.digest) == Line(0.5)
