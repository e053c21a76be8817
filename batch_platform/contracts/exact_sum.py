"""The exact sum of floating-point numbers, which does not depend on their order or on how they come in batches.

What belongs here: that sum. What does not: what is made of it (`distribution.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import numpy.typing as npt

_LOWEST = 1100
"""More than the largest negative exponent of a double, so that exponents can count from 0."""


def mantissas(values: npt.NDArray[np.float64]) -> Counter[int]:
    """Finite doubles as whole numbers of 2^(e - 53), summed for each exponent e; such counters can be added.

    A mantissa of 53 bits is summed as two halves, in doubles that stay whole below 2^53: exact for as many as 2^26
    values, of which one call takes no more.
    """
    total: Counter[int] = Counter()
    for start in range(0, len(values), 2**26):
        fraction, exponent = np.frexp(values[start : start + 2**26])
        whole = np.ldexp(fraction, 53).astype(np.int64)
        place = exponent.astype(np.int64) + _LOWEST
        for half, shift in ((whole >> 26, 26), (whole & (2**26 - 1), 0)):
            sums = np.bincount(place, weights=half.astype(np.float64))
            for found in np.flatnonzero(sums):
                total[int(found) - _LOWEST] += int(sums[found]) << shift
    return total


def value_of(total: Mapping[int, int]) -> Fraction:
    """The number that added mantissas stand for."""
    return sum((Fraction(whole) * Fraction(2) ** (exponent - 53) for exponent, whole in total.items()), Fraction())
