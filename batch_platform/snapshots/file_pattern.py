"""The pattern of `files:`: its placeholders, its address, the format that its ending tells, and what it matches.

Belongs here: patterns as text. Does not belong here: looking for files (`listing.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from functools import lru_cache
from string import Formatter
from typing import TYPE_CHECKING, Literal

from batch_platform.errors import ConfigurationError, PartitionKeyError

if TYPE_CHECKING:
    from batch_platform.partitions import Window

Format = Literal["csv", "parquet", "jsonl"]

STORES = ("s3", "az", "gs")
"""The schemes of the object stores that files are read from."""

_EXTENSIONS: dict[str, Format] = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHOWN_CHARACTERS = 40


def format_of(path: str) -> Format | None:
    """The format that a path's or a pattern's extension tells, upper or lower case; None if it tells none."""
    path = path.lower()
    text = path.removesuffix(".gz")
    found = next((kind for extension, kind in _EXTENSIONS.items() if text.endswith(extension)), None)
    return None if found == "parquet" and text != path else found


def checked(pattern: str) -> str:
    """The pattern itself, if it can mean something.

    Raises:
        ValueError: it has an unknown placeholder, or is the address of something else than an object store's files.
    """
    try:
        pieces = list(Formatter().parse(pattern))
    except ValueError as error:
        raise ValueError(f"{error}; expected every {{ and }} to be a placeholder's") from None
    for _, name, style, conversion in pieces:
        if name is None:
            continue
        dated = name in ("start", "end") and "%" in (style or "") and "{" not in (style or "")
        if conversion or not (dated or (name == "partition_key" and not style)):
            raise ValueError(
                f"unknown placeholder {{{name}{':' + style if style else ''}}}; expected "
                "{partition_key}, {start:FORMAT} or {end:FORMAT} as for strftime, like {start:%Y/%m/%d}"
            )
    if "://" in pattern:
        scheme, _, rest = pattern.partition("://")
        bucket, _, path = rest.partition("/")
        if scheme not in STORES:
            raise ValueError(f"{scheme[:20]!r} is no object store; expected {'://, '.join(STORES)}:// or a path")
        if not _BUCKET.fullmatch(bucket) or not path or path.startswith("/"):
            # What stands there instead of a bucket's name may be a password.
            raise ValueError(f"expected {scheme}://bucket/path without placeholders or credentials in the bucket")
    return pattern


def expand(pattern: str, partition_key: str | None, window: Window | None, *, quote: Callable[[str], str]) -> str:
    """The pattern with its placeholders replaced; `quote` makes each replacement literal.

    Raises:
        ConfigurationError: the pattern has placeholders and the snapshot has no partitions.
        PartitionKeyError: the key would change the path's structure.
    """
    expanded = []
    for literal, name, style, _ in Formatter().parse(pattern):
        expanded.append(literal)
        if name is None:
            continue
        if partition_key is None or window is None:
            raise ConfigurationError(
                f"files: {pattern!r} has the placeholder {{{name}}}, but the snapshot has no partitions",
                fix="declare `partitions`, or take the placeholder out",
            )
        if name == "partition_key":
            unprintable = not partition_key.isprintable()
            if unprintable or not partition_key.strip(". ") or any(p in partition_key for p in ("/", "\\", "..")):
                raise PartitionKeyError(
                    f"{partition_key[:_SHOWN_CHARACTERS]!r} cannot stand in a path",
                    fix="use a key without '/', '\\' and '..'",
                )
            expanded.append(quote(partition_key))
        else:
            expanded.append(quote((window.start if name == "start" else window.end).strftime(style or "")))
    return "".join(expanded)


def literal_folder(pattern: str) -> str:
    """The longest folder that a pattern names without a wildcard; empty if there is none."""
    folders = pattern.split("/")[:-1]
    wild = next((index for index, name in enumerate(folders) if is_wild(name)), len(folders))
    return "/".join(folders[:wild])


def is_wild(text: str) -> bool:
    """Whether a wildcard stands in it."""
    return any(mark in text for mark in "*?[")


def matches(path: str, pattern: str) -> bool:
    """Whether a path is one that the pattern means, as `glob.glob` takes it: `*` stays within a folder, `**` does not,
    and neither finds what begins with a dot."""
    return _match(path.split("/"), pattern.split("/"))


def _match(names: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not names
    if list(patterns) == ["**"]:
        return bool(names) and not any(name.startswith(".") for name in names)
    if patterns[0] == "**":
        return _match(names, patterns[1:]) or (
            bool(names) and not names[0].startswith(".") and _match(names[1:], patterns)
        )
    if not names or not _like(names[0], patterns[0]):
        return False
    return _match(names[1:], patterns[1:])


def _like(name: str, pattern: str) -> bool:
    hidden = name.startswith(".") and is_wild(pattern) and not pattern.startswith(".")
    return not hidden and _compiled(pattern).fullmatch(name) is not None


@lru_cache(1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))
