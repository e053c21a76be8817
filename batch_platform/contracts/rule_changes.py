"""What changed between the rules of two contracts.

What belongs here: which rules are gone, new, wider or narrower. What does not: columns (`diff.py`).

A rule of severity `error` on rows is a promise to readers: what it excludes, they never meet. A rule on the partition
or of severity `warn` is none; losing it breaks nobody. Two rules are compared bound by bound where they are of one
kind, on the same columns, with the same `where`; otherwise one is gone and the other is new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from batch_platform.contracts.changes import Change, ChangeKind
from batch_platform.contracts.record import ContractRecord, RuleRecord
from batch_platform.contracts.rules import Severity

_BOUNDS = ("minimum", "maximum", "inclusive", "max_age_seconds")
"""Arguments that bound what a rule accepts; all others say what it is about."""


def rule_changes(old: ContractRecord, new: ContractRecord) -> Iterator[Change]:
    """The changes of rules, by name; rules on columns that are gone went with them."""
    left = {column.name for column in new.columns}
    before, after = _by_subject(old), _by_subject(new)
    found = _take_rewritten(before, after)
    for subject in dict.fromkeys((*before, *after)):
        olds, news = before.get(subject, []), after.get(subject, [])
        for rule in list(olds):
            if (same := next((other for other in news if other.arguments == rule.arguments), None)) is not None:
                olds.remove(rule)
                news.remove(same)
                found += [(rule.name, change) for change in _same(rule, same)]
        if len(olds) == len(news) == 1:
            found += [(olds[0].name, change) for change in _compared(olds[0], news[0])]
            continue
        found += [(rule.name, _removed(rule)) for rule in olds if not rule.columns or left.intersection(rule.columns)]
        found += [(rule.name, _added(rule)) for rule in news]
    yield from (change for _, change in sorted(found, key=lambda item: (item[0], item[1].kind)))


def _take_rewritten(
    before: dict[str, list[RuleRecord]], after: dict[str, list[RuleRecord]]
) -> list[tuple[str, Change]]:
    """Take out the rules that kept their name and say something else, which no two bounds could tell."""
    found: list[tuple[str, Change]] = []
    names = {rule.name: (subject, rule) for subject, rules in after.items() for rule in rules}
    for subject, rules in before.items():
        for rule in list(rules):
            where, now = names.get(rule.name, (subject, rule))
            if where == subject:
                continue
            rules.remove(rule)
            after[where].remove(now)
            # Of code that lies elsewhere all that can be told is that the file is another.
            moved = _without_source(rule) == _without_source(now)
            what = f"{rule.name}: {'its code changed' if moved else 'says something else now'}"
            breaking = _is_promise(rule) and not moved
            change = Change(ChangeKind.RULE_REWRITTEN, _column(rule), what, breaking, stricter=_rejects(now))
            found.append((rule.name, change))
    return found


def _without_source(rule: RuleRecord) -> object:
    arguments = {name: value for name, value in rule.arguments.items() if name not in ("source", "place")}
    return rule.kind, rule.severity, rule.where, arguments


def _by_subject(record: ContractRecord) -> dict[str, list[RuleRecord]]:
    """The rules that can be compared with each other: of one kind, about the same, differing in bounds or values."""
    found: dict[str, list[RuleRecord]] = defaultdict(list)
    for rule in record.rules:
        subject = {name: value for name, value in rule.arguments.items() if not _is_extent(rule, name)}
        found[repr((rule.kind, rule.columns, rule.where, sorted(subject.items())))].append(rule)
    return found


def _is_extent(rule: RuleRecord, argument: str) -> bool:
    return argument in _BOUNDS or (rule.kind == "AcceptedValues" and argument == "values")


def _removed(rule: RuleRecord) -> Change:
    what = f"{rule.name} is no longer checked"
    return Change(ChangeKind.RULE_REMOVED, _column(rule), what, breaking=_is_promise(rule))


def _added(rule: RuleRecord) -> Change:
    return Change(ChangeKind.RULE_ADDED, _column(rule), f"{rule.name} is checked now", stricter=_rejects(rule))


def _same(old: RuleRecord, new: RuleRecord) -> Iterator[Change]:
    yield from _severity(old, new)
    if old.name != new.name:
        yield Change(ChangeKind.RENAMED, _column(old), f"{old.name} is now called {new.name}")


def _severity(old: RuleRecord, new: RuleRecord) -> Iterator[Change]:
    if old.severity != new.severity:
        yield Change(
            ChangeKind.SEVERITY,
            _column(old),
            f"{old.name} became {'an error' if _rejects(new) else 'a warning'}",
            breaking=_is_promise(old),
            stricter=_rejects(new),
        )


def _compared(old: RuleRecord, new: RuleRecord) -> Iterator[Change]:
    """One rule whose bounds or values are others."""
    try:
        widened, narrowed = _extends(old, new), _extends(new, old)
    except TypeError:  # bounds of a column that was retyped: a date, and a time with its zone
        widened = narrowed = True
    if not widened and not narrowed:
        yield from _same(old, new)
        return
    yield from _severity(old, new)
    kind = ChangeKind.RULE_WIDENED if widened else ChangeKind.RULE_NARROWED
    yield Change(
        ChangeKind.RULE_SHIFTED if widened and narrowed else kind,
        _column(old),
        f"{old.name} became {new.name}" + ("; readers may meet new values" if widened and _is_promise(old) else ""),
        breaking=widened and _is_promise(old),
        stricter=narrowed and _rejects(new),
    )


def _extends(rule: RuleRecord, other: RuleRecord) -> bool:
    """Whether the other rule accepts what this one does not."""
    if rule.kind == "AcceptedValues":
        return bool(set(_values(other)) - set(_values(rule)))
    low, high = (_bound(rule.arguments, name) for name in ("minimum", "maximum"))
    other_low, other_high = (_bound(other.arguments, name) for name in ("minimum", "maximum"))
    open_up = bool(other.arguments.get("inclusive", True)) and not rule.arguments.get("inclusive", True)
    below = low is not None and (other_low is None or other_low < low or (other_low == low and open_up))
    above = high is not None and (other_high is None or other_high > high or (other_high == high and open_up))
    return below or above


def _bound(arguments: Mapping[str, object], name: str) -> Any:
    return arguments.get(name, arguments.get("max_age_seconds") if name == "maximum" else None)


def _values(rule: RuleRecord) -> tuple[object, ...]:
    values = rule.arguments["values"]
    return values if isinstance(values, tuple) else ()


def _rejects(rule: RuleRecord) -> bool:
    return rule.severity == Severity.ERROR


def _is_promise(rule: RuleRecord) -> bool:
    return rule.on_rows and _rejects(rule)


def _column(rule: RuleRecord) -> str | None:
    return rule.columns[0] if len(rule.columns) == 1 else None
