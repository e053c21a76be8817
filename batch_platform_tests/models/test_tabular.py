"""The built-in trainer is reproducible, scores rows independently of their company, and refuses bad tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch

from batch_platform.errors import ConfigurationError, ModelError
from batch_platform.models import quality
from batch_platform.models.runtimes.base import BATCH_ROWS
from batch_platform.models.tabular import TabularModel, train
from batch_platform.models.task import TrainingTask

TASK = TrainingTask(
    features=("angle", "radius", "gap", "constant", "nothing", "color", "is_open"),
    label="is_late",
    time="partition_key",
    seed=7,
    options={"hidden": [32, 16], "epochs": 3, "dropout": 0.1, "learning_rate": 0.01},
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    former = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(former)


def rows_of_table(rows: int, seed: int = 0) -> pa.Table:
    """Rows whose label is an exclusive-or of two numbers' signs: no linear model can learn it."""
    random = np.random.default_rng(seed)
    angle, radius = random.normal(size=rows), random.normal(size=rows)
    color = random.choice(["blue", "green", "red"], size=rows)
    chance = np.where((angle > 0) ^ (radius > 0), 0.85, 0.15)
    chance = np.where(color == "red", 1 - (1 - chance) * 0.5, chance)
    gap = np.where(random.random(rows) < 0.3, np.nan, random.normal(size=rows))
    return pa.table(
        {
            "partition_key": [f"2026-01-{1 + index * 28 // rows:02d}" for index in range(rows)],
            "angle": angle,
            "radius": radius.astype(np.float32),
            "gap": pa.array(gap, from_pandas=True),
            "constant": pa.array([3] * rows, pa.int64()),
            "nothing": pa.nulls(rows, pa.float64()),
            "color": pa.array(color.tolist()).dictionary_encode(),
            "is_open": random.random(rows) < 0.5,
            "is_late": random.random(rows) < chance,
        }
    )


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return rows_of_table(3000)


@pytest.fixture(scope="module")
def model(table: pa.Table) -> TabularModel:
    return train(table, TASK)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(table: pa.Table, model: TabularModel) -> None:
    again = train(table, TASK)
    assert again.config == model.config
    assert list(again.tensors) == list(model.tensors)
    for name, tensor in model.tensors.items():
        assert again.tensors[name].tobytes() == tensor.tobytes(), name
    other = train(table, replace(TASK, seed=8))
    assert other.tensors["network.layers.0.weight"].tobytes() != model.tensors["network.layers.0.weight"].tobytes()


def test_training_leaves_no_global_state_changed() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    train(rows_of_table(1000), replace(TASK, options={"epochs": 1, "threads": 2}))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == 1
    assert not torch.are_deterministic_algorithms_enabled()


def test_global_random_state_does_not_influence_training(table: pa.Table, model: TabularModel) -> None:
    torch.manual_seed(12345)
    again = train(table, TASK)
    assert again.tensors["network.layers.0.weight"].tobytes() == model.tensors["network.layers.0.weight"].tobytes()


def test_a_row_scores_the_same_bits_in_any_company(model: TabularModel) -> None:
    rows = rows_of_table(3 * BATCH_ROWS + 17, seed=1)
    scores = model.predict(rows)
    random = np.random.default_rng(2)
    for size in (1, 2, 63, 1000, BATCH_ROWS, BATCH_ROWS + 1, rows.num_rows):
        chosen = random.permutation(rows.num_rows)[:size]
        assert np.array_equal(model.predict(rows.take(chosen)), scores[chosen]), size
    for start in (0, 1, 5, BATCH_ROWS - 1):
        assert np.array_equal(model.predict(rows.slice(start)), scores[start:]), start


def test_record_batches_and_tables_score_alike_and_no_rows_give_no_scores(model: TabularModel) -> None:
    rows = rows_of_table(100, seed=1)
    assert np.array_equal(model.predict(rows.combine_chunks().to_batches()[0]), model.predict(rows))
    scores = model.predict(rows.slice(0, 0))
    assert scores.shape == (0,)
    assert scores.dtype == np.float32


def test_parts_restore_the_model_exactly(model: TabularModel) -> None:
    tensors = {name: tensor.copy() for name, tensor in model.tensors.items()}
    restored = TabularModel.from_parts(tensors, json.loads(json.dumps(model.config)))
    rows = rows_of_table(5000, seed=1)
    assert np.array_equal(restored.predict(rows), model.predict(rows))
    assert restored.config == model.config
    for name, tensor in model.tensors.items():
        assert restored.tensors[name].tobytes() == tensor.tobytes()
        assert restored.tensors[name].dtype == tensor.dtype


def test_parts_that_do_not_fit_are_refused(model: TabularModel) -> None:
    tensors, config = model.tensors, model.config
    some = dict(tensors)
    del some["network.layers.1.bias"]
    odd = {**tensors, "network.layers.0.weight": np.zeros((2, 2), np.float32)}
    for wrong_tensors, wrong_config in (
        (some, config),
        (odd, config),
        (tensors, {**config, "format": 99}),
        (tensors, {name: value for name, value in config.items() if name != "levels"}),
        (tensors, {**config, "levels": "red"}),
    ):
        with pytest.raises(ModelError):
            TabularModel.from_parts(wrong_tensors, wrong_config)


def test_it_learns_what_a_logistic_regression_cannot(table: pa.Table, model: TabularModel) -> None:
    rows = rows_of_table(4000, seed=1)
    labels = TASK.labels(rows)
    network = quality.evaluate(labels, model.predict(rows))
    regression = quality.evaluate(labels, quality.logistic_regression_scores(table, rows, TASK))
    assert network.roc_auc is not None
    assert regression.roc_auc is not None
    assert network.roc_auc > 0.78
    assert regression.roc_auc < 0.65
    assert network.log_loss < regression.log_loss - 0.1
    assert network.calibration_error < 0.06


def test_overconfidence_on_later_partitions_draws_scores_towards_the_base_rate() -> None:
    rows = rows_of_table(3000)
    noise = np.random.default_rng(5).random(rows.num_rows) < 0.5
    newest = TASK.newest(rows, 0.15)
    drifted = np.where(newest, noise, TASK.labels(rows) > 0)
    position = rows.schema.get_field_index("is_late")
    steady, shaken = train(rows, TASK), train(rows.set_column(position, "is_late", pa.array(drifted)), TASK)
    slope_of = [model.tensors["network.calibration"][0] for model in (steady, shaken)]
    assert 0.6 < slope_of[0] < 1.5
    assert slope_of[1] < 0.5


def test_gaps_and_unseen_levels_score_near_the_average_of_what_they_could_be(model: TabularModel) -> None:
    rows = rows_of_table(2000, seed=1)
    unseen = rows.set_column(rows.schema.get_field_index("color"), "color", pa.array(["violet"] * rows.num_rows))
    null = rows.set_column(rows.schema.get_field_index("color"), "color", pa.nulls(rows.num_rows))
    assert np.array_equal(model.predict(unseen), model.predict(null))
    assert np.abs(model.predict(unseen) - model.predict(rows)).mean() < 0.2
    no_angle = rows.set_column(rows.schema.get_field_index("angle"), "angle", pa.nulls(rows.num_rows, pa.float64()))
    scores = model.predict(no_angle)
    assert np.isfinite(scores).all()
    assert abs(float(scores.mean()) - float(model.predict(rows).mean())) < 0.1


def test_columns_without_information_are_ignored(model: TabularModel) -> None:
    rows = rows_of_table(500, seed=1)
    changed = rows
    for name, value in (("constant", 12.0), ("nothing", -5.0)):
        position = rows.schema.get_field_index(name)
        changed = changed.set_column(position, name, pa.array([value] * rows.num_rows))
    assert np.array_equal(model.predict(changed), model.predict(rows))


def test_extreme_numbers_score_as_the_ends_of_the_training_range(model: TabularModel) -> None:
    rows = rows_of_table(4, seed=1)
    position = rows.schema.get_field_index("angle")
    values = pa.array([1e9, 1e300, np.inf, 1e9])
    first = rows.take([0, 0, 0, 0]).set_column(position, "angle", values)
    scores = model.predict(first)
    assert np.isfinite(scores).all()
    assert np.unique(scores).size == 1


def test_prediction_refuses_missing_and_wrong_columns(model: TabularModel) -> None:
    rows = rows_of_table(10, seed=1)
    with pytest.raises(ModelError, match="radius"):
        model.predict(rows.drop_columns(["radius"]))
    for wrong in (pa.array(["1.5"] * 10), pa.array([0] * 10, pa.timestamp("us"))):
        with pytest.raises(ModelError, match="radius"):
            model.predict(rows.set_column(rows.schema.get_field_index("radius"), "radius", wrong))
    with pytest.raises(ModelError, match="color"):
        model.predict(rows.set_column(rows.schema.get_field_index("color"), "color", pa.array([1.0] * 10)))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("is_late", [True] * 600, "same label"),
        ("is_late", [None] + [True, False] * 299 + [True], "null in 1 row"),
        ("is_late", [2] * 600, "other than 0 and 1"),
        ("is_late", ["late"] * 600, "not 0 or 1"),
        ("partition_key", ["2026-01-01"] * 600, "single partition"),
        ("partition_key", [1] * 600, "partition keys"),
        ("partition_key", ["2026-01-01"] * 599 + ["2026-01-02"], "too few"),
    ],
)
def test_training_refuses_tables_it_cannot_learn_from(column: str, values: list[object], message: str) -> None:
    rows = rows_of_table(600)
    wrong = rows.set_column(rows.schema.get_field_index(column), column, pa.array(values))
    with pytest.raises(ModelError, match=message):
        train(wrong, TASK)


def test_training_refuses_absent_columns_and_moments_in_time() -> None:
    rows = rows_of_table(600)
    for name in ("angle", "is_late", "partition_key"):
        with pytest.raises(ModelError, match=name):
            train(rows.drop_columns([name]), TASK)
    moments = rows.append_column("seen_at", pa.array([0] * 600, pa.timestamp("us", "UTC")))
    with pytest.raises(ConfigurationError, match="seen_at"):
        train(moments, replace(TASK, features=("angle", "seen_at")))


@pytest.mark.parametrize(
    "options",
    [
        {"dropuot": 0.1},
        {"epochs": 0},
        {"epochs": 2.5},
        {"epochs": True},
        {"patience": 0},
        {"dropout": 1.0},
        {"learning_rate": "fast"},
        {"learning_rate": float("nan")},
        {"hidden": []},
        {"hidden": [64, "x"]},
        {"hidden": 64},
        {"validation_share": 0},
    ],
)
def test_options_that_cannot_mean_what_they_say_are_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        train(rows_of_table(600), replace(TASK, options=options))


def test_only_categories_and_only_numbers_train_too() -> None:
    rows = rows_of_table(1200)
    for features in (("color", "is_open"), ("angle",)):
        scores = train(rows, replace(TASK, features=features)).predict(rows)
        assert np.isfinite(scores).all()
        assert abs(float(scores.mean()) - float(TASK.labels(rows).mean())) < 0.1


def test_features_that_never_vary_are_nothing_to_learn_from() -> None:
    with pytest.raises(ModelError, match="none of the features varies"):
        train(rows_of_table(1200), replace(TASK, features=("constant", "nothing")))


def test_the_validation_tail_is_the_newest_partitions_whatever_the_order_of_rows(table: pa.Table) -> None:
    newest = TASK.newest(table, 0.15)
    keys = pl.Series(table.column("partition_key").to_pylist())
    assert sorted(keys.filter(pl.Series(newest)).unique()) == [f"2026-01-{day}" for day in (25, 26, 27, 28)]
    assert keys.filter(pl.Series(~newest)).max() == "2026-01-24"
    reversed_rows = table.take(list(range(table.num_rows))[::-1])
    assert np.array_equal(TASK.newest(reversed_rows, 0.15), newest[::-1])


def one_of_two_rates(rows: int) -> pa.Table:
    """Rows whose label depends on a category of two levels alone, beside numbers that mean nothing."""
    random = np.random.default_rng(3)
    is_open = random.random(rows) < 0.5
    noise = {name: random.normal(size=rows) for name in ("angle", "radius", "gap")}
    late = random.random(rows) < np.where(is_open, 0.8, 0.2)
    keys = [f"2026-01-{1 + index * 28 // rows:02d}" for index in range(rows)]
    return pa.table({"partition_key": keys, "is_open": is_open, "is_late": late, **noise})


def test_training_stops_early_on_what_is_learned_at_once() -> None:
    task = replace(TASK, features=("is_open", "angle", "radius", "gap"), options={**TASK.options, "epochs": 30})
    rows = one_of_two_rates(3000)
    model = train(rows, task)
    assert 1 <= model.epochs < 10
    # The number of epochs that was found is the whole difference: told it, training gives the same weights.
    told = train(rows, replace(task, options={**task.options, "epochs": model.epochs}))
    for name, tensor in model.tensors.items():
        assert told.tensors[name].tobytes() == tensor.tobytes(), name


def test_more_patience_finds_a_later_epoch_that_is_better() -> None:
    task = replace(TASK, features=("is_open", "angle", "radius", "gap"))
    rows = one_of_two_rates(3000)
    hasty, patient = (
        train(rows, replace(task, options={**TASK.options, "epochs": 8, "patience": patience})).epochs
        for patience in (1, 5)
    )
    assert hasty < patient <= 8


def test_training_goes_on_to_the_maximum_while_it_improves(table: pa.Table) -> None:
    slow = {"hidden": [32, 16], "dropout": 0.0, "learning_rate": 0.0005}
    assert [train(table, replace(TASK, options={**slow, "epochs": most})).epochs for most in (1, 4)] == [1, 4]


def test_the_epochs_at_which_training_stopped_are_part_of_the_config(model: TabularModel) -> None:
    assert model.config["epochs"] == model.epochs
    assert 1 <= model.epochs <= 3
    assert TabularModel.from_parts(model.tensors, model.config).epochs == model.epochs
