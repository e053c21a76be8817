"""Where messages go: addresses as apprise spells them, read from the environment when they are needed.

An address holds a password or a token, so only its name is shown, logged and remembered: the variable that holds it,
with a number if that holds several.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from batch_platform.alerts.routing import Route

_NEXT = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")


@dataclass(frozen=True)
class Addresses:
    """The addresses of all routes; showing the object shows none of them.

    Args:
        names: environment variable -> the names of the addresses in it; one name where it is not set, too, so that
            what it should have been told is not forgotten.
        urls: name -> address; a variable that is not set has none.
    """

    names: Mapping[str, list[str]]
    urls: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, routes: Iterable[Route], environment: Mapping[str, str]) -> Addresses:
        """The addresses that an environment holds for routes."""
        names: dict[str, list[str]] = {}
        urls: dict[str, str] = {}
        for variable in sorted({route.variable for route in routes}):
            found = [url for url in _NEXT.split(environment.get(variable, "").strip()) if url]
            names[variable] = [variable, *(f"{variable}/{number}" for number in range(2, len(found) + 1))]
            urls |= dict(zip(names[variable], found, strict=False))
        return cls(names, urls)

    @property
    def known(self) -> frozenset[str]:
        """The names of all addresses."""
        return frozenset(name for names in self.names.values() for name in names)

    def lacking(self, address: str) -> str:
        """What is wrong with an address before anything is sent to it; empty if nothing is."""
        return "" if address in self.urls else f"the environment variable {address} is not set"
