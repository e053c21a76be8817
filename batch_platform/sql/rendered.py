"""What a rendered template says: whether it depends on more than its inputs, and what it depends on.

Belongs here: judging the text that a template became. Does not belong here: rendering it (`context.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from batch_platform.sql.config import Materialization, ModelConfig
from batch_platform.sql.macros import Macro
from batch_platform.sql.templates import read_text, refuse
from batch_platform.sql.volatile import FIX, first_volatile

_SEMICOLONS = re.compile(r"(\s*;)+\s*\Z")


def without_semicolons(sql: str) -> str:
    """A query without the semicolons at its end, so that it can stand in another."""
    return _SEMICOLONS.sub("", sql)


def template_line(template: str, sql: str, at: int) -> int:
    """The line of a template that line `at` of the text it became comes from, as well as their texts tell.

    The two have the same lines until a macro or a loop writes several in one's place.
    """
    lines, written = template.split("\n"), sql.split("\n")
    said = written[at - 1].strip() if 0 < at <= len(written) else ""
    same = [number for number, line in enumerate(lines, 1) if said and line.strip() == said]
    return min(same, key=lambda number: abs(number - at)) if same else min(at, len(lines))


def refuse_volatile(path: Path, template: str, sql: str, macros: Iterable[Macro] = (), line: int = 1) -> None:
    """Refuse what gives another result each time, at the line of the template that says it, or of one of its macros.

    Raises:
        ConfigurationError: the SQL says such a word, or is no SQL.
    """
    found = first_volatile(sql, str(path))
    if found:
        word, at = found
        said, lines = sql.split("\n")[at - 1], [line.lower() for line in template.split("\n")]
        places = [number for number, line in enumerate(lines, 1) if line == said.lower()]
        places += [number for number, line in enumerate(lines, 1) if word in line]
        if not places:
            path, places = next(_in_macros(word, macros), (path, [line]))
        refuse(path, places[0], f"{word} gives another result each time ({FIX})")


def _in_macros(word: str, macros: Iterable[Macro]) -> Iterator[tuple[Path, list[int]]]:
    """The lines of macros that say a word."""
    for macro in macros:
        for number, line in enumerate(read_text(macro.path).split("\n"), 1):
            if number >= macro.line and word in line.lower():
                yield macro.path, [number]


def content_digest(template: str, macros: Iterable[Macro], variables: Mapping[str, object], config: ModelConfig) -> str:
    """A digest of what decides about a model's rows beside its inputs.

    Args:
        template: its text.
        macros: the macros that it can reach.
        variables: the vars that it reads, with their values.
        config: its settings; those that change no row do not count.
    """
    incremental = config.materialized is Materialization.INCREMENTAL
    content = {
        "template": template,
        "macros": {macro.name: macro.digest for macro in macros},
        "vars": variables,
        "key": config.key,
        "lookback": dict(config.lookback),
        "partitions": [config.cadence, config.start],
        "incremental": [incremental, config.incremental_strategy if incremental else None],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]
