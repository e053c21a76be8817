"""How many rows of a partition may fail, and how few tell that more do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import ContractError
from batch_platform.features.quarantine import Tolerance
from batch_platform.predictions.failures import Allowance


def allowance(tolerance: str, rows: int) -> Allowance:
    return Allowance(Tolerance.parse(tolerance), rows, "predictions/x[p]")


@given(st.integers(0, 100), st.integers(0, 300), st.integers(0, 300))
def test_it_refuses_what_the_tolerance_exceeds(percent: int, rows: int, failed: int) -> None:
    asked = allowance(f"{percent}%", rows)
    assert asked.exceeded(failed) == (100 * failed > percent * max(rows, failed))
    if asked.exceeded(failed):
        with pytest.raises(ContractError, match=rf"x\[p\]: {failed} of {rows} rows .* {percent}%: why"):
            asked.refuse(failed, "why")
    else:
        asked.refuse(failed, "why")


@given(st.integers(1, 89), st.integers(1, 10**9))
def test_drawn_rows_tell_beyond_doubt_or_are_all_there_are(percent: int, rows: int) -> None:
    needed = allowance(f"{percent}%", rows).telling
    assert needed == rows or (percent / 100) ** needed <= 1.0001e-12 < (percent / 100) ** (needed - 1) * 1.001


@pytest.mark.parametrize(
    ("tolerance", "rows", "needed"),
    [
        ("1%", 10**6, 6),
        ("10000 rows", 10**6, 6),
        ("1%", 4, 4),
        ("99%", 10**6, 0),
        ("100%", 10**6, 0),
        ("100 rows", 50, 0),
    ],
)
def test_rows_that_tell(tolerance: str, rows: int, needed: int) -> None:
    assert allowance(tolerance, rows).telling == needed
