"""One shard: scores are the model's, outputs are values of single rows, rows without a score are kept apart."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import ConfigurationError, ContractError, LakeError, ModelError
from batch_platform.features.quarantine import Tolerance
from batch_platform.lake.digest import digest_table
from batch_platform.lake.store import Lake
from batch_platform.models.artifact import digest_of
from batch_platform.predictions.outputs import derive_outputs, output_schema
from batch_platform.predictions.profile import Profile
from batch_platform.predictions.receipt_book import ReceiptBook
from batch_platform.predictions.receipts import Failure, Receipt
from batch_platform.predictions.scorer import Attempt
from batch_platform_tests.models.registered import Line, Wide, commit_features
from batch_platform_tests.predictions.tables import predictions_of, scorer_of, shards_of, visits

KEY = "2026-01-05"


def one_receipt(lake: Lake, model: Any, rows: pa.Table, **changes: Any) -> Receipt:
    commit_features(lake, {KEY: rows})
    [shard] = shards_of(lake)
    return scorer_of(lake, model, rows.num_rows, **changes)(shard)


def content(lake: Lake, path: str, table: str = "predictions/visits") -> pa.Table:
    return pq.ParquetFile(Path(lake.uri(table)) / path).read()


def test_a_file_holds_keys_carried_columns_scores_outputs_and_origin(lake: Lake) -> None:
    rows = visits(10)
    receipt = one_receipt(lake, Line(0.5), rows)
    written = content(lake, receipt.scored.path)
    assert written.schema.equals(output_schema(predictions_of()))
    expected = Line(0.5).predict(rows).astype(np.float32)
    assert written.column("visit").equals(rows.column("visit"))
    assert written.column("city").equals(rows.column("city"))
    assert np.array_equal(written.column("chance").to_numpy(), expected)
    assert written.column("is_likely").to_pylist() == [bool(score > 0.25) for score in expected]
    origin = [set(written.column(name).to_pylist()) for name in ("_model_version", "_model_digest", "_features_digest")]
    assert origin == [{"1"}, {digest_of(Line(0.5))}, {"f" * 32}]
    assert receipt.digest == digest_table(written)
    assert receipt.failed is None and receipt.outside == 0
    assert (receipt.keys.first, receipt.keys.last, receipt.keys.strictly_ascending) == ((0,), (9,), True)
    profile = Profile.from_json(json.loads(receipt.profile))
    chance = profile.columns["score"]
    assert (chance.rows, chance.minimum, chance.maximum) == (10, expected.min(), expected.max())
    assert profile.columns["color"].nulls == rows.column("color").null_count


def test_rows_without_a_finite_score_are_kept_with_the_error(lake: Lake) -> None:
    rows = visits(6, distance=[0.5, None, 1e300, -1e300, 0.25, 1.0])
    receipt = one_receipt(lake, Line(1.0), rows)
    failed = content(lake, receipt.failed.path, "quarantine/visits")
    assert failed.schema.equals(predictions_of().quarantine_schema)
    assert failed.column("visit").to_pylist() == [1, 2, 3]
    reasons = [f"the model's score is {score}" for score in ("nan", "inf", "-inf")]
    assert failed.column("_error").to_pylist() == reasons
    assert failed.column("_source_file").to_pylist() == ["visits.csv"] * 3
    assert failed.column("_source_row").to_pylist() == [2, 3, 4]
    assert failed.column("_resolved").to_pylist() == [False] * 3
    assert content(lake, receipt.scored.path).column("visit").to_pylist() == [0, 4, 5]
    assert (receipt.scored.rows, receipt.failed.rows) == (3, 3)
    assert receipt.failed_digest == digest_table(failed)


def test_another_result_of_the_same_shard_is_another_file(lake: Lake) -> None:
    """The receipt must tell of the rows that the file holds, also where an earlier file of the shard exists."""
    commit_features(lake, {KEY: visits(6, distance=[None, *[0.5] * 5])})
    [shard] = shards_of(lake)
    receipts = [scorer_of(lake, Line(slope))(shard) for slope in (0.5, 0.25)]
    assert receipts[0].digest != receipts[1].digest
    for receipt, slope in zip(receipts, (0.5, 0.25), strict=True):
        written = content(lake, receipt.scored.path)
        assert written.column("chance").to_pylist() == [0.5 * slope] * 5
        assert (receipt.digest, receipt.scored.rows) == (digest_table(written), written.num_rows)
    assert receipts[0].failed == receipts[1].failed


ERRORS = [
    (ModelError("refuses"), True),
    (ConfigurationError("wrong"), True),
    (ModelError("busy", transient=True), False),
    (LakeError("damaged"), False),
]


class Raising(Line):
    """Raises one of `ERRORS`; its slope says which."""

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        raise ERRORS[int(self.slope)][0]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_a_shards_error_is_its_partitions_unless_it_ends_the_run(lake: Lake, number: int) -> None:
    error, kept = ERRORS[number]
    commit_features(lake, {KEY: visits(3)})
    [shard] = shards_of(lake)
    attempt = Attempt(scorer_of(lake, Raising(float(number))))
    if kept:
        assert attempt(shard) == Failure(shard, error)
        return
    with pytest.raises(type(error)) as caught:
        attempt(shard)
    assert caught.value is error


def test_further_shards_of_a_refused_partition_are_not_scored(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit_features(lake, {KEY: visits(6), "2026-01-06": visits(4)}, files=2)
    first, second = shards_of(lake)
    scorer = scorer_of(lake, Wide(0.5), 6)
    sound = scorer_of(lake, Line(0.5), 4).servings[KEY]
    attempt = Attempt(replace(scorer, servings={**scorer.servings, "2026-01-06": sound}))
    calls: list[str] = []
    real = Wide.predict
    monkeypatch.setattr(Wide, "predict", lambda *given: (calls.append("call"), real(*given))[1])
    refused = attempt(first)
    assert isinstance(refused, Failure) and len(calls) == 1
    assert attempt(second) == Failure(second, refused.error) and len(calls) == 1
    assert all(isinstance(attempt(shard), Receipt) for shard in shards_of(lake, "2026-01-06"))
    # Sent to a worker, it begins anew, and can be sent although errors with tracebacks cannot.
    sent = pickle.loads(pickle.dumps(attempt))
    assert isinstance(sent(second), Failure) and len(calls) == 2


class NotNegative(Line):
    """Cannot score distances below zero."""

    def predict(self, batch: pa.RecordBatch | pa.Table) -> Any:
        distance = batch.column("distance").to_numpy(zero_copy_only=False)
        if (distance < 0).any():
            raise ValueError("a distance below zero")
        return distance * self.slope


@pytest.mark.parametrize("files", [1, 2, 6])
def test_rows_fail_together_wherever_shards_begin(lake: Lake, files: int) -> None:
    rows = visits(600, distance=[*[-1.0] * 200, *[0.5] * 400])
    commit_features(lake, {KEY: rows}, files=files)
    shards = shards_of(lake)
    assert len(shards) == files
    tolerant = scorer_of(lake, NotNegative(0.5), 600, tolerance=Tolerance.parse("200 rows"))
    receipts = [tolerant(shard) for shard in shards]
    assert sum(receipt.failed.rows for receipt in receipts if receipt.failed) == 200
    assert sum(receipt.scored.rows for receipt in receipts if receipt.scored) == 400


@pytest.mark.parametrize("files", [1, 6])
def test_a_model_that_scores_no_row_of_the_partition_is_told_by_a_few(lake: Lake, files: int) -> None:
    commit_features(lake, {KEY: visits(600, distance=[-1.0] * 600)}, files=files)
    scorer = scorer_of(lake, NotNegative(0.5), 600, tolerance=Tolerance.parse("20%"))
    with pytest.raises(ModelError, match=r"each of 18 rows from all over the partition: ValueError: a distance below"):
        scorer(shards_of(lake)[0])


def test_no_rows_make_no_files(lake: Lake) -> None:
    receipt = one_receipt(lake, Line(0.5), visits(0))
    assert (receipt.scored, receipt.failed, receipt.keys.rows) == (None, None, 0)
    assert receipt.digest == digest_table(output_schema(predictions_of()).empty_table())


def test_rows_that_all_fail_make_no_file_of_scores(lake: Lake) -> None:
    receipt = one_receipt(lake, Line(0.5), visits(3, distance=[None] * 3))
    assert receipt.scored is None and receipt.failed is not None and receipt.failed.rows == 3


def test_a_shard_with_more_failures_than_its_partition_tolerates_is_stopped(lake: Lake) -> None:
    commit_features(lake, {KEY: visits(50, distance=[None, None, *[0.5] * 48])})
    [shard] = shards_of(lake)
    strict = Tolerance.parse("1%")
    with pytest.raises(ContractError, match=r"visits\[2026-01-05\]: 2 of 50 rows .* 1%: the model's score is nan"):
        scorer_of(lake, Line(0.5), 50, tolerance=strict)(shard)
    assert scorer_of(lake, Line(0.5), 200, tolerance=strict)(shard).failed is not None


def test_scores_outside_their_range_are_counted(lake: Lake) -> None:
    assert one_receipt(lake, Line(1.0), visits(4, distance=[0.5, 1.5, -0.1, 1.0])).outside == 2


def test_a_receipt_lies_beside_its_files_and_reads_back_as_it_was(lake: Lake) -> None:
    receipt = one_receipt(lake, Line(0.5), visits(6, distance=[None, *[0.5] * 5]))
    book = ReceiptBook(lake, "predictions/visits", "quarantine/visits")
    assert book.find([receipt.shard]) == {receipt.shard: receipt}


def test_a_scorer_can_be_sent_to_another_process(lake: Lake) -> None:
    commit_features(lake, {KEY: visits(6)})
    [shard] = shards_of(lake)
    scorer = scorer_of(lake, Line(0.5), 6)
    there = pickle.loads(pickle.dumps(scorer))(pickle.loads(pickle.dumps(shard)))
    assert there.digest == scorer(shard).digest


def test_scores_of_another_shape_are_refused(lake: Lake) -> None:
    with pytest.raises(ModelError, match=r"shape \(3, 2\) for 3 rows"):
        one_receipt(lake, Wide(0.5), visits(3))


def test_a_feature_file_without_a_needed_column_is_refused(lake: Lake) -> None:
    with pytest.raises(LakeError, match="city"):
        one_receipt(lake, Line(0.5), visits(3).drop_columns(["city"]))


@pytest.mark.parametrize(
    "expression",
    [
        "chance >",
        "nowhere > 0.5",
        "city + 1 > chance",
        "max(chance)",
        "chance / sum(chance)",
        "*",
        "chance > 0.5; drop table x",
        "",
        "is_later",
    ],
)
def test_wrong_output_expressions_are_refused_by_name(expression: str) -> None:
    table = predictions_of(outputs={"chance": "score", "is_likely": expression, "is_later": "true"})
    with pytest.raises(ConfigurationError, match="is_likely") as caught:
        derive_outputs(table, visits(4), {"score": pa.array(np.zeros(4, np.float32))}, ("1", "d", "f"))
    assert "\n" not in str(caught.value)


def test_outputs_may_use_outputs_before_them_and_keep_their_order() -> None:
    outputs = {"chance": "score", "double": "chance * 2", "label": "CASE WHEN double > 1 THEN 'high' ELSE city END"}
    table = derive_outputs(
        predictions_of(outputs=outputs),
        visits(2),
        {"score": pa.array(np.array([0.75, 0.25], np.float32))},
        ("1", "d", "f"),
    )
    assert table.column_names[:5] == ["visit", "city", "chance", "double", "label"]
    assert table.column("label").to_pylist() == ["high", "city 1"]
    assert table.schema.field("label").type == pa.string()
