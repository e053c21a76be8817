"""A scored file holds the input's rows and their scores, and appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_platform.errors import BatchPlatformError, ConfigurationError, ModelError, SourceError
from batch_platform.predictions import score_file as module
from batch_platform.predictions.score_file import score_file
from batch_platform_tests.models.registered import Line
from batch_platform_tests.predictions.tables import visits

MODEL = Line(0.5)
TEXT = "id,distance,color\n007,0.25,NA\n1e3,,red\n"


def test_parquet_is_scored_batch_by_batch_with_nothing_else_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    class Watched(Line):
        def predict(self, batch: pa.RecordBatch | pa.Table) -> object:
            sizes.append(batch.num_rows)
            return super().predict(batch)

    monkeypatch.setattr(module, "_BATCH_ROWS", 7)
    rows = visits(20)
    pq.write_table(rows, tmp_path / "in.parquet")
    assert score_file(Watched(0.5), tmp_path / "in.parquet", tmp_path / "out.parquet") == 20
    assert sizes == [7, 7, 6]
    written = pq.read_table(tmp_path / "out.parquet")
    assert written.drop_columns(["score"]).equals(rows)
    assert written.schema.field("score").type == pa.float32()
    assert np.array_equal(written.column("score").to_numpy(), MODEL.predict(rows).astype(np.float32))


def test_text_that_the_model_does_not_read_as_numbers_is_handed_on_as_it_is_spelled(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(TEXT)
    assert score_file(MODEL, tmp_path / "in.csv", tmp_path / "out.csv") == 2
    assert (tmp_path / "out.csv").read_text().replace('"', "").splitlines() == [
        "id,distance,color,score",
        "007,0.25,NA,0.125",
        "1e3,,red,nan",
    ]
    score_file(MODEL, tmp_path / "in.csv", tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column("id").to_pylist() == ["007", "1e3"]


def test_no_rows_give_a_file_without_rows(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("distance,color\n")
    assert score_file(MODEL, tmp_path / "in.csv", tmp_path / "out.parquet") == 0
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["distance", "color", "score"]


def test_a_failure_midway_leaves_the_earlier_target_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Line):
        def predict(self, batch: pa.RecordBatch | pa.Table) -> object:
            if batch.column("visit")[0].as_py() > 0:
                raise ModelError("the second batch fails")
            return super().predict(batch)

    monkeypatch.setattr(module, "_BATCH_ROWS", 5)
    pq.write_table(visits(20), tmp_path / "in.parquet")
    (tmp_path / "out.csv").write_text("earlier")
    with pytest.raises(ModelError, match="second batch"):
        score_file(Failing(0.5), tmp_path / "in.parquet", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.csv"]


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", SourceError, "cannot be scored"),
        (b"distance,color\n0.5,r\xe9d\n", SourceError, "UTF"),
        (b"distance,c\xf6lor\n0.5,red\n", SourceError, "utf-8"),
        (b"distance,color\nfar,red\n", SourceError, "far"),
        (b"distance,color\n0.5,red,blue\n", SourceError, "columns"),
        (b"distance\n0.5\n", ModelError, "color"),
        (b"distance,color,score\n0.5,red,1\n", ConfigurationError, "score"),
        (b"distance,color,distance\n0.5,red,1\n", SourceError, "one name"),
    ],
)
def test_bad_csv_is_one_line_and_writes_nothing(
    tmp_path: Path, content: bytes, kind: type[BatchPlatformError], message: str
) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    with pytest.raises(kind, match=message) as caught:
        score_file(MODEL, tmp_path / "in.csv", tmp_path / "out.csv")
    assert str(tmp_path / "in.csv") in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_bad_parquet_and_bad_places_are_one_line(tmp_path: Path) -> None:
    pq.write_table(visits(3), tmp_path / "in.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "in.parquet").read_bytes()[:-9])
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.parquet").symlink_to(tmp_path / "in.parquet")
    before = sorted(tmp_path.iterdir())
    for source, target, kind in (
        ("absent.csv", "out.csv", SourceError),
        ("folder.csv", "out.csv", SourceError),
        ("cut.parquet", "out.csv", SourceError),
        ("in.parquet", "in.parquet", ConfigurationError),
        ("in.parquet", "link.parquet", ConfigurationError),
        ("in.parquet", "out.txt", ConfigurationError),
        ("in.parquet", "absent/out.csv", ConfigurationError),
        ("in.parquet", "absent/out.parquet", ConfigurationError),
        ("in.parquet", "in.parquet/out.csv", ConfigurationError),
        ("in.parquet", "folder.csv", ConfigurationError),
    ):
        with pytest.raises(kind) as caught:
            score_file(MODEL, tmp_path / source, tmp_path / target)
        assert "\n" not in str(caught.value), (source, target)
        assert sorted(tmp_path.iterdir()) == before, (source, target)
    assert pq.read_table(tmp_path / "in.parquet").equals(visits(3))
