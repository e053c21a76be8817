"""Every engine in `ENGINES` keeps the same promises: the same receipts, each shard once, the first error raised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from batch_platform.engines import ENGINES, engine_named
from batch_platform.engines.base import Engine
from batch_platform.errors import ModelError
from batch_platform.lake.log import live_rows
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.predictions.receipts import Receipt
from batch_platform.predictions.shards import Shard, plan
from batch_platform_tests.models.registered import FEATURES, Line, Wide, commit_features
from batch_platform_tests.predictions.tables import predictions_of, scorer_of, visits

KEY = "2026-01-05"


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    return engine_named(request.param)


def shards_in(lake: Lake, rows: int, shard_rows: int) -> list[Shard]:
    commit_features(lake, {KEY: visits(rows)})
    return plan(KEY, live_rows(Table(lake, FEATURES).open())[KEY], ("fingerprint",), shard_rows)


def without_time(receipts: list[Receipt]) -> list[Receipt]:
    return [replace(receipt, seconds=0.0) for receipt in sorted(receipts, key=lambda r: r.shard.first_row)]


def test_receipts_are_those_of_calling_the_function_on_each_shard_once(engine: Engine, lake: Lake) -> None:
    shards = shards_in(lake, 100, 9)
    scorer = scorer_of(lake, Line(0.5))
    receipts = without_time(list(engine.map(scorer, shards)))
    assert receipts == without_time([scorer(shard) for shard in shards])
    assert [receipt.shard for receipt in receipts] == shards
    assert sum(receipt.scored.rows for receipt in receipts) == 100


def test_data_stays_in_files_and_never_passes_through_receipts(engine: Engine, lake: Lake) -> None:
    shards = shards_in(lake, 20, 5)
    for receipt in engine.map(scorer_of(lake, Line(0.5)), shards):
        assert not any(isinstance(value, pa.Table | pa.RecordBatch) for value in _leaves(receipt))
        table = Table(lake, predictions_of().table)
        assert table.read_files([receipt.scored], ["visit"]).num_rows == receipt.scored.rows == 5
    assert Table(lake, predictions_of().table).version() == -1


def _leaves(value: Any) -> list[Any]:
    if hasattr(value, "__dataclass_fields__"):
        return [leaf for name in value.__dataclass_fields__ for leaf in _leaves(getattr(value, name))]
    return [value]


def test_the_first_error_is_raised_as_it_is(engine: Engine, lake: Lake) -> None:
    shards = shards_in(lake, 20, 5)
    with pytest.raises(ModelError, match=r"shape \(5, 2\)"):
        list(engine.map(scorer_of(lake, Wide(0.5)), shards))


def test_no_shards_give_no_receipts(engine: Engine, lake: Lake) -> None:
    assert list(engine.map(scorer_of(lake, Line(0.5)), [])) == []


def test_an_engine_can_be_used_again_after_an_error_and_after_an_early_end(engine: Engine, lake: Lake) -> None:
    shards = shards_in(lake, 20, 5)
    with pytest.raises(ModelError):
        list(engine.map(scorer_of(lake, Wide(0.5)), shards))
    unfinished = iter(engine.map(scorer_of(lake, Line(0.5)), shards))
    next(unfinished)
    del unfinished
    assert len(list(engine.map(scorer_of(lake, Line(0.5)), shards))) == 4


def test_an_engine_bears_the_name_it_is_asked_for_by() -> None:
    assert {name: engine_named(name).name for name in ENGINES} == {name: name for name in ENGINES}
