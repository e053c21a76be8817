"""The engines by name, each imported only when it is asked for: an engine's library is an optional extra."""

from __future__ import annotations

from importlib import import_module

from batch_platform.engines.base import Engine
from batch_platform.errors import ConfigurationError

ENGINES = {"local": "batch_platform.engines.local:LocalEngine"}


def engine_named(name: str) -> Engine:
    """A new engine.

    Raises:
        ConfigurationError: there is none of that name.
    """
    if name not in ENGINES:
        raise ConfigurationError(f"unknown engine {name!r}", fix=f"use one of {', '.join(ENGINES)}")
    module, _, attribute = ENGINES[name].partition(":")
    engine: Engine = getattr(import_module(module), attribute)()
    return engine
