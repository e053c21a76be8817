"""A book says what a source holds, outlasts what happens to files, and is never believed when it is damaged."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.provenance import Ledger, PartitionRecord, Provenance, SourceRead, Stage
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.lake.vacuum import vacuum
from batch_platform.schedules.arrival_book import (
    PATH,
    ArrivalBook,
    Asked,
    Seen,
    arrivals,
    content_of,
    read_arrivals,
    read_book,
    write_book,
)
from batch_platform.schedules.facts import Arrival, Made

TABLE = "snapshots/flights"
FILES = {"in/a.csv": "aa", "in/b.csv": "bb"}
COMPLETE = Seen("token", 1000.0, content_of(FILES), True, 2, 20)

_TEXT = st.text(max_size=8)
_SEEN = st.builds(Seen, _TEXT, st.floats(0, 2e9), _TEXT, st.booleans(), st.integers(0, 9), st.integers(0, 9))
_ASKED = st.builds(Asked, st.integers(1, 99), st.floats(0, 2e9), _TEXT)


@given(
    st.builds(
        ArrivalBook,
        st.booleans(),
        st.dictionaries(_TEXT, _SEEN, max_size=3),
        st.dictionaries(_TEXT, _ASKED, max_size=3),
        st.lists(_TEXT, max_size=3).map(tuple),
        _TEXT,
    )
)
def test_a_book_survives_its_form_as_text(book: ArrivalBook) -> None:
    assert ArrivalBook.from_json(book.to_json()) == book


def test_a_book_is_read_as_it_was_written(lake: Lake) -> None:
    book = ArrivalBook(seen={"2026-01-05": COMPLETE}, asked={"2026-01-04": Asked(7, 1000.5, "late")})
    write_book(lake, TABLE, book)
    assert read_book(lake, TABLE) == book


def test_what_is_complete_has_changed_unless_the_table_holds_it() -> None:
    book = ArrivalBook(seen={"2026-01-05": COMPLETE, "2026-01-06": COMPLETE, "2026-01-07": COMPLETE})
    made = {"2026-01-05": Made("d", sources=FILES), "2026-01-06": Made("d", sources={**FILES, "in/b.csv": "cc"})}
    found = arrivals(book, made)
    assert {key: arrival.changed for key, arrival in found.items()} == {
        "2026-01-05": False,
        "2026-01-06": True,
        "2026-01-07": True,
    }
    assert len({arrival.token for arrival in found.values()}) == 1


@pytest.mark.parametrize(
    "seen",
    [Seen("token", 1000.0, content_of(FILES), False), Seen("token", 1000.0, "", True)],
    ids=["not settled", "settled with nothing in it"],
)
def test_what_is_not_complete_has_not_arrived(seen: Seen) -> None:
    assert arrivals(ArrivalBook(seen={"2026-01-05": seen}), {}) == {}


def test_who_asked_is_seen_with_a_watched_source_and_is_all_there_is_without() -> None:
    asked = {"2026-01-05": Asked(7, 1000.0), "2026-01-04": Asked(8, 1000.0)}
    watched = arrivals(ArrivalBook(seen={"2026-01-05": COMPLETE}, asked=asked), {})
    assert {key: arrival.asked for key, arrival in watched.items()} == {"2026-01-05": True}
    blind = arrivals(ArrivalBook(watched=False, asked=asked), {"2026-01-04": Made("d", sources=FILES)})
    assert blind == {
        "2026-01-04": Arrival("asked-8", changed=True, asked=True),
        "2026-01-05": Arrival("asked-7", changed=True, asked=True),
    }


def test_the_content_follows_paths_and_bytes_and_not_the_version_of_a_delta_table() -> None:
    assert content_of(FILES) == content_of(dict(reversed(FILES.items())))
    assert content_of(FILES) != content_of({"in/a.csv": "aa", "in/c.csv": "bb"})
    assert content_of({"a": "b\0c"}) != content_of({"a\0b": "c", "x": "y"})
    assert content_of({"delta:orders@11": "aa"}) == content_of({"delta:orders@12": "aa"})
    assert content_of({"sql:orders@11": "aa"}) != content_of({"sql:orders@12": "aa"})


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"format":2}', '{"format":1}', '{"format":1,"watched":true,"seen":{"k":{"token":"t"}}}', "\ufffd"],
)
def test_a_damaged_book_is_an_empty_one_and_is_told(lake: Lake, text: str, caplog: pytest.LogCaptureFixture) -> None:
    lake.put_text(TABLE, PATH, text)
    logger = logging.getLogger("batch_platform")
    logger.addHandler(caplog.handler)
    try:
        assert read_arrivals(lake, TABLE, {}) == {}
    finally:
        logger.removeHandler(caplog.handler)
    assert [record.message for record in caplog.records] == ["arrival_book_unreadable"]


def test_a_book_that_is_not_there_is_an_empty_one(lake: Lake) -> None:
    assert read_arrivals(lake, TABLE, {}) == {}


def test_a_book_disturbs_no_table_and_no_vacuum_takes_it(any_lake: Lake) -> None:
    book = ArrivalBook(seen={"2026-01-05": COMPLETE})
    write_book(any_lake, TABLE, book)
    later = datetime.now(UTC) + timedelta(days=400)
    assert vacuum(any_lake, TABLE, timedelta(hours=1), clock=lambda: later).files == 0
    table = Table(any_lake, TABLE)
    assert table.version() == -1 and table.partitions() == set()
    rows = pa.table({"flight": [1]})
    record = PartitionRecord("d", Ledger(1, {"kept": 1}), sources=(SourceRead("in/a.csv", "aa", 2),))
    written = table.write("2026-01-05", rows)
    provenance = Provenance(Stage.SNAPSHOT, "run", "local", 0.0, 0.0, {"2026-01-05": record})
    replace_partitions(table, rows.schema, {"2026-01-05": [written]}, provenance)
    assert table.partitions() == {"2026-01-05"} and table.read().num_rows == 1
    assert vacuum(any_lake, TABLE, timedelta(hours=1), clock=lambda: later).files == 0
    assert read_book(any_lake, TABLE) == book
