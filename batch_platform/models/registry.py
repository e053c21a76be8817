"""The model registry: immutable, digest-pinned versions in MLflow, and which of them serves when.

Belongs here: registering, finding, loading and promoting versions. Does not belong here: training, or deciding
whether a version deserves promotion (`gate.py`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from batch_platform.errors import RegistryError
from batch_platform.models import artifact
from batch_platform.models.packaging import DATA, as_mlflow_model
from batch_platform.models.registry_address import (
    already_there_is_fine,
    artifact_location,
    connected,
    local_folder,
    reaching,
)
from batch_platform.settings import Settings

CHAMPION = "champion"
DIGEST, WINDOW, WINDOW_START = "digest", "serving_window", "serving_window_start"
PROMOTED, PROMOTED_AT = "promoted", "promoted_at"

PAGE = 1000
"""Versions asked for at once; a registry may hold more."""

_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True)
class Version:
    """One registered version of a model.

    Args:
        name: the model's name.
        number: the version's number, a string as in MLflow.
        digest: over its tensors and configuration.
        window: key of the window that it serves.
        window_start: when that window begins.
        promoted: whether it may serve.
        metrics: figures from its holdout, as they were registered.
        promotion: its place in the order of promotions, from 1; 0 if that was never recorded.
    """

    name: str
    number: str
    digest: str
    window: str
    window_start: datetime
    promoted: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
    promotion: int = 0

    @property
    def precedence(self) -> tuple[datetime, int, int]:
        """Of the promoted versions whose window has begun, the one with the greatest serves.

        The promotion counts before the number: data that were corrected and then restored reproduce a version that
        is older than the one it must replace.
        """
        return (self.window_start, self.promotion, int(self.number))


class Registry:
    """The registry that the settings name.

    Raises (every method):
        RegistryError: the registry is unreachable, or holds no version that fits.
    """

    def __init__(self, settings: Settings) -> None:
        self._address, self._artifacts = settings.registry, settings.artifacts
        self._client = connected(self._address)

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

    def versions(self, name: str) -> list[Version]:
        """All versions of a model, oldest first."""
        found: list[Any] = []
        token: str | None = ""
        with reaching(self._address):
            while token is not None:
                page = self._client.search_model_versions(
                    f"name = '{name}'", max_results=PAGE, page_token=token or None
                )
                found += page
                token = page.token or None
        versions = [
            Version(
                name,
                str(version.version),
                version.tags[DIGEST],
                version.tags[WINDOW],
                datetime.fromisoformat(version.tags[WINDOW_START]),
                version.tags.get(PROMOTED) == "true",
                promotion=_place(version.tags.get(PROMOTED_AT)),
            )
            for version in found
            if DIGEST in version.tags and WINDOW in version.tags
        ]
        return sorted(versions, key=lambda version: int(version.number))

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
        """The promoted version of the newest serving window that has begun at `moment`; of several, the one that was
        promoted last."""
        found = self.serving(name, moment)
        if found is None:
            raise RegistryError(
                f"no promoted version of {name!r} serves {moment:%Y-%m-%d %H:%M %Z}",
                where=f"models/{name}",
                fix="materialize the model for that window, or look at its gate check",
            )
        return found

    def serving(self, name: str, moment: datetime, *, without: Version | None = None) -> Version | None:
        """As `as_of`, but None if there is none; leaves out the version `without`."""
        left_out = without.number if without else None
        begun = [v for v in self.versions(name) if v.promoted and v.window_start <= moment and v.number != left_out]
        return max(begun, key=lambda version: version.precedence, default=None)

    def champion(self, name: str) -> Version:
        """The version that the alias `champion` names."""
        from mlflow.exceptions import MlflowException

        with reaching(self._address):
            try:
                number = str(self._client.get_model_version_by_alias(name, CHAMPION).version)
            except MlflowException as error:
                if error.error_code not in _ABSENT:
                    raise
                raise RegistryError(f"{name!r} has no champion", fix="promote a version") from error
        return self.numbered(name, number)

    def numbered(self, name: str, number: str) -> Version:
        """The version with this number, promoted or not."""
        known = self.versions(name)
        found = next((version for version in known if version.number == number), None)
        if found is None:
            newest = f"its newest is {known[-1].number}" if known else "it has none; check the name, or train one"
            raise RegistryError(f"{name!r} has no version {number}", fix=newest)
        return found

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
        with reaching(self._address):
            source = self._client.get_model_version_download_uri(version.name, version.number)
            local = local_folder(source)
            if local is not None:
                return artifact.load(local / "data" / DATA, version.digest)
            import mlflow

            with tempfile.TemporaryDirectory() as scratch:
                folder = mlflow.artifacts.download_artifacts(
                    f"{source}/data/{DATA}", dst_path=scratch, tracking_uri=self._address
                )
                return artifact.load(Path(folder), version.digest)

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


def _place(tag: str | None) -> int:
    return int(tag) if tag is not None and tag.isdecimal() else 0
