"""The options of the built-in trainer: their defaults, and how those in YAML are checked against them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from batch_platform.errors import ConfigurationError


@dataclass(frozen=True)
class TabularOptions:
    """What `options` in YAML may set; the defaults suit a hundred thousand rows and some fifty columns.

    Attributes:
        hidden: widths of the hidden layers.
        bins: quantile bins of a numeric column.
        embedding: the largest width of a category's embedding.
        minimum_level_rows: rarer levels of a category count as unknown; small tables need fewer, see
            `level_rows`.
        epochs: passes over the training rows, at most; see `patience`.
        patience: passes without a lower log loss on the newest partitions after which training stops.
        batch_rows: rows of a training step; small tables take smaller steps, see `step_rows`.
        learning_rate: the rate after the warm-up; constant, since the weights are averaged instead.
        weight_decay: of AdamW, on weights and not on biases.
        dropout: share of hidden units switched off at random in a training step.
        gaps: share of cells made missing or unknown at random in a training step.
        validation_share: the newest share of distinct time values, which ends training and calibrates the scores.
        threads: torch's threads while training; part of what fixes the bytes of the result.
    """

    hidden: tuple[int, ...] = (256, 64)
    bins: int = 8
    embedding: int = 8
    minimum_level_rows: int = 50
    epochs: int = 5
    patience: int = 2
    batch_rows: int = 1024
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    dropout: float = 0.5
    gaps: float = 0.02
    validation_share: float = 0.15
    threads: int = 1

    @staticmethod
    def from_mapping(options: Mapping[str, object]) -> TabularOptions:
        """The defaults with `options` in their place.

        Raises:
            ConfigurationError: an option is unknown, of the wrong type, or out of range.
        """
        defaults = TabularOptions()
        known = {item.name: getattr(defaults, item.name) for item in fields(TabularOptions)}
        for name, value in options.items():
            if name not in known:
                raise _bad_option(name, "is not known", f"use one of {', '.join(known)}")
            known[name] = _typed(name, value, known[name])
        checked = TabularOptions(**known)
        shares = {"dropout": 0.0, "gaps": 0.0, "validation_share": 1e-9}
        for name, lowest in shares.items():
            if not lowest <= known[name] < 1:
                raise _bad_option(name, f"is {known[name]}", "set a share from 0 up to but not including 1")
        for name in ("bins", "embedding", "minimum_level_rows", "epochs", "patience", "batch_rows", "threads"):
            if known[name] < 1:
                raise _bad_option(name, f"is {known[name]}", "set at least 1")
        if not checked.hidden or min(checked.hidden) < 1:
            raise _bad_option("hidden", f"is {list(checked.hidden)}", "list at least one width of at least 1")
        if not (checked.learning_rate > 0 and checked.weight_decay >= 0):
            raise _bad_option("learning_rate and weight_decay", "are negative or zero", "set positive numbers")
        return checked

    def step_rows(self, rows: int) -> int:
        """Rows of one step on a table of `rows`: at most `batch_rows`, fewer so that an epoch has 100 steps."""
        return max(1, min(self.batch_rows, max(32, rows // 100), rows))

    def level_rows(self, rows: int) -> int:
        """How often a level must occur in a table of `rows`: at most `minimum_level_rows`, or 1 row in 100."""
        return max(1, min(self.minimum_level_rows, rows // 100))


def _bad_option(name: str, what: str, fix: str) -> ConfigurationError:
    return ConfigurationError(f"the trainer's option {name} {what}", fix=fix)


def _typed(name: str, value: object, default: object) -> object:
    if isinstance(default, tuple):
        if isinstance(value, list | tuple) and all(type(width) is int for width in value):
            return tuple(value)
        raise _bad_option(name, f"is {value!r}", "give a list of whole numbers")
    if isinstance(default, float):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise _bad_option(name, f"is {value!r}", "give a number")
    if type(value) is int:
        return value
    raise _bad_option(name, f"is {value!r}", "give a whole number")
