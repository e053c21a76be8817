"""Scoring one file: a model, an input, an output. No lake, no orchestrator.

Belongs here: reading and writing the two files, in batches. Does not belong here: the platform's governed path.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from batch_platform.errors import ConfigurationError, ModelError, SourceError, first_line
from batch_platform.models.artifact import Model

SCORE = "score"
_BATCH_ROWS = 65_536


def score_file(model: Model, source: Path, target: Path) -> int:
    """Write `source`'s rows to `target` with a column `score`; returns how many there were.

    Both are .parquet or .csv. The target appears whole or not at all; memory stays bounded by a batch.

    Raises:
        SourceError: the input is missing or unreadable.
        ConfigurationError: an ending is neither .parquet nor .csv, the input has a column `score` already, or the
            output cannot be written.
        ModelError: a feature is missing or has the wrong type.
    """
    if not source.is_file():
        raise SourceError("the input file does not exist", where=str(source))
    if source.resolve() == target.resolve():
        raise ConfigurationError("input and output are the same file", where=str(source), fix="name another output")
    partial = target.with_name(f".{target.name}.partial")
    rows = 0
    try:
        with _batches(source, model) as (schema, batches):
            if SCORE in schema.names:
                raise ConfigurationError("the input has a column 'score' already", where=str(source), fix="rename it")
            if len(set(schema.names)) < len(schema.names):
                raise SourceError("two columns have one name", where=str(source), fix="rename one")
            lacking = [name for name in model.features if name not in schema.names]
            if lacking:
                raise ModelError(f"the input lacks the feature {lacking[0]!r}", where=str(source))
            with _writer(partial, target, schema.append(pa.field(SCORE, pa.float32()))) as writer:
                for batch in batches:
                    scores = pa.array(model.predict(batch), pa.float32())
                    writer.write(pa.RecordBatch.from_arrays([*batch.columns, scores], schema=writer.schema))
                    rows += batch.num_rows
        try:
            partial.replace(target)
        except OSError as error:
            raise _not_writable(target, error) from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot be scored: {first_line(error)}", where=str(source)) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return rows


class _Writer:
    def __init__(self, sink: pq.ParquetWriter | pacsv.CSVWriter, schema: pa.Schema) -> None:
        self._sink, self.schema = sink, schema

    def write(self, batch: pa.RecordBatch) -> None:
        self._sink.write_batch(batch)


@contextmanager
def _writer(partial: Path, target: Path, schema: pa.Schema) -> Iterator[_Writer]:
    kind = _kind(target)
    try:
        opened = (
            pq.ParquetWriter(partial, schema, compression="zstd")
            if kind == "parquet"
            else pacsv.CSVWriter(partial, schema)
        )
    except OSError as error:
        raise _not_writable(target, error) from error
    with opened as sink:
        yield _Writer(sink, schema)


@contextmanager
def _batches(source: Path, model: Model) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    if _kind(source) == "parquet":
        with pq.ParquetFile(source) as file:
            yield file.schema_arrow, file.iter_batches(_BATCH_ROWS)
        return
    # CSV has no types: features take those that the model was trained on, all else is handed on as it is spelled.
    with pacsv.open_csv(source) as reader:
        types = dict.fromkeys(reader.schema.names, pa.string()) | csv_types(model)
    options = pacsv.ConvertOptions(column_types=types)
    with pacsv.open_csv(source, convert_options=options) as reader:
        yield reader.schema, iter(reader)


def _not_writable(target: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"the output cannot be written: {first_line(error)}", where=str(target), fix="name another output"
    )


def csv_types(model: Model) -> dict[str, pa.DataType]:
    """The types that a model's features have when they come from text."""
    numeric = model.config.get("numeric")
    names = numeric if isinstance(numeric, list | tuple) else ()
    return {name: pa.float64() if name in names else pa.string() for name in model.features}


def _kind(path: Path) -> str:
    kind = path.suffix.lower().lstrip(".")
    if kind not in ("parquet", "csv"):
        raise ConfigurationError(f"{path.name!r} is neither .parquet nor .csv", where=str(path))
    return kind
