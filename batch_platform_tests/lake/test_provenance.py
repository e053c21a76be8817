"""Provenance: complete or refused, and the same after a walk through the log."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_platform.errors import LakeError, ProvenanceError
from batch_platform.lake.provenance import (
    FORMAT,
    WHOLE_TABLE,
    InputRead,
    Ledger,
    ModelUsed,
    PartitionRecord,
    Provenance,
    SourceRead,
    Stage,
)
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.versions import installed_version, running_commit
from batch_platform_tests.lake.writers import commit_rows, provenance_of

TEXT = st.text(min_size=1, max_size=8)
COUNTS = st.integers(0, 2**40)
RECORDS = st.builds(
    PartitionRecord,
    digest=TEXT,
    ledger=st.builds(Ledger, rows=COUNTS, outcomes=st.dictionaries(TEXT, COUNTS, max_size=3)),
    inputs=st.dictionaries(TEXT, st.builds(InputRead, COUNTS, TEXT, st.none() | st.tuples(TEXT, TEXT)), max_size=2),
    sources=st.lists(st.builds(SourceRead, TEXT, TEXT, COUNTS), max_size=2).map(tuple),
    model=st.none() | st.builds(ModelUsed, TEXT, TEXT, TEXT),
    rejected=st.just("") | TEXT,
)
PROVENANCES = st.builds(
    Provenance,
    stage=st.sampled_from(Stage),
    run_id=TEXT,
    engine=TEXT,
    seconds=st.floats(0, 1e9),
    cost=st.floats(0, 1e9),
    partitions=st.dictionaries(st.just(WHOLE_TABLE) | TEXT, RECORDS, max_size=3),
    sql_digest=st.none() | TEXT,
    quarantine_version=st.none() | COUNTS,
    package_version=TEXT,
    git_commit=TEXT,
)
SOURCE = SourceRead("in.csv", "0" * 64, 1)
READ = {"snapshots/flights": InputRead(3, "d", ("2025-01-06", "2025-01-07"))}
COMPLETE = {
    Stage.SNAPSHOT: PartitionRecord("d", Ledger(2, {"kept": 2}), sources=(SOURCE,)),
    Stage.FEATURES: PartitionRecord("d", Ledger(2, {"valid": 1, "quarantined": 1}), READ),
    Stage.PREDICTIONS: PartitionRecord("d", Ledger(2, {"scored": 2}), READ, model=ModelUsed("m", "3", "d")),
    Stage.QUARANTINE: PartitionRecord("d", Ledger(0, {"quarantined": 0})),
}


def complete(stage: Stage, **changes: Any) -> Provenance:
    return provenance_of(
        {"2025-01-06": replace(COMPLETE[stage], **changes)},
        stage=stage,
        sql_digest="d" if stage is Stage.FEATURES else None,
    )


@given(PROVENANCES)
def test_the_log_gives_back_the_record_that_went_in(provenance: Provenance) -> None:
    text = provenance.to_json()
    assert Provenance.from_json(text) == provenance
    assert Provenance.from_json(text).to_json() == text
    assert "\n" not in text


def test_fields_that_a_later_version_adds_are_left_out() -> None:
    for stage in (Stage.SNAPSHOT, Stage.PREDICTIONS):
        raw = json.loads(complete(stage).to_json())
        record = raw["partitions"]["2025-01-06"]
        for place in (raw, record, record["ledger"], *record["inputs"].values(), *record["sources"], record["model"]):
            if place is not None:
                place["added_later"] = {"x": [1]}
        assert Provenance.from_json(json.dumps(raw)) == complete(stage)


def test_records_from_before_the_format_had_a_number_are_read() -> None:
    old = json.loads(complete(Stage.FEATURES).to_json())
    del old["format"], old["partitions"]["2025-01-06"]["rejected"]
    assert Provenance.from_json(json.dumps(old)) == complete(Stage.FEATURES)


def test_a_higher_format_is_refused_with_the_version_that_reads_it() -> None:
    raw = {**json.loads(complete(Stage.SNAPSHOT).to_json()), "format": FORMAT + 1, "package_version": "7.8.9"}
    with pytest.raises(LakeError, match=rf"format {FORMAT + 1}.*use batch-platform 7\.8\.9 or newer"):
        Provenance.from_json(json.dumps(raw))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"partitions": {"a": {}}}', '{"format": "new"}'])
def test_what_is_no_record_is_one_line(text: str) -> None:
    with pytest.raises(LakeError, match="the provenance record cannot be read") as caught:
        Provenance.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stage", list(Stage))
def test_a_complete_record_passes_and_lacks_nothing_by_accident(stage: Stage) -> None:
    provenance = complete(stage)
    provenance.refuse_if_incomplete(f"{stage}/x")
    for name in ("run_id", "engine", "package_version", "git_commit"):
        with pytest.raises(ProvenanceError, match=f"{stage}/x: .*{name} is missing"):
            replace(provenance, **{name: ""}).refuse_if_incomplete(f"{stage}/x")
    with pytest.raises(ProvenanceError, match="digest of"):
        complete(stage, digest="").refuse_if_incomplete("x")


@pytest.mark.parametrize(
    ("stage", "changes", "problem"),
    [
        (Stage.SNAPSHOT, {"sources": ()}, r"source files of x\[2025-01-06\]"),
        (Stage.FEATURES, {"inputs": {}}, r"input versions of x\[2025-01-06\]"),
        (Stage.PREDICTIONS, {"inputs": {}}, r"input versions of x\[2025-01-06\]"),
        (Stage.PREDICTIONS, {"model": None}, r"model version of x\[2025-01-06\]"),
    ],
)
def test_each_stage_names_what_its_rows_were_made_from(stage: Stage, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ProvenanceError, match=problem):
        complete(stage, **changes).refuse_if_incomplete("x")


def test_features_name_their_sql() -> None:
    with pytest.raises(ProvenanceError, match="sql_digest is missing"):
        replace(complete(Stage.FEATURES), sql_digest=None).refuse_if_incomplete("x")


@pytest.mark.parametrize(
    ("rows", "outcomes"),
    [(3, {"valid": 2}), (3, {"valid": 2, "quarantined": 2}), (3, {}), (3, {"valid": 4, "lost": -1})],
)
def test_a_ledger_that_does_not_balance_is_refused_and_shown(rows: int, outcomes: dict[str, int]) -> None:
    with pytest.raises(ProvenanceError, match=r"x\[2025-01-06\]: the row ledger does not balance: 3 rows = "):
        complete(Stage.QUARANTINE, ledger=Ledger(rows, outcomes)).refuse_if_incomplete("x")


@given(st.dictionaries(TEXT, st.integers(0, 99), max_size=4), st.integers(-3, 3))
def test_a_ledger_balances_exactly_when_every_row_is_accounted_for(outcomes: dict[str, int], error: int) -> None:
    assert Ledger(sum(outcomes.values()) + error, outcomes).balanced == (error == 0)


def test_the_newest_record_of_each_partition_is_read_back(lake: Lake) -> None:
    table = Table(lake, "snapshots/x")
    assert table.records() == {}
    one, two = pa.table({"a": [1]}), pa.table({"a": [2]})
    commit_rows(table, {"2025-01-06": one, "2025-01-07": one}, run_id="first")
    commit_rows(table, {"2025-01-06": two}, run_id="second")
    commit_rows(table, {"2025-01-06": two, "2025-01-08": one}, run_id="third")
    assert {key: found.version for key, found in table.records().items()} == {
        "2025-01-06": 2,
        "2025-01-07": 1,
        "2025-01-08": 3,
    }
    assert set(table.records(["2025-01-07", "2025-01-09"])) == {"2025-01-07"}
    assert table.records([]) == {}


def test_the_code_that_ran_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed_version()
    monkeypatch.setenv("BATCH_PLATFORM_GIT_COMMIT", "abc123")
    running_commit.cache_clear()
    try:
        assert running_commit() == "abc123"
        monkeypatch.delenv("BATCH_PLATFORM_GIT_COMMIT")
        monkeypatch.setenv("PATH", "")
        running_commit.cache_clear()
        assert running_commit() == "unversioned"
    finally:
        running_commit.cache_clear()
