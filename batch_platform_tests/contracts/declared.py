"""The contracts of property files without a project around them, which tests of many parts need."""

from __future__ import annotations

from pathlib import Path

from batch_platform.contracts.contract import Contract
from batch_platform.contracts.schema_yml import contract_of
from batch_platform.sql.properties import load_properties


def load_contracts(folder: Path) -> dict[str, Contract]:
    """Every contract declared in and below the folder, by model name; every column has a type."""
    return {name: contract_of(entry) for name, entry in load_properties([folder]).models.items()}
