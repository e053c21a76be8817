"""Rules that are queries: tests of the project's own, whose rows are what is wrong.

What belongs here: the query as a value, and what it reads. What does not: rendering it (`sql/`), and running it, which
whoever builds the table does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import InitVar, dataclass

import sqlglot

from batch_platform.contracts.rules import Rule, Severity
from batch_platform.lake.store import relation


@dataclass(frozen=True)
class Origin:
    """Where a query comes from, beside what it says.

    Attributes:
        place: the file that declares it, with the line where it is known.
        template: the text that it was rendered from, where `place` is the file of that text.
        moved_from: the table that declares it, where another one evaluates it.
        severity: what its block says, where the property file says nothing; it holds.
        enabled: likewise; False leaves it out.
    """

    place: str = ""
    template: str = ""
    moved_from: str = ""
    severity: Severity | None = None
    enabled: bool = True


@dataclass(frozen=True)
class TableQuery(Rule):
    """A query that must yield no row: a generic test that the project defines, or a singular test.

    Attributes:
        test: the test's name, with its arguments where it has some; the rule's name unless it has a label.
        query: rendered SQL, in which a table of the lake is `"stage"."name"`.
        tables: the tables of the lake that it reads, the tested one included.
        about: the columns that it is declared on.
        source: where it comes from, to be asked for as `origin`; no part of what the rule says, so equal rules may
            differ in it.
    """

    test: str
    query: str
    tables: tuple[str, ...]
    about: tuple[str, ...] = ()
    # Not a field, so neither digests nor records hold it; `dataclasses.replace` hands it on all the same.
    source: InitVar[Origin] = Origin()

    def __post_init__(self, source: Origin) -> None:
        object.__setattr__(self, "source", source)
        if source.severity is not None:
            object.__setattr__(self, "severity", source.severity)

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        found: Origin = vars(self)["source"]
        return found

    @property
    def title(self) -> str:
        return self.test

    @property
    def own_columns(self) -> tuple[str, ...]:
        return self.about

    def sql(self, relation_of: Callable[[str], str] = relation) -> str:
        """The query with each table under the name that `relation_of` gives it."""
        named = {tuple(table.split("/")): table for table in self.tables}
        tokens = sqlglot.tokenize(self.query, read="duckdb")
        pieces, end, place = [], 0, 0
        while place < len(tokens):
            table = named.get(tuple(token.text for token in tokens[place : place + 3 : 2]))
            if table is not None and len(tokens) > place + 2 and tokens[place + 1].text == ".":
                first, last = tokens[place], tokens[place + 2]
                pieces += [self.query[end : first.start], relation_of(table)]
                end, place = last.end + 1, place + 3
            else:
                place += 1
        return "".join([*pieces, self.query[end:]])

    def problem(self, failures: int) -> str | None:
        """What is wrong when the query yields so many rows, in words that follow `the partition`."""
        return f"yields {failures} rows of {self.name}, which must yield none" if failures else None
