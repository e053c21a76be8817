"""The model registry: immutable, digest-pinned versions in MLflow, and which of them serves when.

Belongs here: registering, finding, loading and promoting versions. Does not belong here: training, deciding whether
a version deserves promotion (`gate.py`), or how a registry is read quickly (`registry_reading.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from batch_platform.errors import ModelError
from batch_platform.models import artifact
from batch_platform.models.download import downloaded, source_of
from batch_platform.models.packaging import as_mlflow_model
from batch_platform.models.registry_address import (
    already_there_is_fine,
    artifact_location,
    connected,
    prepare_mlflow,
    reaching,
)
from batch_platform.models.registry_reading import Reader, reader_of
from batch_platform.models.runtimes.loading import ModelSource
from batch_platform.models.versions import (
    BUILT_IN,
    CHAMPION,
    DIGEST,
    PROMOTED,
    PROMOTED_AT,
    WINDOW,
    WINDOW_START,
    Version,
    Versions,
)
from batch_platform.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Registry", "Version", "Versions"]


class Registry:
    """The registry that the settings name.

    Raises (every method):
        RegistryError: the registry is unreachable, or holds no version that fits.
    """

    def __init__(self, settings: Settings) -> None:
        self._address, self._artifacts, self._project = settings.registry, settings.artifacts, settings.project
        prepare_mlflow()

    @cached_property
    def _client(self) -> MlflowClient:
        """MLflow's client, for whatever is written; reading does without it where it can."""
        return connected(self._address)

    @cached_property
    def _reader(self) -> Reader:
        return reader_of(self._address, lambda: self._client)

    def register(
        self,
        name: str,
        model: artifact.Model,
        example: pa.Table,
        *,
        window: str,
        window_start: datetime,
        metrics: Mapping[str, float],
        parameters: Mapping[str, str],
    ) -> Version:
        """Make a trained model an immutable version; the same model for the same window is registered once.

        Args:
            name: the model's name.
            model: the model.
            example: a few rows of its features, which become the signature and the input example.
            window: key of the window that it serves.
            window_start: when that window begins.
            metrics: figures from its holdout.
            parameters: what determined it: training window, seed, input digests, code; kept with the run that first
                made it.
        """
        digest = artifact.digest_of(model)
        known = next((v for v in self.versions(name) if v.digest == digest and v.window == window), None)
        if known is not None:
            return known
        tags = {DIGEST: digest, WINDOW: window, WINDOW_START: window_start.isoformat(), PROMOTED: "false"}
        with reaching(self._address), tempfile.TemporaryDirectory() as scratch:
            folder = as_mlflow_model(model, example, Path(scratch))
            run = self._client.create_run(self._experiment(name), run_name=f"{name} {window}", tags=tags)
            for key, value in parameters.items():
                self._client.log_param(run.info.run_id, key, value)
            for key, number in metrics.items():
                self._client.log_metric(run.info.run_id, key, number)
            self._client.log_artifacts(run.info.run_id, str(folder), "model")
            self._client.set_terminated(run.info.run_id)
            with already_there_is_fine():
                self._client.create_registered_model(name)
            source = f"{run.info.artifact_uri}/model"
            made = self._client.create_model_version(name, source, run.info.run_id, tags=tags)
        return Version(name, str(made.version), digest, window, window_start, False, dict(metrics))

    def versions(self, name: str) -> Versions:
        """All versions of a model as they are now, oldest first; whoever needs several answers asks once."""
        with reaching(self._address):
            return Versions.of(name, self._reader.listing(name))

    def promote(self, version: Version) -> None:
        """Let a version serve its window, and make it the champion if no promoted version serves a later one.

        Of several versions for one window the one that was promoted last serves.
        """
        known = self.versions(version.name)
        later = [v for v in known if v.promoted and v.window_start > version.window_start]
        place = 1 + max((v.promotion for v in known), default=0)
        with reaching(self._address):
            self._client.set_model_version_tag(version.name, version.number, PROMOTED_AT, str(place))
            self._client.set_model_version_tag(version.name, version.number, PROMOTED, "true")
            if not later:
                self._client.set_registered_model_alias(version.name, CHAMPION, version.number)

    def as_of(self, name: str, moment: datetime) -> Version:
        """The version that serves at `moment`: see `Versions.as_of`."""
        return self.versions(name).as_of(moment)

    def serving(self, name: str, moment: datetime, *, without: Version | None = None) -> Version | None:
        """As `as_of`, but None if there is none; leaves out the version `without`."""
        return self.versions(name).serving(moment, without=without)

    def champion(self, name: str) -> Version:
        """The version that the alias `champion` names."""
        return self.versions(name).champion()

    def numbered(self, name: str, number: str) -> Version:
        """The version with this number, promoted or not."""
        return self.versions(name).numbered(number)

    def location(self, version: Version) -> str:
        """The address of a version's files, as MLflow would download them from."""
        with reaching(self._address):
            return self._reader.location(version.name, version.number)

    def metrics(self, version: Version) -> dict[str, float]:
        """The figures that were registered with a version."""
        with reaching(self._address):
            return dict(self._run_of(version).data.metrics)

    def parameters(self, version: Version) -> dict[str, str]:
        """What determined a version, as it was registered: see `lineage.parameters_of`."""
        with reaching(self._address):
            return dict(self._run_of(version).data.params)

    def load(self, version: Version) -> artifact.Model:
        """Load a version's model and verify its digest.

        Raises:
            ModelError: the artifact is missing, damaged or not the one that was registered.
        """
        if version.flavor != BUILT_IN:
            raise ModelError(
                f"{version.name} version {version.number} is a model of MLflow's flavour {version.flavor}",
                fix="score it through a prediction table, or load it with mlflow.pyfunc",
            )
        return artifact.load(self.source(version).folder, version.digest)

    def source(self, version: Version) -> ModelSource:
        """A version as workers load it, its files on this machine.

        Raises:
            ModelError: files that had to be downloaded are not those that were registered.
        """

        def fetch(address: str, target: Path) -> None:
            with reaching(self._address):
                downloaded(address, target, self._address)

        return source_of(version, self.location(version), self._project, fetch)

    def _run_of(self, version: Version) -> Any:
        return self._client.get_run(str(self._client.get_model_version(version.name, version.number).run_id))

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        with already_there_is_fine():
            place = artifact_location(self._artifacts, name)
            return str(self._client.create_experiment(name, artifact_location=place))
        return str(self._client.get_experiment_by_name(name).experiment_id)
