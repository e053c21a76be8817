"""How the numbers of a column are spread, in a histogram whose bins are the same for every column in the world.

Belongs here: numbers, their bins, quantiles, and adding histograms up. Does not belong here: texts (`levels.py`), or
which columns of which rows are looked at (`profile.py`).

A bin is named by the first 14 bits of a number's IEEE 754 single-precision pattern: its sign, its exponent and five
bits of its mantissa. So a bin is 1/32 of its lower edge wide or narrower, and its middle is within 1.6% of every number
in it: the guarantee of DDSketch (Masson, Rim and Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
Relative-Error Guarantees", VLDB 2019), whose logarithm the exponent bits approximate. Nobody has to agree on edges
beforehand, so histograms of shards, engines and partitions add up: for example today's scores and those of a year ago.
Below 1.2e-38, where single precision ends, the error is absolute; beyond 3.4e38 a number counts as infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

_DROPPED = 18
"""Of the 23 bits of a mantissa, five stay."""

_GROUP = 5
_HALF = 1 << (31 - _DROPPED)
_MANTISSA = (1 << 23) - 1
_INFINITE = 0x7F80_0000
_UNIT = 149
"""Single precision counts in multiples of 2^-149, so sums of such multiples are exact and have no order."""

Bins = npt.NDArray[np.int64]


def _nothing() -> Bins:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Numbers that were looked at, NaN left out.

    Args:
        start: the place of the first bin that holds a number; places ascend with the numbers, 0.0 is at `_HALF`.
        counts: how many numbers each bin holds, from the first to the last that holds one.
        mantissas: the sum of the numbers' last 23 bits for each sign and exponent that these bins have.
    """

    start: int = 0
    counts: Bins = field(default_factory=_nothing)
    mantissas: Bins = field(default_factory=_nothing)

    @staticmethod
    def of(values: npt.NDArray[np.float32]) -> Histogram:
        """The histogram of numbers among which no NaN is; one call takes no more than 2^30."""
        if not len(values):
            return Histogram()
        pattern = (values + np.float32(0)).view(np.int32)  # -0.0 is 0.0
        places = pattern >> _DROPPED
        places ^= places >> 31 & np.int32(_HALF - 1)  # negative numbers ascend, too
        places += np.int32(_HALF)
        start = int(places.min())
        groups = places >> _GROUP
        groups -= np.int32(start >> _GROUP)
        places -= np.int32(start)
        # Sums of 2^30 mantissas stay below 2^53, where doubles are whole.
        mantissas = np.bincount(groups, weights=pattern & np.int32(_MANTISSA)).astype(np.int64)
        return Histogram(start, np.bincount(places), mantissas)

    def merge(self, other: Histogram) -> Histogram:
        """The histogram of the numbers of both."""
        if not len(self.counts) or not len(other.counts):
            return other if not len(self.counts) else self
        parts = (self, other)
        start, counts = _added([(part.start, part.counts) for part in parts])
        mantissas = _added([(part.start >> _GROUP, part.mantissas) for part in parts])[1]
        return Histogram(start, counts, mantissas)

    @property
    def numbers(self) -> int:
        """How many numbers there are, infinite ones included."""
        return int(self.counts.sum())

    @property
    def sum(self) -> float:
        """The sum of the finite numbers, each rounded to single precision, and rounded once itself."""
        total, first = 0, self.start >> _GROUP
        for place, mantissas in enumerate(self.mantissas.tolist(), first):
            exponent = place - 256 if place > 255 else 255 - place
            if exponent < 255:  # 255 says infinite
                held = self.counts[max(0, (place << _GROUP) - self.start) : (place + 1 << _GROUP) - self.start]
                whole = mantissas + (int(held.sum()) << 23 if exponent else 0)
                total += (whole if place > 255 else -whole) << max(0, exponent - 1)
        return float(Fraction(total, 1 << _UNIT))

    def quantile(self, q: float) -> float | None:
        """The number that a share `q` of the numbers do not exceed, within 1.6%; None where there is no number.

        That is the middle of the bin of the number of rank `ceil(q * n)`, the first for `q = 0`: Hyndman and Fan's
        definition 1.
        """
        if not len(self.counts):
            return None
        rank = min(max(1, math.ceil(Fraction(q) * self.numbers)), self.numbers)
        place = self.start + int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(_middles(np.array([place]))[0])

    @property
    def bins(self) -> list[tuple[float, float, int]]:
        """Lower edge, upper edge and count of each bin that holds a number, ascending."""
        filled = np.flatnonzero(self.counts)
        low, high = _edges(filled + self.start)
        return list(zip(low.tolist(), high.tolist(), self.counts[filled].tolist(), strict=True))

    def counted(self, edges: Sequence[float]) -> Bins:
        """How many numbers lie between edges: below the first, between each two, from the last on.

        Args:
            edges: ascending, for example quantiles of a histogram to compare with. A bin counts where its middle lies,
                so histograms are comparable between equal edges.

        Returns:
            Counts of shape (len(edges) + 1,).
        """
        filled = np.flatnonzero(self.counts)
        place = np.searchsorted(np.asarray(edges, np.float64), _middles(filled + self.start), side="right")
        return np.bincount(place, self.counts[filled], len(edges) + 1).astype(np.int64)

    def to_json(self) -> dict[str, Any]:
        """The bins that hold a number, in types that JSON knows."""
        filled, summed = np.flatnonzero(self.counts), np.flatnonzero(self.mantissas)
        return {
            "bins": (filled + self.start).tolist(),
            "counts": self.counts[filled].tolist(),
            "groups": (summed + (self.start >> _GROUP)).tolist(),
            "mantissas": self.mantissas[summed].tolist(),
        }

    @staticmethod
    def from_json(found: dict[str, Any]) -> Histogram:
        """The histogram that `to_json` described.

        Raises:
            KeyError, ValueError: it described none.
        """
        places = np.array(found["bins"], np.int64)
        if not len(places):
            return Histogram()
        start, stop = int(places[0]), int(places[-1]) + 1
        counts = np.zeros(stop - start, np.int64)
        counts[places - start] = found["counts"]
        mantissas = np.zeros((stop - 1 >> _GROUP) - (start >> _GROUP) + 1, np.int64)
        mantissas[np.array(found["groups"], np.int64) - (start >> _GROUP)] = found["mantissas"]
        return Histogram(start, counts, mantissas)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]


def _added(parts: Sequence[tuple[int, Bins]]) -> tuple[int, Bins]:
    """Counts that begin at different places, added up, and where they begin."""
    start, stop = min(first for first, _ in parts), max(first + len(counts) for first, counts in parts)
    total = np.zeros(stop - start, np.int64)
    for first, counts in parts:
        total[first - start : first - start + len(counts)] += counts
    return start, total


def _edges(places: Bins) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper edges of bins."""
    negative, magnitude = _magnitudes(places)
    near, far = _number(magnitude << _DROPPED), _number(magnitude + 1 << _DROPPED)
    return np.where(negative, -far, near), np.where(negative, -near, far)


def _middles(places: Bins) -> npt.NDArray[np.float64]:
    """The middles of bins, but 0.0 for the two that end there."""
    negative, magnitude = _magnitudes(places)
    middle = _number((magnitude << _DROPPED) + np.where(magnitude > 0, 1 << _DROPPED - 1, 0))
    return np.where(negative, -middle, middle) + 0.0


def _magnitudes(places: Bins) -> tuple[npt.NDArray[np.bool_], Bins]:
    """Whether bins are negative, and the first bits of their numbers' patterns without the sign."""
    negative = places < _HALF
    return negative, np.where(negative, _HALF - 1 - places, places - _HALF)


def _number(pattern: Bins) -> npt.NDArray[np.float64]:
    """The number that a pattern stands for; infinity for all beyond it."""
    return np.minimum(pattern, _INFINITE).astype(np.uint32).view(np.float32).astype(np.float64)
