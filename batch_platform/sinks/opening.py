"""From a declaration to an open sink; each kind's libraries are imported when it is needed."""

from __future__ import annotations

from batch_platform.secret_values import Secrets
from batch_platform.settings import Settings
from batch_platform.sinks.base import Sink
from batch_platform.sinks.declared import DatabaseSink, FilesSink, RedisSink, SinkDeclaration


def open_sink(declared: SinkDeclaration, settings: Settings, secrets: Secrets) -> Sink:
    """Open a sink for a run; what it reads from the environment is known to `secrets` afterwards.

    Raises:
        ConfigurationError: a variable is not set or means nothing, or a package is not installed.
    """
    if isinstance(declared, FilesSink):
        from batch_platform.sinks.files import FilesTarget

        return FilesTarget(declared, settings.project, settings.lake)
    if isinstance(declared, DatabaseSink):
        from batch_platform.sinks.database import DatabaseTarget

        return DatabaseTarget(declared, secrets)
    if isinstance(declared, RedisSink):
        from batch_platform.sinks.redis_keys import RedisTarget

        return RedisTarget(declared, secrets)
    from batch_platform.sinks.webhook import WebhookTarget

    return WebhookTarget(declared, secrets)
