"""Rules: their defaults by cadence, and what is refused."""

from __future__ import annotations

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.partitions import Cadence
from batch_platform.schedules.rules import DEFAULT_HORIZON, RerunOn, Rules
from batch_platform.timelines.lookbacks import Lookback


@pytest.mark.parametrize(
    ("cadence", "partitions"), [(Cadence.HOURLY, 48), (Cadence.DAILY, 7), (Cadence.WEEKLY, 4), (Cadence.MONTHLY, 3)]
)
def test_each_cadence_has_a_horizon_and_a_lookback(cadence: Cadence, partitions: int) -> None:
    rules = Rules.declared(cadence, "table")
    hours = Lookback.parse(DEFAULT_HORIZON[cadence], cadence, "table")
    assert rules.horizon == rules.lookback == hours
    assert rules.horizon == (Lookback(2, "day") if cadence is Cadence.HOURLY else Lookback(partitions))
    assert (rules.rerun_on, rules.attempts, rules.window, rules.enabled) == ({RerunOn.INPUTS}, 4, "", True)


@pytest.mark.parametrize("attempts", [0, -1])
def test_a_partition_is_tried_at_least_once(attempts: int) -> None:
    with pytest.raises(ConfigurationError, match="orders: attempts is"):
        Rules.declared(Cadence.DAILY, "orders", attempts=attempts)


@pytest.mark.parametrize("value", ["soon", "0 days", -3, "1 hour", "200 years"])
def test_a_horizon_that_is_none_is_refused_with_its_table(value: int | str) -> None:
    with pytest.raises(ConfigurationError, match=r"^horizon of orders is"):
        Rules.declared(Cadence.DAILY, "orders", horizon=value)
    with pytest.raises(ConfigurationError, match=r"^lookback of orders is"):
        Rules.declared(Cadence.DAILY, "orders", lookback=value)
