"""Each check of a prediction partition fails on what it is there for, and on nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import digest_table
from batch_platform.lake.provenance import Ledger, PartitionRecord
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.models.versions import Version
from batch_platform.predictions.checks import prediction_checks
from batch_platform.predictions.definition import CHECKS
from batch_platform.predictions.key_order import KeyOrder
from batch_platform.predictions.receipts import Receipt
from batch_platform.predictions.scored import Scored
from batch_platform.predictions.shards import Shard
from batch_platform.resources import Resources
from batch_platform_tests.predictions.tables import predictions_of

KEY = "2026-01-05"


def version(number: str) -> Version:
    return Version("visits", number, "d" * 32, "w", datetime(2026, 1, 1, tzinfo=UTC), True)


def receipt(lake: Lake, visits: list[int | None], outside: int) -> Receipt:
    rows = pa.table({"visit": pa.array(visits, pa.int64())})
    order = KeyOrder(("visit",))
    order.add(rows)
    file: DataFile = Table(lake, "predictions/visits").write(KEY, rows)
    digest, shard = digest_table(rows), Shard(KEY, "f", 0, len(visits), "n")
    return Receipt(shard, file if visits else None, None, digest, digest, order.run(), outside, 0, "{}", 0.1)


def failing(lake: Lake, *shards: list[int | None], outside: int = 0, expected: str = "2", **outcomes: int) -> list[str]:
    receipts = [receipt(lake, visits, outside) for visits in shards]
    written = sum(len(visits) for visits in shards)
    rows = outcomes.pop("rows", written)
    ledger = Ledger(rows, {"scored": written, "reused": 0, "failed": 0, **outcomes})
    record = PartitionRecord("d", ledger)
    files = [found.scored for found in receipts if found.scored]
    scored = Scored(record, record, files, [], receipts, {})
    checks = prediction_checks(predictions_of(), lake, Resources(), scored, version("2"), version(expected))
    assert [check.name for check in checks] == list(CHECKS)
    return [check.name for check in checks if not check.passed]


def test_good_and_empty_partitions_pass(lake: Lake) -> None:
    assert failing(lake, [1, 2]) == []
    assert failing(lake, []) == []
    assert failing(lake, [3, 4], [1, 2]) == []
    assert failing(lake, [1, 2], rows=5, failed=3) == []
    assert failing(lake, [1, 2], scored=1, reused=1) == []


@pytest.mark.parametrize("outcomes", [{"rows": 3}, {"failed": 1}, {"rows": 3, "scored": 3}, {"failed": -1, "rows": 1}])
def test_a_ledger_that_does_not_balance_or_does_not_match_the_files_fails(lake: Lake, outcomes: dict[str, int]) -> None:
    assert failing(lake, [1, 2], **outcomes) == ["ledger"]


@pytest.mark.parametrize("shards", [([1, 2, 2],), ([1, 2, 1],), ([1, 3], [3, 4]), ([1, 9], [2, 3, 9]), ([None, 1],)])
def test_repeated_and_missing_keys_fail_wherever_they_stand(lake: Lake, shards: tuple[list[int | None], ...]) -> None:
    assert failing(lake, *shards) == ["key_is_unique"]


def test_keys_that_prove_nothing_by_their_order_are_read_back(lake: Lake, tmp_path: Path) -> None:
    assert failing(lake, [5, 1, 3], [2, 4]) == []


def test_scores_outside_their_range_fail(lake: Lake) -> None:
    assert failing(lake, [1, 2], outside=1) == ["scores_in_range"]


def test_another_version_than_the_one_that_serves_by_now_fails(lake: Lake) -> None:
    assert failing(lake, [1, 2], expected="3") == ["model_as_expected"]
