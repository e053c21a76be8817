"""The engines by name, each imported only when it is asked for: an engine's library is an optional extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from batch_platform.engines.base import Engine, WorkerKind
from batch_platform.errors import ConfigurationError

__all__ = ["ENGINES", "Engine", "WorkerKind", "engine_named"]

ENGINES = {"local": "batch_platform.engines.local:LocalEngine"}


def engine_named(name: str, **options: Any) -> Engine:
    """A new engine.

    Args:
        name: one of `ENGINES`.
        options: what its class takes, such as `workers` and `kind` of `LocalEngine`.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name not in ENGINES:
        raise ConfigurationError(f"unknown engine {name!r}", fix=f"use one of {', '.join(ENGINES)}")
    module, _, attribute = ENGINES[name].partition(":")
    engine: Engine = getattr(import_module(module), attribute)(**options)
    return engine
