"""Reading a registry that is an MLflow server, over its documented REST API (2.0).

Belongs here: those requests. Does not belong here: writing anything, or credentials other than a user with a
password, or a token: such servers are left to MLflow's client.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch_platform.errors import RegistryError
from batch_platform.models.versions import Listed, Listing

if TYPE_CHECKING:
    import requests

_USER, _PASSWORD, _TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
_ONLY_MLFLOW = (
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_WORKSPACE",
)
"""Settings of MLflow that change how its server is asked."""

_CREDENTIALS = Path("~/.mlflow/credentials")
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_PASSING = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class RestReader:
    """Asks the server at an address.

    Raises (every method):
        RegistryError: the server refuses, or answers something else than MLflow does.
        requests.RequestException: it is unreachable.
    """

    address: str
    page: int

    @classmethod
    def of(cls, address: str, page: int) -> RestReader | None:
        """The reader of this address; None if it is no server's, or one with credentials that only MLflow knows.

        Args:
            address: the registry's address.
            page: versions asked for at once.
        """
        if not address.startswith(("http://", "https://")):
            return None
        if any(os.environ.get(name) for name in _ONLY_MLFLOW) or _CREDENTIALS.expanduser().exists():
            return None
        return cls(address, page)

    def listing(self, name: str) -> Listing:
        """All versions and aliases of a model."""
        with self._session() as session:
            # Aliases first: a version that is promoted between the two is then there already.
            model = self._ask(session, "registered-models/get", {"name": name})
            if model is None:
                return Listing()
            aliases = {a["alias"]: str(a["version"]) for a in model["registered_model"].get("aliases", ())}
            versions = [
                Listed(str(found["version"]), {tag["key"]: tag.get("value", "") for tag in found.get("tags", ())})
                for found in self._versions(session, name)
            ]
        return Listing(versions, aliases)

    def location(self, name: str, number: str) -> str:
        """Where the files of a version lie."""
        with self._session() as session:
            found = self._ask(session, "model-versions/get-download-uri", {"name": name, "version": number})
        if found is None:
            raise RegistryError(f"{name!r} has no version {number}", fix="it may have been deleted; train it again")
        return str(found["artifact_uri"])

    def _versions(self, session: requests.Session, name: str) -> Iterator[Mapping[str, Any]]:
        asked = {"filter": f"name = '{name}'", "max_results": str(self.page)}
        token: str | None = ""
        while token is not None:
            page = self._ask(session, "model-versions/search", asked | ({"page_token": token} if token else {})) or {}
            yield from page.get("model_versions", ())
            token = page.get("next_page_token") or None

    def _session(self) -> requests.Session:
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        session = requests.Session()
        retries = int(os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"))
        again = Retry(retries, backoff_factor=1, status_forcelist=_PASSING, raise_on_status=False)
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=again))
        user, password, token = (os.environ.get(name) for name in (_USER, _PASSWORD, _TOKEN))
        if user and password:
            session.auth = (user, password)
        elif token:
            session.headers["Authorization"] = f"Bearer {token}"
        return session

    def _ask(self, session: requests.Session, what: str, asked: Mapping[str, str]) -> dict[str, Any] | None:
        """The answer, None if the server holds nothing of that name."""
        address = f"{self.address.rstrip('/')}/api/2.0/mlflow/{what}"
        limit = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"))
        answer = session.get(address, params=asked, timeout=limit)
        try:
            found = answer.json()
        except ValueError:
            found = None
        if isinstance(found, dict) and answer.ok:
            return found
        if isinstance(found, dict) and found.get("error_code") in _ABSENT:
            return None
        said = str(found.get("message", "")) if isinstance(found, dict) else ""
        raise RegistryError(
            f"the model registry answers {answer.status_code} {said or answer.reason}".strip()[:300],
            fix="check BATCH_PLATFORM_REGISTRY and the registry's credentials",
            transient=answer.status_code in _PASSING,
        )
