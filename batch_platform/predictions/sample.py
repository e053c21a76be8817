"""A few rows from all over a feature partition, to learn whether a model scores any of it.

Belongs here: drawing them. Does not belong here: what follows from how the model takes them (`attempts.py`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

import pyarrow as pa

from batch_platform.errors import UnreadableError
from batch_platform.lake.log import live_rows
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.predictions.reader import chunks, feature_file
from batch_platform.predictions.shards import Shard

_READ_ROWS = 4096


def drawn_rows(lake: Lake, table: str, shard: Shard, columns: Sequence[str], count: int) -> Iterator[pa.RecordBatch]:
    """Rows of a shard's partition, one at a time: one at random from each of `count` equal stretches of it.

    The same rows whichever shard asks. Ends early where a file cannot be read: that is for the shard that needs it to
    say. There are none if the partition was rewritten since the shard was planned.

    Args:
        lake: where the table lies.
        table: the feature table.
        shard: a shard of the partition.
        columns: what is read of each row.
        count: how many rows, at most all.
    """
    opened = Table(lake, table).open()
    files = [] if opened is None else sorted(live_rows(opened).get(shard.partition, ()))
    if shard.path not in [path for path, _ in files]:
        return
    ends = list(accumulate(rows for _, rows in files))
    chance = random.Random(shard.partition)
    for place in _places(ends[-1], count, chance):
        number = next(n for n, end in enumerate(ends) if place < end)
        path, rows = files[number]
        try:
            yield _row(lake, table, replace(shard, path=path, rows=rows), columns, place - (ends[number] - rows))
        except UnreadableError:
            return


def _places(rows: int, count: int, chance: random.Random) -> list[int]:
    count = min(count, rows)
    found = [chance.randrange(n * rows // count, (n + 1) * rows // count) for n in range(count)]
    # So that the first few lie far apart, too.
    chance.shuffle(found)
    return found


def _row(lake: Lake, table: str, file: Shard, columns: Sequence[str], place: int) -> pa.RecordBatch:
    groups = feature_file(lake, table, file.path, file.rows, -1).groups or ()
    ends = list(accumulate(groups))
    group = next((n for n, end in enumerate(ends) if place < end), None)
    if group is None:
        raise UnreadableError("holds fewer rows than the table's log says", where=f"{table}, file {file.path}")
    left = place - (ends[group] - groups[group])
    for rows in chunks(lake, table, replace(file, groups=(group, group + 1)), columns, _READ_ROWS):
        if left < rows.num_rows:
            return rows.take(pa.array([left])).combine_chunks().to_batches()[0]
        left -= rows.num_rows
    raise UnreadableError("ends before its footer says", where=f"{table}, file {file.path}")
