"""What a preflight found: the differences, as lines for a person and as errors for a run.

Belongs here: how differences are told. Does not belong here: finding them (`preflight.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from batch_platform.errors import BatchPlatformError, ContractError, SourceError
from batch_platform.partitions import place
from batch_platform.snapshots.conversion import shortened


@dataclass(frozen=True)
class Finding:
    """One difference between what is expected and what a file has.

    Attributes:
        partition: the partition's key, `""` for a snapshot without partitions.
        file: the file; empty where it is not one file's.
        column: the column; empty where it is not one column's.
        declared: what was expected: by the declaration, or by the table in the lake.
        found: what is there.
        breaks: whether the partition will be refused; the others are for information.
        of_input: whether the input is not of its declared shape, rather than at odds with the table.
        error: the error that reading the partition would raise, where that is known.
    """

    partition: str
    file: str
    column: str
    declared: str
    found: str
    breaks: bool
    of_input: bool = True
    error: BatchPlatformError | None = None

    def __str__(self) -> str:
        subject = f"column {shortened(self.column)!r}: " if self.column else ""
        wanted = f"{self.declared}, " if self.declared else ""
        return f"{subject}{wanted}{self.found}"


@dataclass(frozen=True)
class Findings:
    """What a preflight found.

    Attributes:
        table: the snapshot's table.
        differences: in the order of partitions and files.
        partitions: how many partitions were asked for.
        files: how many files they have.
        opened: how many of them were looked at.
        unseen: the source, if it is one that cannot be looked at beforehand; else empty.
    """

    table: str
    differences: tuple[Finding, ...] = ()
    partitions: int = 0
    files: int = 0
    opened: int = 0
    unseen: str = ""

    @property
    def breaks(self) -> bool:
        """Whether any partition will be refused."""
        return any(finding.breaks for finding in self.differences)

    def lines(self) -> list[str]:
        """One line for what was looked at, then one for each difference with the first place where it was met."""
        if self.unseen:
            return [f"{self.table}: nothing to look at beforehand in {self.unseen}"]
        looked = f"{self.opened} of {self.files} files" if self.opened < self.files else f"{self.files} files"
        found = [f"{self.table}: looked at {looked} of {self.partitions} partitions"]
        alike: dict[tuple[bool, str], list[Finding]] = {}
        for finding in self.differences:
            alike.setdefault((not finding.breaks, str(finding)), []).append(finding)
        for (harmless, text), met in sorted(alike.items(), key=lambda item: item[0][0]):
            more = f" (and {len(met) - 1} more)" if len(met) > 1 else ""
            where = met[0].file or place(self.table, met[0].partition)
            found.append(f"{'note' if harmless else 'breaks'}: {where}{more}: {text}")
        return found

    def refusals(self) -> dict[str, BatchPlatformError]:
        """The error with which each partition that breaks is refused; it names all that breaks there."""
        broken: dict[str, list[Finding]] = {}
        for finding in self.differences:
            if finding.breaks:
                broken.setdefault(finding.partition, []).append(finding)
        refused: dict[str, BatchPlatformError] = {}
        for key, findings in broken.items():
            if len(findings) == 1 and findings[0].error is not None:
                refused[key] = findings[0].error
                continue
            texts = list(dict.fromkeys(f"{f'{f.file}: ' if f.file else ''}{f}" for f in findings))
            more = f"; and {len(texts) - 10} more" if len(texts) > 10 else ""
            kind, fix = (
                (SourceError, "correct the files or `columns`")
                if all(finding.of_input for finding in findings)
                else (ContractError, "cast it, give it a new name, or move the old table away")
            )
            refused[key] = kind("; ".join(texts[:10]) + more, where=place(self.table, key), fix=fix)
        return refused
