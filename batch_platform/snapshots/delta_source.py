"""The `delta` source: rows of a Delta table that others write, as it is, as it was, or what changed in it.

Belongs here: choosing the rows. Does not belong here: choosing versions (`delta_versions.py`), or our
own tables (`batch_platform.lake`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as pads
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from batch_platform.errors import BatchPlatformError, ConfigurationError, SourceError, first_line, is_transient
from batch_platform.settings import source_options
from batch_platform.snapshots.conversion import listed
from batch_platform.snapshots.declared_sources import DeltaSource
from batch_platform.snapshots.delta_versions import changes, go_back, versions_within
from batch_platform.snapshots.numbered_rows import extract_of
from batch_platform.snapshots.source_spec import SourceSpec
from batch_platform.snapshots.sources import Extract
from batch_platform.snapshots.typed_rows import typed
from batch_platform.snapshots.watermark import bounds, needed

if TYPE_CHECKING:
    from batch_platform.partitions import Window

_CHANGE_COLUMNS = ("_commit_version", "_change_type")


@dataclass(frozen=True)
class DeltaTableSource:
    """Reads `spec.delta.table`; a relative folder starts at `base`."""

    spec: SourceSpec
    base: Path

    def read(self, partition_key: str | None, window: Window | None) -> Extract:
        """The partition's rows; `_source_file` names the version, or the versions whose changes these are."""
        declared = self.declared
        with telling(declared):
            table = self.open()
            if declared.changes:
                asked = needed(window, declared.origin, "changes are those of a window")
                versions = versions_within(table, asked, declared.origin)
                changed = changes(table, versions)
                schema, batches = changed.schema, changed.to_batches()
                first, last = (versions[0], versions[-1]) if versions else (table.version(), table.version())
                path = f"{declared.origin}@{first}" + (f"-{last}" if last != first else "")
            else:
                if declared.as_of == "window_end":
                    go_back(table, needed(window, declared.origin, "as_of is a window's end"), declared.origin)
                path = f"{declared.origin}@{table.version()}"
                dataset = table.to_pyarrow_dataset()
                chosen = self._filter(dataset, partition_key, window)
                schema, columns = dataset.schema, self.spec.columns
                names = [name for name in schema.names if columns is None or name in columns]
                batches = dataset.scanner(columns=names, filter=chosen).to_batches()
            wanted = pa.schema(
                [field for field in schema if self.spec.columns is None or field.name in self.spec.columns]
            )
            rows, _ = typed(wanted, batches, self.spec, declared.origin)
        extra = [name for name in schema.names if name not in wanted.names]
        return extract_of(rows, path, _CHANGE_COLUMNS if declared.changes else (), extra)

    @property
    def declared(self) -> DeltaSource:
        """The declaration."""
        assert self.spec.delta is not None
        return self.spec.delta

    def open(self) -> DeltaTable:
        """The table at its latest version.

        Raises:
            SettingError: the options of object stores mean nothing, or hold a credential.
            Exception: whatever delta-rs raises.
        """
        address = self.declared.table
        if "://" in address:
            return DeltaTable(address, storage_options=source_options())
        return DeltaTable(self.base / address)

    def _filter(self, dataset: Any, partition_key: str | None, window: Window | None) -> Any:
        """The condition of the partition's rows; None if they are all the table's."""
        declared = self.declared
        name = declared.partition or declared.watermark
        if name is None:
            return None
        if name not in dataset.schema.names:
            raise SourceError(
                f"missing column {name!r}; the table has {listed(dataset.schema.names)}",
                where=declared.origin,
                fix="name a column that it has",
            )
        kind = dataset.schema.field(name).type
        if declared.partition is not None:
            needed(window, declared.origin, "`partition` compares with a key")
            return pads.field(name) == _key_as(kind, str(partition_key), declared)
        asked = needed(window, declared.origin, "a watermark needs a window")
        start, end = bounds(_seen_as(kind), asked, declared.zone, declared.origin)
        if declared.null_watermarks == "refused" and dataset.head(1, filter=pads.field(name).is_null()).num_rows:
            raise SourceError(
                f"some rows have no watermark: {name!r} is null",
                where=declared.origin,
                fix="correct them, or declare null_watermarks: skipped",
            )
        return (pads.field(name) >= pa.scalar(start, kind)) & (pads.field(name) < pa.scalar(end, kind))


def _seen_as(kind: pa.DataType) -> pa.DataType:
    return pa.timestamp("us", "UTC" if kind.tz else None) if pa.types.is_timestamp(kind) else kind


def _key_as(kind: pa.DataType, key: str, declared: DeltaSource) -> pa.Scalar:
    is_ = pa.types
    fits = is_.is_string(kind) or is_.is_large_string(kind) or is_.is_date(kind) or is_.is_integer(kind)
    try:
        if fits:
            return pa.scalar(key).cast(kind)
    except pa.ArrowException:
        pass
    raise ConfigurationError(
        f"column {declared.partition!r} is {kind}, and {key[:40]!r} is no such value",
        where=declared.origin,
        fix="use `watermark`",
    )


@contextmanager
def telling(declared: DeltaSource) -> Iterator[None]:
    """Tell what delta-rs and Arrow raise within the block as an error of ours.

    Raises:
        SourceError: there is no such table, or it cannot be read.
    """
    try:
        yield
    except BatchPlatformError:
        raise
    except TableNotFoundError as error:
        raise SourceError("there is no Delta table", where=declared.origin, fix="check `table`") from error
    except Exception as error:  # delta-rs has many classes, and Arrow reads its files
        raise SourceError(
            f"the table cannot be read: {first_line(error)}",
            where=declared.origin,
            fix="check the address, the credentials of the environment, and that the table is whole",
            transient=is_transient(error),
        ) from error
