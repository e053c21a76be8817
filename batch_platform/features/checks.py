"""The checks of a feature table, from what a partition really read and what became of its rows.

Belongs here: names, meaning and evaluation of the checks. Does not belong here: the contract's own rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from batch_platform.contracts.contract import Verdict
from batch_platform.lake.provenance import InputRead, Ledger
from batch_platform.outcomes import CheckOutcome, MetadataItem
from batch_platform.timelines import Reading

CHECKS = {
    "contract": "Rows meet the contract; those that do not stand in quarantine, within the tolerance.",
    "ledger": "Rows that the SQL yields = rows valid + rows quarantined.",
    "key_is_unique": "No key stands twice among the valid rows.",
    "inputs_are_fresh": "Of each input the newest partition that is known at the decision time was read.",
    "no_future": "Nothing was read that became known after the decision time.",
}


@dataclass(frozen=True)
class Reads:
    """What one partition was shown, against what `readings` permit at the `decision` time.

    `shown` comes from the connection in which the query ran: table -> first and last partition, None for none. A table
    without partitions has no decision time.
    """

    readings: Sequence[Reading]
    shown: Mapping[str, tuple[str, str] | None]
    key: str
    decision: datetime | None


def feature_checks(reads: Reads, verdict: Verdict, unique: CheckOutcome, ledger: Ledger) -> tuple[CheckOutcome, ...]:
    """Evaluate every check in `CHECKS` on one partition; `unique` is that of `key_uniqueness`."""
    return (
        _contract(verdict),
        CheckOutcome("ledger", ledger.balanced, str(ledger), {"rows": ledger.rows, **ledger.outcomes}),
        unique,
        _inputs_are_fresh(reads),
        _no_future(reads),
    )


def describe_reads(inputs: Mapping[str, InputRead]) -> list[object]:
    """Inputs as lines of text: table, version, partitions, digest."""
    lines: list[object] = []
    for table, read in inputs.items():
        stretch = ""
        if read.partitions:
            first, last = read.partitions
            stretch = f"[{first}]" if first == last else f"[{first} to {last}]"
        lines.append(f"{table}{stretch} version {read.version}, digest {read.digest[:12]}")
    return lines


def _contract(verdict: Verdict) -> CheckOutcome:
    rejected = verdict.rejected.height
    told = [f"{rejected} rows quarantined ({_counted(verdict.broken)})" if rejected else "every row meets the contract"]
    if verdict.warned:
        told.append(f"of severity warn: {_counted(verdict.warned)}")
    told += verdict.notes
    details: dict[str, MetadataItem] = {"quarantined": rejected} if rejected else {}
    return CheckOutcome("contract", True, "; ".join(told), details, warns=len(told) > 1)


def _counted(rules: Mapping[str, int]) -> str:
    """Rules with the number of rows that break each, the most broken first."""
    return ", ".join(f"{rule}: {count}" for rule, count in sorted(rules.items(), key=lambda item: (-item[1], item[0])))


def key_uniqueness(key: Sequence[str], twins: int, blanks: int) -> CheckOutcome:
    """Whether every valid row has a key of its own, without nulls.

    Args:
        key: its columns; none for a table that declares none.
        twins: how many rows repeat the key of another.
        blanks: how many have a null in it.
    """
    if not key:
        return CheckOutcome("key_is_unique", True, "no key is declared")
    text = f"{twins} rows repeat the key ({', '.join(key)}), {blanks} have a null in it"
    return CheckOutcome("key_is_unique", twins == 0 and blanks == 0, text)


def _inputs_are_fresh(reads: Reads) -> CheckOutcome:
    late = []
    for reading in reads.readings:
        permitted = reading.keys(reads.key)
        if reading.timeline.calendar is None or not permitted:
            continue
        shown = reads.shown.get(reading.timeline.table)
        if shown is None or shown[1] != permitted[-1]:
            late.append(f"{reading.timeline.table}: expected {permitted[-1]}, read {shown[1] if shown else 'nothing'}")
    return CheckOutcome("inputs_are_fresh", not late, "; ".join(late) or "each input is as new as it can be")


def _no_future(reads: Reads) -> CheckOutcome:
    future = []
    for reading in reads.readings:
        calendar, available = reading.timeline.calendar, reading.timeline.available
        shown = reads.shown.get(reading.timeline.table)
        if calendar is None or available is None or shown is None or reads.decision is None:
            continue
        known = available.after(calendar.start_of(shown[1]))
        # Python compares two moments of one zone by their wall clocks, which repeat an hour.
        if known.timestamp() > reads.decision.timestamp():
            future.append(f"{reading.timeline.table}[{shown[1]}] is known at {known:%Y-%m-%d %H:%M}")
    if reads.decision is None:
        return CheckOutcome("no_future", True, "a table without partitions has no decision time")
    decision = f"decision time {reads.decision:%Y-%m-%d %H:%M %Z}"
    return CheckOutcome("no_future", not future, "; ".join(future) or f"all inputs known by the {decision}")
