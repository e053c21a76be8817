"""Writing a query anew where it calls aggregates that follow the order of rows, and nowhere else.

Belongs here: the texts of such calls. Does not belong here: which calls they are, and whether the text that comes of
it may be used (`order_proof.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from batch_platform.sql.aggregates import (
    ALWAYS_FLOAT,
    FLOATS,
    GEOMETRIC_MEANS,
    MEANS,
    SORT_KEYS,
    SUMS,
    exact_mean,
    exact_sum,
)
from batch_platform.sql.positions import Call, Positions, Span

Types = Mapping[tuple[int, int], frozenset[str]]
"""Number of a call and of its argument -> DuckDB's names of the types that it was found to have."""


class _Rendering(ABC):
    """A text with some of its calls written anew."""

    def __init__(self, positions: Positions, sites: Sequence[Call]) -> None:
        self.positions = positions
        self.sites = {call.first: (number, call) for number, call in enumerate(sites)}

    def text(self) -> str:
        """The whole text."""
        sql, tokens = self.positions.sql, self.positions.tokens
        return sql[: tokens[0].start] + self.span((0, len(tokens))) + sql[tokens[-1].end + 1 :]

    def span(self, span: Span, flat: bool = False) -> str:
        """The text of some tokens; flat: without comments and line breaks between them."""
        place, end = span
        pieces: list[str] = []
        while place < end:
            token = self.positions.tokens[place]
            if pieces:
                gap = self.positions.sql[self.positions.tokens[place - 1].end + 1 : token.start]
                pieces.append(" " if flat and gap else gap)
            number, call = self.sites.get(place, (-1, None))
            if call is not None and call.last < end:
                pieces.append(self.site(number, call, flat))
                place = call.last + 1
            else:
                pieces.append(self.positions.raw(token))
                place += 1
        return "".join(pieces)

    def between(self, last: int, following: int, flat: bool) -> str:
        """What stands between two tokens."""
        gap = self.positions.sql[self.positions.tokens[last].end + 1 : self.positions.tokens[following].start]
        return " " if flat and gap else gap

    @abstractmethod
    def site(self, number: int, call: Call, flat: bool) -> str:
        """One call, written anew."""

    def keys(self, call: Call) -> list[tuple[int, Span]]:
        """The arguments on which a call's result depends, with their numbers."""
        return [(at, call.arguments[at]) for at in SORT_KEYS.get(call.name, (0,)) if at < len(call.arguments)]


class Probing(_Rendering):
    """The query with arguments that tell their types: in the plan of it, which nobody runs, `typeof` is a text."""

    def site(self, number: int, call: Call, flat: bool) -> str:
        pieces, place = [], call.first
        for at, (start, end) in sorted(self.keys(call)):
            argument = self.span((start, end), flat=True)
            told = f"'order_proof:{number}:{at}:' || typeof({argument})"
            pieces.append(self.span((place, start), flat=True))
            pieces.append(f" CASE WHEN {told} IS NULL THEN NULL ELSE {argument} END ")
            place = end
        ends = call.tail if call.order is None else call.order
        pieces += [self.span((place, ends), flat=True), " ", self.span((call.tail, call.last + 1), flat=True)]
        return "".join(pieces)


class Editing(_Rendering):
    """The query with every site in its order-proof form: exact where that is wanted, with ORDER BY otherwise."""

    def __init__(self, positions: Positions, sites: Sequence[Call], types: Types, exact: bool = True) -> None:
        super().__init__(positions, sites)
        self._types, self._exactly = types, exact

    def site(self, number: int, call: Call, flat: bool) -> str:
        if call.name not in SUMS | MEANS | GEOMETRIC_MEANS:
            return self._sorted(number, call, flat)
        types = self._types.get((number, 0), frozenset())
        if types and not types & FLOATS and call.name not in ALWAYS_FLOAT | GEOMETRIC_MEANS:
            return self.span((call.first, call.opening), flat) + self._unchanged(call, flat)
        if call.name in GEOMETRIC_MEANS:
            return self._exact(call, flat)  # a macro takes no ORDER BY
        subquery = any(self.positions.word(place) in ("select", "from") for place in range(*call.arguments[0]))
        if (
            not self._exactly
            or not types
            or not types <= FLOATS
            or call.distinct
            or subquery
            or len(call.arguments) > 1
        ):
            return self._sorted(number, call, flat)
        return self._exact(call, flat)

    def _unchanged(self, call: Call, flat: bool) -> str:
        return self.between(call.opening - 1, call.opening, flat) + self.span((call.opening, call.last + 1), flat)

    def _exact(self, call: Call, flat: bool) -> str:
        start, end = call.arguments[0]
        # What stands around the argument and before FILTER or OVER is kept, so that lines and comments are.
        before = self.between(call.opening - 1, call.opening, flat) + self.between(start - 1, start, flat)
        after, again = self.between(end - 1, end, flat), self.span((start, end), flat=True)
        first = before + self.span((start, end), flat) + after
        suffix = over = ""
        if call.last > call.closing:
            rest = (call.closing + 1, call.last + 1)
            suffix = (self.between(call.closing, rest[0], flat) or " ") + self.span(rest, flat)
            over = " " + self.span(rest, flat=True)
        if call.name in GEOMETRIC_MEANS:
            return f"exp({exact_mean(f'ln({first})', f'ln({again})', suffix, over)})"
        return (exact_sum if call.name in SUMS else exact_mean)(first, again, suffix, over)

    def _sorted(self, number: int, call: Call, flat: bool) -> str:
        keys, summed = [], call.name in SUMS | MEANS
        for at, span in self.keys(call):
            if self.positions.is_literal(span):
                continue
            key = self.span(span, flat=True)
            keys.append(key)
            if self._types.get((number, at), frozenset()) & {"FLOAT", "DOUBLE"} and not (summed or call.distinct):
                keys.append(f"signbit({key})")  # zero and negative zero tie
        if not keys:
            return self.span((call.first, call.opening), flat) + self._unchanged(call, flat)
        clause = f"{',' if call.order is not None else ' ORDER BY'} {', '.join(keys)}"
        head = self.span((call.first, call.opening), flat) + self.between(call.opening - 1, call.opening, flat)
        body = self.span((call.opening, call.tail), flat)
        rest = self.between(call.tail - 1, call.tail, flat) + self.span((call.tail, call.last + 1), flat)
        return head + body + clause + rest
