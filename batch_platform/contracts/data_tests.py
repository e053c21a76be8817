"""The `data_tests` of a property file: how a test is written down, and its options.

What belongs here: dbt's ways to write a test with its name, severity and `where`. What does not: which tests there
are (`column_tests.py`, `model_tests.py`), models and columns (`schema_yml.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import yaml

from batch_platform.contracts.arguments import Arguments
from batch_platform.contracts.column_tests import COLUMN_TESTS
from batch_platform.contracts.model_tests import MODEL_TESTS, freshness, of_the_project
from batch_platform.contracts.packages import ARGUMENTS_OF, BUILT_IN_AS
from batch_platform.contracts.rules import Rule, Severity
from batch_platform.contracts.surroundings import Surroundings
from batch_platform.sql.yaml_nodes import Document

SPELLINGS = ("data_tests", "tests")
"""The two keys that tests may stand under."""

_PROSE = ("description", "tags", "meta")
_OPTIONS = ("severity", "where", "enabled")
_UNTOLD = {
    "error_if": "one row is enough to break a test; use severity: warn",
    "warn_if": "one row is enough to break a test; use severity: warn",
    "fail_calc": "one row is enough to break a test",
    "limit": "all rows that break a test are kept",
    "store_failures": "rows that break a test always stand in quarantine",
    "store_failures_as": "rows that break a test always stand in quarantine",
}


@dataclass(frozen=True)
class _Test:
    """One item of `data_tests`: the test's name, what it is given, and the options it stands under."""

    name: str
    place: yaml.Node
    given: Mapping[str, yaml.Node]
    options: Mapping[str, yaml.Node]


@dataclass(frozen=True)
class DataTests:
    """The tests of one model; no two of its rules have one name. `types` are its columns' canonical types."""

    document: Document
    model: str
    types: Mapping[str, str]
    around: Surroundings
    _rules: dict[str, Rule] = field(default_factory=dict)

    def of_column(self, parts: Mapping[str, yaml.Node], column: str) -> tuple[Rule, ...]:
        """The rules of a column, from the parts of its declaration.

        Raises:
            ConfigurationError: naming the line of a test that would not be enforced.
        """
        return self._of(parts, column)

    def of_model(self, parts: Mapping[str, yaml.Node]) -> tuple[Rule, ...]:
        """The rules on several columns and on the whole partition.

        Raises:
            ConfigurationError: naming the line of a test that would not be enforced.
        """
        return self._of(parts, None)

    def add(self, rule: Rule, place: yaml.Node) -> Rule:
        """A rule that something else than a test declares; two of one name are refused."""
        if rule.name in self._rules:
            fix = "remove one, or give it another name"
            self.document.refuse(place, f"two rules are called {rule.name}", fix)
        self._rules[rule.name] = rule
        return rule

    def has(self, rule: Rule) -> bool:
        """Whether a test declares this very rule."""
        return self._rules.get(rule.name) == rule

    def fresh(self, node: yaml.Node) -> Rule:
        """The rule of a model's `freshness`, which takes the options of a test.

        Raises:
            ConfigurationError: naming the line of what would not be enforced.
        """
        test = self._test("freshness", node, self.document.mapping(node, "freshness", None))
        return self.add(self._with_options(test, freshness(self.arguments(test.name, node, test.given))), node)

    def arguments(self, test: str, place: yaml.Node, given: Mapping[str, yaml.Node]) -> Arguments:
        """What something that is written like a test is given."""
        return Arguments(test, self.document, place, given, self.types)

    def _of(self, parts: Mapping[str, yaml.Node], column: str | None) -> tuple[Rule, ...]:
        rules = (self._rule(test, column) for test in self._tests(parts))
        return tuple(self.add(rule, place) for rule, place in rules if rule is not None)

    def _rule(self, test: _Test, column: str | None) -> tuple[Rule | None, yaml.Node]:
        given = self._in_our_words(test)
        if not self._enabled(test):
            return None, test.place
        rule: Rule
        if test.name in self.around.generic_tests:
            where = given.condition(test.options["where"]) if "where" in test.options else None
            rule = of_the_project(given, self.model, column, where, self.around)
        elif column is not None and given.test in COLUMN_TESTS:
            rule = COLUMN_TESTS[given.test](given, column, self.around)
        elif column is None and given.test in MODEL_TESTS:
            rule = MODEL_TESTS[given.test](given)
        else:
            self._refuse_unknown(test, column)
        return self._with_options(test, rule), test.place

    def _with_options(self, test: _Test, rule: Rule) -> Rule:
        options = test.options
        label = self.document.text(options["name"], "name") if "name" in options else None
        where = self.arguments(test.name, test.place, {}).condition(options["where"]) if "where" in options else None
        return dataclasses.replace(rule, label=label, severity=self._severity(test), where=where)

    def _refuse_unknown(self, test: _Test, column: str | None) -> NoReturn:
        known = COLUMN_TESTS if column is not None else MODEL_TESTS
        on = "the model" if column is None else f"column {column}"
        fix = f"use one of {', '.join([*known, *self.around.generic_tests])}"
        if "." in test.name:
            fix = "packages are not installed; " + fix + ", or define the test in the project"
        self.document.refuse(test.place, f"unknown test {test.name} on {on}", fix)

    def _in_our_words(self, test: _Test) -> Arguments:
        """A package's test as the one built in here that means the same."""
        if test.name not in BUILT_IN_AS:
            return self.arguments(test.name, test.place, test.given)
        ours = ARGUMENTS_OF[test.name]
        self.arguments(test.name, test.place, test.given).take(tuple(ours))
        return self.arguments(
            BUILT_IN_AS[test.name], test.place, {ours[name]: node for name, node in test.given.items()}
        )

    def _tests(self, parts: Mapping[str, yaml.Node]) -> Iterator[_Test]:
        if len(spelled := [key for key in SPELLINGS if key in parts]) == 2:
            self.document.refuse(parts["tests"], "tests and data_tests are the same; keep one")
        for item in self.document.items(parts[spelled[0]], spelled[0]) if spelled else ():
            if isinstance(item, yaml.ScalarNode):
                yield _Test(self.document.text(item, "a test"), item, {}, {})
                continue
            test = self.document.mapping(item, "a test", None)
            if "test_name" in test:
                name = self.document.text(test.pop("test_name"), "test_name")
                yield self._test(name, item, test)
            elif len(test) != 1:
                self.document.refuse(item, f"one test per item, not {', '.join(test) or 'none'}")
            else:
                ((name, node),) = test.items()
                empty = isinstance(node, yaml.ScalarNode) and self.document.value(node) is None
                yield self._test(name, item, {} if empty else self.document.mapping(node, name, None))

    def _test(self, name: str, place: yaml.Node, parts: Mapping[str, yaml.Node]) -> _Test:
        """A test whose arguments, options and `config` stand side by side, as dbt lets them."""
        given, options = dict(parts), {}
        config = given.pop("config", None)
        nested = self.document.mapping(config, "config", None) if config is not None else {}
        for key, node in nested.items():
            if key not in (*_OPTIONS, *_PROSE, *_UNTOLD):
                self.document.refuse(node, f"config has no key {key}", f"use {', '.join(_OPTIONS)}")
            if key in given:
                self.document.refuse(node, f"{name}: {key} is given twice, here and outside config")
        for key in ("name", *_PROSE, *_OPTIONS, *_UNTOLD):
            option = nested.get(key) or given.pop(key, None)
            if option is not None and key in _UNTOLD:
                self.document.refuse(option, f"{name}: {key} would not be enforced ({_UNTOLD[key]})", "remove it")
            if option is not None and key not in _PROSE:
                options[key] = option
        if "arguments" in given:
            if len(given) > 1:
                self.document.refuse(given["arguments"], f"{name}: give all arguments under `arguments`, or none")
            given = self.document.mapping(given["arguments"], name, None)
        if "row_condition" in ARGUMENTS_OF.get(name, ()) and "row_condition" in given:
            if "where" in options:
                self.document.refuse(given["row_condition"], f"{name}: row_condition and where are the same; keep one")
            options["where"] = given.pop("row_condition")
        return _Test(name, place, given, options)

    def _severity(self, test: _Test) -> Severity:
        if "severity" not in test.options:
            return Severity.ERROR
        node = test.options["severity"]
        spelled = self.document.text(node, "severity").lower()
        if spelled not in list(Severity):
            self.document.refuse(node, f"unknown severity {spelled!r}", f"use {' or '.join(Severity)}")
        return Severity(spelled)

    def _enabled(self, test: _Test) -> bool:
        enabled = self.document.value(test.options["enabled"]) if "enabled" in test.options else True
        if not isinstance(enabled, bool):
            self.document.refuse(test.options["enabled"], "enabled must be true or false")
        return enabled
