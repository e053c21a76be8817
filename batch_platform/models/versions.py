"""Registered versions of a model, and which of them serves when: pure functions of what a registry held at one moment.

Belongs here: the rules by which a version is chosen. Does not belong here: reaching a registry (`registry.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import overload

from batch_platform.errors import RegistryError

CHAMPION = "champion"
DIGEST, WINDOW, WINDOW_START = "digest", "serving_window", "serving_window_start"
PROMOTED, PROMOTED_AT = "promoted", "promoted_at"
FLAVOR, ALLOWS_CODE = "flavor", "allows_code"

BUILT_IN = "batch_platform"
"""The flavour of versions in the platform's own format: tensors and JSON."""


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
        flavor: what kind of files it has: the platform's own, or a flavour of MLflow's.
        allows_code: whether somebody agreed to files that execute code when they are loaded.
    """

    name: str
    number: str
    digest: str
    window: str
    window_start: datetime
    promoted: bool
    metrics: Mapping[str, float] = field(default_factory=dict)
    promotion: int = 0
    flavor: str = BUILT_IN
    allows_code: bool = False

    @property
    def precedence(self) -> tuple[datetime, int, int]:
        """Of the promoted versions whose window has begun, the one with the greatest serves.

        The promotion counts before the number: data that were corrected and then restored reproduce a version that
        is older than the one it must replace.
        """
        return (self.window_start, self.promotion, int(self.number))


@dataclass(frozen=True)
class Listed:
    """One version as the registry lists it.

    Args:
        number: the version's number.
        tags: whatever it is tagged with.
    """

    number: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Listing:
    """What a registry holds of one model at one moment; empty if it does not know the model.

    Args:
        versions: in any order, without those that were deleted.
        aliases: alias -> number of the version that it names.
    """

    versions: Sequence[Listed] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Versions(Sequence[Version]):
    """The versions of a model that the platform has registered, oldest first, as they were at one moment.

    Args:
        name: the model's name.
        members: its versions, oldest first.
        champion_number: the version that the alias `champion` names, if any does.

    Raises (`as_of`, `champion` and `numbered`):
        RegistryError: no version fits.
    """

    name: str
    members: tuple[Version, ...]
    champion_number: str | None = None

    @classmethod
    def of(cls, name: str, listing: Listing) -> Versions:
        """Those of a listing that carry the platform's tags."""
        found = [
            Version(
                name,
                listed.number,
                listed.tags[DIGEST],
                listed.tags[WINDOW],
                datetime.fromisoformat(listed.tags[WINDOW_START]),
                listed.tags.get(PROMOTED) == "true",
                promotion=_place(listed.tags.get(PROMOTED_AT)),
                flavor=listed.tags.get(FLAVOR, BUILT_IN),
                allows_code=listed.tags.get(ALLOWS_CODE) == "true",
            )
            for listed in listing.versions
            if DIGEST in listed.tags and WINDOW in listed.tags
        ]
        ordered = sorted(found, key=lambda version: int(version.number))
        return cls(name, tuple(ordered), listing.aliases.get(CHAMPION))

    @overload
    def __getitem__(self, index: int) -> Version: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Version]: ...
    def __getitem__(self, index: int | slice) -> Version | Sequence[Version]:
        return self.members[index]

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Version]:
        return iter(self.members)

    def serving(self, moment: datetime, *, without: Version | None = None) -> Version | None:
        """As `as_of`, but None if there is none; leaves out the version `without`."""
        left_out = without.number if without else None
        begun = [v for v in self if v.promoted and v.window_start <= moment and v.number != left_out]
        return max(begun, key=lambda version: version.precedence, default=None)

    def as_of(self, moment: datetime) -> Version:
        """The promoted version of the newest serving window that has begun at `moment`; of several, the one that was
        promoted last."""
        found = self.serving(moment)
        if found is None:
            raise RegistryError(
                f"no promoted version of {self.name!r} serves {moment:%Y-%m-%d %H:%M %Z}",
                where=f"models/{self.name}",
                fix="materialize the model for that window, or look at its gate check",
            )
        return found

    def champion(self) -> Version:
        """The version that the alias `champion` names."""
        if self.champion_number is None:
            raise RegistryError(f"{self.name!r} has no champion", fix="promote a version")
        return self.numbered(self.champion_number)

    def numbered(self, number: str) -> Version:
        """The version with this number, promoted or not."""
        found = next((version for version in self if version.number == number), None)
        if found is None:
            newest = f"its newest is {self[-1].number}" if self else "it has none; check the name, or train one"
            raise RegistryError(f"{self.name!r} has no version {number}", fix=newest)
        return found


def _place(tag: str | None) -> int:
    return int(tag) if tag is not None and tag.isdecimal() else 0
