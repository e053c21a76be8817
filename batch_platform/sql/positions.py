"""Where things stand in a query's text: tokens, parentheses, calls and window definitions.

For edits that must leave the rest of a text byte for byte as it is, which no round trip through a syntax tree does.

Belongs here: reading positions, in DuckDB's dialect. Does not belong here: what to change (`order_proof.py`).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import TokenType
from sqlglot.tokenizer_core import Token

_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)
# After one of these a name and a parenthesis are an alias with its columns, as in `FROM flights list(a, b)`.
_BEFORE_ALIAS = (TokenType.VAR, TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.ALIAS)
_LITERALS = (TokenType.STRING, TokenType.BYTE_STRING, TokenType.HEREDOC_STRING, TokenType.NUMBER)

Span = tuple[int, int]
"""Tokens from the first up to, not including, the second."""


@dataclass(frozen=True)
class Call:
    """One call of a function: `main.name(DISTINCT arguments ORDER BY order) FILTER (...) OVER over`.

    Attributes:
        name: in lower case, without schema and quotes.
        first: the token it begins with: its schema, or its name.
        opening: the parenthesis that follows the name.
        closing: its partner.
        last: the last token of the call, FILTER and OVER included.
        arguments: without DISTINCT, ALL and what follows the last one.
        distinct: whether DISTINCT stands before them.
        order: the ORDER BY between its parentheses; None without one.
        tail: what follows the arguments and their order: IGNORE NULLS or the closing parenthesis.
        over: what follows OVER: a name, or parentheses; None for a call without a window.
        within_group: whether WITHIN GROUP follows.
        method: whether it is written `value.name()`.
    """

    name: str
    first: int
    opening: int
    closing: int
    last: int
    arguments: tuple[Span, ...]
    distinct: bool
    order: int | None
    tail: int
    over: Span | None
    within_group: bool
    method: bool


class Positions:
    """A text's tokens, and questions about where they stand.

    Raises:
        sqlglot.errors.SqlglotError: the text is not tokens of SQL.
        ValueError: its parentheses do not match.
    """

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.tokens: Sequence[Token] = sqlglot.tokenize(sql, read="duckdb")
        self._words = [self._word(token) for token in self.tokens]
        self.partner: dict[int, int] = {}
        self.level: list[int] = []  # for each token the opening parenthesis around it, -1 at the top
        waiting = [-1]
        for place, token in enumerate(self.tokens):
            if token.token_type in _CLOSING:
                opening = waiting.pop()
                if not waiting:
                    raise ValueError("a parenthesis is closed that was not opened")
                self.partner[opening], self.partner[place] = place, opening
            self.level.append(waiting[-1])
            if token.token_type in _OPENING:
                waiting.append(place)
        if len(waiting) > 1:
            raise ValueError("a parenthesis is not closed")

    def _word(self, token: Token) -> str:
        quoted = token.token_type in (*_LITERALS[:3], TokenType.IDENTIFIER)
        return "" if quoted else self.raw(token).lower()

    def raw(self, token: Token) -> str:
        """A token as it is written, quotes included."""
        return self.sql[token.start : token.end + 1]

    def word(self, place: int) -> str:
        """An unquoted token in lower case; nothing beyond the ends and for quoted ones."""
        return self._words[place] if 0 <= place < len(self._words) else ""

    def is_order(self, place: int) -> bool:
        """Whether ORDER BY stands here, in one token or, around a comment, in two."""
        return self.word(place).split() == ["order", "by"] or self._two(place, "order", "by")

    def _two(self, place: int, one: str, other: str) -> bool:
        return self.word(place) == one and self.word(place + 1) == other

    def inside(self, opening: int) -> Iterator[int]:
        """The tokens between a parenthesis (-1: the whole text) and its partner, without those in further ones."""
        place, end = opening + 1, self.partner[opening] if opening >= 0 else len(self.tokens)
        while place < end:
            yield place
            place = self.partner[place] if self.tokens[place].token_type in _OPENING else place + 1

    def is_literal(self, span: Span) -> bool:
        """Whether the tokens are one literal, with or without a sign."""
        return all(self.tokens[p].token_type in (*_LITERALS, TokenType.DASH) for p in range(*span))

    @functools.cached_property
    def calls(self) -> tuple[Call, ...]:
        """Every call of a function by its name, in the order of the text."""
        found = (self._call(place) for place in range(len(self.tokens) - 1))
        return tuple(call for call in found if call)

    def _call(self, place: int) -> Call | None:
        token, opening = self.tokens[place], place + 1
        if self.tokens[opening].token_type != TokenType.L_PAREN or token.token_type == TokenType.STRING:
            return None
        if not token.text.replace("_", "a").isalnum():
            return None
        first, method = place, False
        while first >= 2 and self.tokens[first - 1].token_type == TokenType.DOT:
            first -= 2
            method = method or self.tokens[first].text.lower() not in ("main", "system")
        if first and self.tokens[first - 1].token_type in _BEFORE_ALIAS:
            return None
        closing = self.partner[opening]
        if self.word(closing + 1) == "as" and self._opens_cte(closing + 2):
            return None
        order, tail, cuts = None, closing, []
        start = opening + 1
        distinct = self.word(start) == "distinct"
        start += distinct or self.word(start) == "all"
        for inner in self.inside(opening):
            if self.is_order(inner) and order is None:
                order = inner
            elif self.tokens[inner].token_type == TokenType.COMMA and order is None:
                cuts.append(inner)
            elif self.word(inner) in ("ignore", "respect") and self.word(inner + 1) == "nulls":
                tail = inner
                break
        edges = [start - 1, *cuts, tail if order is None else order]
        spans = tuple((a + 1, b) for a, b in itertools.pairwise(edges) if b > a + 1)
        last, within, over = self._suffix(closing)
        return Call(
            token.text.lower(), first, opening, closing, last, spans, distinct, order, tail, over, within, method
        )

    def _opens_cte(self, place: int) -> bool:
        while self.word(place) in ("not", "materialized", "not materialized"):
            place += 1
        return self.word(place) == "("

    def _suffix(self, last: int) -> tuple[int, bool, Span | None]:
        """Of what follows a call's parentheses: the last token, whether WITHIN GROUP is there, and the window."""
        within, over = False, None
        while True:
            word, skip = self.word(last + 1), 1
            if word == "within" and self.word(last + 2) == "group":
                skip = 2
            elif word not in ("filter", "over", "within group"):
                return last, within, over
            start = last + 1 + skip
            if start >= len(self.tokens):
                return last, within, over
            if self.tokens[start].token_type == TokenType.L_PAREN:
                last = self.partner[start]
            elif word == "over":
                last = start
            else:
                return last, within, over
            within = within or word.startswith("within")
            over = (start, last + 1) if word == "over" else over

    def window_says(self, over: Span, *words: str) -> bool:
        """Whether a window's definition, with those it refers to, has one of these words (`order by` is one)."""
        opening = over[0] if self.word(over[0]) == "(" else self._defined(over[0])
        return opening is not None and self._says(opening, words, frozenset())

    def _says(self, opening: int, words: Sequence[str], seen: frozenset[int]) -> bool:
        for place in self.inside(opening):
            if (self.is_order(place) and "order by" in words) or self.word(place) in words:
                return True
        first = opening + 1
        if first == self.partner[opening] or self.word(first).split()[:1] in (["partition"], ["order"]):
            return False
        base = self._defined(first)
        return base is not None and base not in seen and self._says(base, words, seen | {opening})

    def _defined(self, place: int) -> int | None:
        """The parenthesis that opens the definition of the window named here: the next one of that name."""
        name = self.tokens[place].text.lower()
        places = [
            at + 2
            for at in range(1, len(self.tokens) - 2)
            if at != place
            and self.tokens[at].text.lower() == name
            and self.word(at + 1) == "as"
            and self.word(at + 2) == "("
            and self.word(at - 1) in ("window", ",")
        ]
        return next((at for at in places if at > place), places[-1] if places else None)

    def reads_sorted(self, place: int) -> bool:
        """Whether the SELECT around this token reads a subquery, or a WITH query, that ends in ORDER BY."""
        level = self.level[place]
        end = self.partner[level] if level >= 0 else len(self.tokens)
        origin = next((p for p in self.inside(level) if p > place and self.word(p) == "from"), end)
        source: int | None = origin + 1
        if source is None or source >= end:
            return False
        if self.word(source) != "(":
            source = self._with(self.tokens[source].text.lower())
        return source is not None and any(self.is_order(p) for p in self.inside(source))

    def _with(self, name: str) -> int | None:
        for place in range(1, len(self.tokens) - 2):
            if self.tokens[place].text.lower() == name and self.word(place - 1) in ("with", "recursive", ","):
                opening = place + 1
                if self.word(opening) == "(":
                    opening = self.partner[opening] + 1
                if self.word(opening) == "as":
                    opening += 1
                    while self.word(opening) in ("not", "materialized", "not materialized"):
                        opening += 1
                    if self.word(opening) == "(":
                        return opening
        return None
