"""What reading a table comes down to: the stored tables behind views and ephemeral models.

Belongs here: going through models that are not stored. Does not belong here: what is then seen of the stored ones
(`catalog.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from batch_platform.errors import ConfigurationError
from batch_platform.features.calendars import line_of
from batch_platform.features.definition import FeatureTable, is_stored
from batch_platform.sql.model import SqlModel


def views_among(tables: Iterable[str], known: Mapping[str, FeatureTable]) -> dict[str, SqlModel]:
    """The models among some tables that are read without being stored, each after those that it reads itself."""
    found: dict[str, SqlModel] = {}
    for table in tables:
        seen = known.get(table)
        if seen is not None and not is_stored(seen.model):
            found |= views_among(seen.model.inputs, known) | {table: seen.model}
    return found


def leaves(model: SqlModel, tables: Iterable[str], known: Mapping[str, FeatureTable]) -> dict[str, int | str | None]:
    """The stored tables that reading some tables comes down to, directly or through views, with their lookbacks.

    Raises:
        ConfigurationError: one of them is read with two lookbacks.
    """
    found: dict[str, int | str | None] = {}
    for table in tables:
        seen, lookback = known.get(table), model.lookback.get(table)
        own: dict[str, int | str | None] = {table: lookback}
        if seen is not None and not is_stored(seen.model):
            own = leaves(seen.model, seen.model.inputs, known)
            if lookback is not None:
                fix = f"say it in {seen.model.path}"
                raise ConfigurationError(f"{table} is not stored: no lookback", where=line_of(model, table), fix=fix)
        for leaf, back in own.items():
            if leaf in found and found[leaf] != back:
                raise ConfigurationError(
                    f"reads {leaf} with two lookbacks, {found[leaf] or 'none'} and {back or 'none'}",
                    where=line_of(model, table),
                    fix="give both the same, or store the view between as a table",
                )
            found[leaf] = back
    return found
