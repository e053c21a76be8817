"""Reading the registry without MLflow's client, whose import alone takes longer than scoring a small partition.

Belongs here: which reader an address gets, and the one that asks MLflow's client when no quicker one understands the
registry. Does not belong here: the tables (`registry_database.py`), the protocol (`registry_rest.py`), or what the
versions mean (`versions.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from batch_platform.models.registry_database import DatabaseReader
from batch_platform.models.registry_rest import RestReader
from batch_platform.models.versions import Listed, Listing

if TYPE_CHECKING:
    from mlflow import MlflowClient

PAGE = 1000
"""Versions asked for at once; a registry may hold more."""

_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Reader(Protocol):
    """Reads what a registry holds of a model, as MLflow's client would tell it."""

    def listing(self, name: str) -> Listing:
        """All versions and aliases of a model."""
        ...

    def location(self, name: str, number: str) -> str:
        """Where the files of a version lie: MLflow's download address."""
        ...


def reader_of(address: str, connect: Callable[[], MlflowClient]) -> Reader:
    """The quickest reader that understands the registry at this address.

    Args:
        address: the registry's address.
        connect: makes MLflow's client of it, for a registry that only MLflow understands: one of another kind, a
            database whose schema is another than expected, a server with unusual credentials.
    """
    return DatabaseReader.of(address) or RestReader.of(address, PAGE) or ClientReader(connect)


@dataclass(frozen=True)
class ClientReader:
    """Asks MLflow's client."""

    connect: Callable[[], MlflowClient]

    def listing(self, name: str) -> Listing:
        """All versions and aliases of a model."""
        from mlflow.exceptions import MlflowException

        client, found = self.connect(), list[Any]()
        token: str | None = ""
        try:
            aliases = {alias: str(number) for alias, number in client.get_registered_model(name).aliases.items()}
        except MlflowException as error:
            if error.error_code not in _ABSENT:
                raise
            return Listing()
        while token is not None:
            page = client.search_model_versions(f"name = '{name}'", max_results=PAGE, page_token=token or None)
            found += page
            token = page.token or None
        return Listing([Listed(str(version.version), dict(version.tags)) for version in found], aliases)

    def location(self, name: str, number: str) -> str:
        """Where the files of a version lie."""
        return str(self.connect().get_model_version_download_uri(name, number))
