"""Secrets: read from the environment when they are needed, and taken out of every text that leaves us.

Drivers put addresses into their messages. Whatever a source, a sink or a channel says is passed through
`Secrets.redacted`.
"""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, unquote, urlsplit

from batch_platform.errors import ConfigurationError

_HIDDEN = "***"


class Secrets:
    """The secrets of one connection; showing the object shows none of them."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def __repr__(self) -> str:
        return "Secrets()"

    def take(self, variable: str) -> str:
        """The value of an environment variable, which from now on is redacted.

        Raises:
            ConfigurationError: it is not set, or empty.
        """
        value = os.environ.get(variable, "")
        if not value:
            raise ConfigurationError(
                f"the environment variable {variable} is not set", fix="set it wherever runs execute"
            )
        self._values |= _parts(value)
        return value

    def redacted(self, text: str) -> str:
        """The text without any secret, or part of an address that may hold one."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, _HIDDEN)
        return text


def _parts(value: str) -> set[str]:
    """A secret, and what of it may be secret by itself if it is an address: user, password, path and query."""
    found = {value}
    try:
        url = urlsplit(value)
        password = url.password or ""
    except ValueError:
        return found
    if "://" in value:
        found |= {password, unquote(password), url.netloc.rpartition("@")[0], url.query}
        found |= {text for _, text in parse_qsl(url.query)}
    if url.scheme in ("http", "https"):  # a webhook's token often stands in its path
        found |= {url.path.strip("/"), *(part for part in url.path.split("/") if len(part) > 15)}
    return {part for part in found if part}
