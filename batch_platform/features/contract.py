"""Data contracts: `schema.yml` files, what they declare, and their enforcement on one partition.

What belongs here: reading the files, the contract as a value, its Arrow and pandera schemas, and the verdict
on a frame. What does not: what a single rule means (`rules.py`), and what becomes of rejected rows
(`quarantine.py`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import polars as pl
import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]
import yaml  # type: ignore[import-untyped, unused-ignore]

from batch_platform.errors import ConfigurationError, ContractError
from batch_platform.features.rules import (
    AcceptedValues,
    ExpressionIsTrue,
    Matches,
    NotNull,
    Range,
    RowCount,
    RowRule,
    Rule,
    Scalar,
    StringLength,
    Unique,
    typed,
)

if TYPE_CHECKING:
    import pandera.polars
    from pandera.api.polars.types import PolarsData

AnyRule = TypeVar("AnyRule", bound=Rule)

SOURCE_FILE = "_source_file"
SOURCE_ROW = "_source_row"
RULES = "_rules"
"""The column of `Verdict.rejected` that names the broken rules, sorted and joined by `;`."""

_TYPES: Mapping[str, tuple[pl.DataType, pa.DataType]] = {
    "BOOLEAN": (pl.Boolean(), pa.bool_()),
    "TINYINT": (pl.Int8(), pa.int8()),
    "SMALLINT": (pl.Int16(), pa.int16()),
    "INTEGER": (pl.Int32(), pa.int32()),
    "BIGINT": (pl.Int64(), pa.int64()),
    "FLOAT": (pl.Float32(), pa.float32()),
    "DOUBLE": (pl.Float64(), pa.float64()),
    "VARCHAR": (pl.String(), pa.string()),
    "DATE": (pl.Date(), pa.date32()),
    "TIMESTAMPTZ": (pl.Datetime("us", "UTC"), pa.timestamp("us", "UTC")),
}
_SYNONYMS = {
    **dict.fromkeys(("BOOL", "LOGICAL"), "BOOLEAN"),
    "INT1": "TINYINT",
    **dict.fromkeys(("INT2", "INT16", "SHORT"), "SMALLINT"),
    **dict.fromkeys(("INT", "INT4", "INT32", "SIGNED"), "INTEGER"),
    **dict.fromkeys(("INT8", "INT64", "LONG"), "BIGINT"),
    **dict.fromkeys(("REAL", "FLOAT4"), "FLOAT"),
    "FLOAT8": "DOUBLE",
    **dict.fromkeys(("TEXT", "STRING", "CHAR", "BPCHAR"), "VARCHAR"),
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    **dict.fromkeys(("DECIMAL", "NUMERIC", "DEC"), "DECIMAL(18,3)"),
}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
_INSTEAD = {
    "TIMESTAMP": "use TIMESTAMPTZ and name the zone in SQL: x at time zone 'America/New_York'",
    "DATETIME": "use TIMESTAMPTZ and name the zone in SQL: x at time zone 'America/New_York'",
    "HUGEINT": "use BIGINT or DECIMAL(38,0)",
    "UBIGINT": "use BIGINT or DECIMAL(20,0)",
    "UUID": "use VARCHAR",
    "JSON": "use VARCHAR",
    "ENUM": "use VARCHAR with accepted_values",
    "TIME": "use VARCHAR, or minutes as INTEGER",
    "INTERVAL": "use a number with a unit",
    "STRUCT": "use one column per field",
    "MAP": "use one column per key",
}


class Role(StrEnum):
    """What a column is for: to identify a row, to feed the model, or to be handed on unread."""

    KEY = "key"
    FEATURE = "feature"
    CARRIED = "carried"


@dataclass(frozen=True)
class Column:
    """One column: `data_type` is the canonical DuckDB name; `nullable` is false under a `not_null` rule."""

    name: str
    data_type: str
    description: str
    nullable: bool
    role: Role | None
    unit: str | None
    personal: bool
    rules: tuple[RowRule, ...]

    @property
    def polars_type(self) -> pl.DataType:
        """The type in memory."""
        return _storage(self.data_type)[0]

    @property
    def arrow_type(self) -> pa.DataType:
        """The type in the lake."""
        return _storage(self.data_type)[1]


@dataclass(frozen=True)
class Contract:
    """The contract of one feature table; `rules` are those on several columns or on the whole partition.

    `digest` is the sha256 of what is enforced: names, types, order, roles, units, rules. Prose, formatting
    and the order of the rules leave it as it is.
    """

    model: str
    description: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    path: Path
    digest: str

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            ConfigurationError: the contract declares none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise ConfigurationError(f"{self.model} declares no column {name}", where=str(self.path))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that feed the model, in order."""
        return tuple(c.name for c in self.columns if c.role is Role.FEATURE)

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the columns that identify a row, in order."""
        return tuple(c.name for c in self.columns if c.role is Role.KEY)

    @property
    def row_rules(self) -> tuple[RowRule, ...]:
        """Every rule that single rows break: those of the columns, then those on several columns."""
        own = [rule for column in self.columns for rule in column.rules]
        return (*own, *(rule for rule in self.rules if isinstance(rule, RowRule)))

    def arrow_schema(self) -> pa.Schema:
        """The schema that the lake stores, in the contract's order; times are `timestamp[us, UTC]`."""
        return pa.schema([pa.field(c.name, c.arrow_type, nullable=c.nullable) for c in self.columns])

    def pandera_schema(self) -> pandera.polars.DataFrameSchema:
        """The contract as a strict pandera schema: types, and one named check for each row rule.

        `row_count` is left to `validate`: pandera cannot fail a frame that has no rows.
        """
        import pandera.polars as pandera

        columns = {c.name: pandera.Column(c.polars_type, nullable=True) for c in self.columns}
        # One failure case each: the rows are read from the check's output, not from pandera's table of cases.
        checks = [pandera.Check(_check(rule), name=rule.name, n_failure_cases=1) for rule in self.row_rules]
        return pandera.DataFrameSchema(columns, checks=checks, strict=True, name=self.model)


@dataclass(frozen=True, eq=False)
class Verdict:
    """The rows that keep the contract and those that break it: together the input's rows, in its order.

    Both hold the contract's columns in its order and types, `_source_file` and `_source_row`; `rejected` also
    `_rules`. `broken` counts rows for each broken rule, by name; a row may count under several.
    """

    valid: pl.DataFrame
    rejected: pl.DataFrame
    broken: dict[str, int]


def validate(frame: pl.DataFrame, contract: Contract) -> Verdict:
    """Hold one partition of a feature table against its contract.

    Args:
        frame: the SQL's output: the contract's columns in any order, `_source_file` and `_source_row`.
            Numbers may come in another numeric type that holds the same values, times in another zone or
            finer unit.

    Raises:
        ContractError: columns missing, undeclared or of the wrong type (all of them in one message), values
            that the declared type would change, or a number of rows that breaks `row_count`.
        ConfigurationError: pandera is switched to its Narwhals backend.
    """
    from pandera.config import CONFIG, ValidationDepth, config_context
    from pandera.errors import SchemaErrors

    if CONFIG.use_narwhals_backend:
        problem = "pandera's Narwhals backend does not tell which rows break a rule"
        raise ConfigurationError(problem, fix="unset PANDERA_USE_NARWHALS_BACKEND")

    where = f"features/{contract.model}"
    rows = _conform(frame, contract)
    for rule in contract.rules:
        if isinstance(rule, RowCount) and not rule.holds(rows.height):
            raise ContractError(
                f"the partition has {rows.height} rows, which breaks {rule.name}",
                where=where,
                fix=f"look for lost or doubled input, or correct the rule in {contract.path}",
            )
    broken: dict[str, pl.Series] = {}
    try:
        # The environment can turn pandera off; a contract is not optional.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA):
            contract.pandera_schema().validate(rows.select(c.name for c in contract.columns), lazy=True)
    except SchemaErrors as errors:
        for error in errors.schema_errors:
            output = getattr(error, "check_output", None)
            if not isinstance(output, pl.DataFrame) or output.height != rows.height:
                raise ContractError(f"a rule could not be applied: {error}", where=where) from error
            broken[error.check.name] = ~output.to_series()
    counts = {name: int(broken[name].sum()) for name in sorted(broken)}
    rejected = pl.Series(RULES, [False]).new_from_index(0, rows.height)
    for mask in broken.values():
        rejected |= mask
    names = pl.concat_str(
        [pl.when(broken[name].filter(rejected)).then(pl.lit(name)) for name in counts] or [pl.lit("")],
        separator=";",
        ignore_nulls=True,
    )
    return Verdict(rows.filter(~rejected), rows.filter(rejected).with_columns(names.alias(RULES)), counts)


def _check(rule: RowRule) -> Callable[[PolarsData], pl.LazyFrame]:
    def passes(data: PolarsData) -> pl.LazyFrame:
        return pl.LazyFrame({"passes": rule.passes(data.lazyframe.select(rule.columns).collect())})

    return passes


def _conform(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The frame in the contract's order and types, or a ContractError with every difference."""
    differences, columns = [], []
    expected = [column.name for column in contract.columns] + [SOURCE_FILE, SOURCE_ROW]
    if missing := [name for name in expected if name not in frame.columns]:
        differences.append(f"missing {', '.join(missing)}")
    if undeclared := [name for name in frame.columns if name not in expected]:
        differences.append(f"undeclared {', '.join(undeclared)}")
    for column in contract.columns:
        if column.name in frame.columns:
            try:
                columns.append(_lossless(frame, column))
            except ValueError as error:
                differences.append(str(error))
    if differences:
        raise ContractError(
            f"the columns differ from {contract.path}: {'; '.join(differences)}",
            where=f"features/{contract.model}",
            fix="correct the SQL or the contract",
        )
    return pl.DataFrame([*columns, frame[SOURCE_FILE], frame[SOURCE_ROW]])


def _lossless(frame: pl.DataFrame, column: Column) -> pl.Series:
    """The column cast to its declared type; ValueError where kinds differ or a value would change."""
    found, dtype = frame[column.name], column.polars_type
    if found.dtype == dtype:
        return found
    same_kind = (
        found.dtype == pl.Null
        or (found.dtype.is_numeric() and dtype.is_numeric())
        or (isinstance(found.dtype, pl.Categorical | pl.Enum) and dtype == pl.String)
        or (isinstance(found.dtype, pl.Datetime) and found.dtype.time_zone and isinstance(dtype, pl.Datetime))
    )
    if not same_kind:
        raise ValueError(f"{column.name} is {found.dtype}, expected {column.data_type}")
    stored = found.cast(dtype, strict=False)
    changed = stored.cast(found.dtype, strict=False).ne_missing(found)
    if changed.any():
        row = int(changed.arg_true()[0])
        value = "a value" if column.personal else str(found[row])
        place = f"row {row}"
        if SOURCE_FILE in frame.columns and SOURCE_ROW in frame.columns:
            place = f"{frame[SOURCE_FILE][row]} row {frame[SOURCE_ROW][row]}"
        raise ValueError(
            f"{column.name} is {found.dtype}, expected {column.data_type}, "
            f"which does not hold {value} ({place})"
        )
    return stored


def load_contracts(folder: Path) -> dict[str, Contract]:
    """Every contract declared in the folder's `*.yml` and `*.yaml` files, by model name.

    Raises:
        ConfigurationError: naming file and line, where a file says anything that would not be enforced.
    """
    if not folder.is_dir():
        raise ConfigurationError("no such folder of models", where=str(folder))
    contracts: dict[str, Contract] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".yml", ".yaml") and p.is_file()):
        document = _Document(path)
        for contract, node in document.contracts():
            if contract.model in contracts:
                earlier = contracts[contract.model].path
                document.refuse(node, f"model {contract.model} is declared twice, first in {earlier}")
            contracts[contract.model] = contract
    return contracts


def _storage(data_type: str) -> tuple[pl.DataType, pa.DataType]:
    """Types in memory and in the lake of a canonical DuckDB type name."""
    if data_type in _TYPES:
        return _TYPES[data_type]
    precision, scale = (int(n) for n in data_type[len("DECIMAL(") : -1].split(","))
    return pl.Decimal(precision, scale), pa.decimal128(precision, scale)


class _Document:
    """One YAML file, read through its nodes so that every refusal names its line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def refusal(self, node: yaml.Node, what: str, fix: str = "") -> ConfigurationError:
        return ConfigurationError(what, where=f"{self.path}:{node.start_mark.line + 1}", fix=fix)

    def refuse(self, node: yaml.Node, what: str, fix: str = "") -> NoReturn:
        raise self.refusal(node, what, fix)

    def contracts(self) -> Iterator[tuple[Contract, yaml.Node]]:
        try:
            root = yaml.compose(self.path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            problem = f"is not YAML: {error.problem or error.context}"
            raise ConfigurationError(problem, where=f"{self.path}{line}") from None
        except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigurationError(f"is not YAML: {error}", where=f"{self.path}:1") from None
        if root is None:
            raise ConfigurationError("the file declares no models", where=f"{self.path}:1")
        top = self.mapping(root, "the file", ("version", "models"))
        if "version" in top and self.value(top["version"]) != 2:
            self.refuse(top["version"], "version must be 2")
        if "models" not in top:
            self.refuse(root, "the file declares no models")
        for node in self.items(top["models"], "models"):
            yield self.contract(node), node

    def contract(self, node: yaml.Node) -> Contract:
        parts = self.mapping(node, "a model", ("name", "description", "meta", "columns", *_TESTS))
        model = self.text(self.required(node, parts, "name", "the model"), "a model's name")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", model):
            self.refuse(parts["name"], f"{model!r} is no name for a model", "use a-z, 0-9 and _")
        description = self.text(parts["description"], "description") if "description" in parts else ""
        if "meta" in parts:
            self.mapping(parts["meta"], "meta", None)
        columns: dict[str, Column] = {}
        names: set[str] = set()
        for item in self.items(self.required(node, parts, "columns", f"model {model}"), "columns"):
            column = self.column(item, names)
            if any(column.name.lower() == other.lower() for other in columns):
                self.refuse(item, f"column {column.name} is declared twice")
            columns[column.name] = column
        if not columns:
            self.refuse(parts["columns"], f"model {model} declares no columns")
        rules = []
        for test, arguments, place in self.tests(parts):
            rules.append(self.add(self.table_rule(test, arguments, place, columns), names, place))
        digest = _digest(model, tuple(columns.values()), rules)
        return Contract(model, description, tuple(columns.values()), tuple(rules), self.path, digest)

    def column(self, node: yaml.Node, names: set[str]) -> Column:
        parts = self.mapping(node, "a column", ("name", "description", "data_type", "meta", *_TESTS))
        name = self.text(self.required(node, parts, "name", "the column"), "a column's name")
        if not name.isidentifier() or name.startswith("_"):
            fix = "use letters, digits and _; names that begin with _ belong to the platform"
            self.refuse(parts["name"], f"{name!r} is no name for a column", fix)
        data_type = self.data_type(self.required(node, parts, "data_type", f"column {name}"), name)
        meta = self.mapping(parts["meta"], "meta", ("role", "unit", "personal")) if "meta" in parts else {}
        role = None
        if "role" in meta:
            spelled = self.text(meta["role"], "role")
            if spelled not in list(Role):
                self.refuse(meta["role"], f"unknown role {spelled!r}", f"use {', '.join(Role)}")
            role = Role(spelled)
        personal = self.value(meta["personal"]) if "personal" in meta else False
        if not isinstance(personal, bool):
            self.refuse(meta["personal"], "personal must be true or false")
        rules: list[RowRule] = []
        for test, arguments, place in self.tests(parts):
            rules.append(self.add(self.column_rule(test, arguments, place, name, data_type), names, place))
        return Column(
            name=name,
            data_type=data_type,
            description=self.text(parts["description"], "description") if "description" in parts else "",
            nullable=not any(isinstance(rule, NotNull) for rule in rules),
            role=role,
            unit=self.text(meta["unit"], "unit") if "unit" in meta else None,
            personal=personal,
            rules=tuple(rules),
        )

    def data_type(self, node: yaml.Node, column: str) -> str:
        spelled = " ".join(self.text(node, "data_type").upper().split())
        name = _SYNONYMS.get(spelled, spelled)
        if name in _TYPES or name == "DECIMAL(18,3)":
            return name
        if match := _DECIMAL.fullmatch(name):
            precision, scale = int(match[1]), int(match[2] or 0)
            if 1 <= precision <= 38 and scale <= precision:
                return f"DECIMAL({precision},{scale})"
        bare = re.split(r"[(\[<]", name)[0].strip()
        fix = _INSTEAD.get(bare, "") if not name.endswith("]") else "use one column per element"
        raise self.refusal(
            node,
            f"column {column}: the lake does not store {spelled}",
            fix or f"use one of {', '.join(_TYPES)}, DECIMAL(p,s)",
        )

    def column_rule(
        self, test: str, arguments: yaml.Node | None, place: yaml.Node, column: str, data_type: str
    ) -> RowRule:
        dtype = _storage(data_type)[0]
        if test in ("matches", "string_length") and dtype != pl.String:
            self.refuse(place, f"{test} is a test for VARCHAR; column {column} is {data_type}")
        if test == "not_null":
            self.arguments(test, arguments, place, ())
            return NotNull(column)
        if test == "unique":
            self.arguments(test, arguments, place, ())
            return Unique((column,), combination=False)
        if test == "accepted_values":
            given = self.arguments(test, arguments, place, ("values",), ("values",))
            values = [self.typed(item, column, data_type) for item in self.items(given["values"], "values")]
            if not values or len(set(values)) < len(values):
                self.refuse(given["values"], "accepted_values needs values, each of them once")
            return AcceptedValues(column, tuple(values))
        if test == "range":
            if dtype in (pl.Boolean, pl.String):
                self.refuse(place, f"range is no test for {data_type}")
            given = self.arguments(test, arguments, place, ("min", "max"))
            low, high = (
                self.typed(given[k], column, data_type) if k in given else None for k in ("min", "max")
            )
            self.ordered(test, low, high, place)
            return Range(column, low, high)
        if test == "matches":
            given = self.arguments(test, arguments, place, ("regex",), ("regex",))
            regex = self.text(given["regex"], "regex")
            try:
                pl.Series([""]).str.contains(regex)
            except pl.exceptions.ComputeError as error:
                self.refuse(given["regex"], f"regex is not valid: {error}")
            return Matches(column, regex)
        if test == "string_length":
            given = self.arguments(test, arguments, place, ("min", "max"))
            return StringLength(column, *self.counts(test, given, place))
        raise self.refusal(
            place, f"unknown test {test} on column {column}", f"use one of {', '.join(_ON_COLUMNS)}"
        )

    def table_rule(
        self, test: str, arguments: yaml.Node | None, place: yaml.Node, columns: Mapping[str, Column]
    ) -> Rule:
        if test == "unique_combination_of_columns":
            only = ("combination_of_columns",)
            given = self.arguments(test, arguments, place, only, only)
            keys = []
            for item in self.items(given[only[0]], only[0]):
                keys.append(self.text(item, "a column's name"))
                if keys[-1] not in columns:
                    self.refuse(item, f"{test} reads {keys[-1]}, which the model does not declare")
            if not keys or len(set(keys)) < len(keys):
                self.refuse(given[only[0]], f"{test} needs columns, each of them once")
            return Unique(tuple(keys), combination=True)
        if test == "row_count":
            given = self.arguments(test, arguments, place, ("min", "max"))
            return RowCount(*self.counts(test, given, place))
        if test == "expression_is_true":
            given = self.arguments(test, arguments, place, ("expression", "name"), ("expression",))
            expression = self.text(given["expression"], "expression")
            label = self.text(given["name"], "name") if "name" in given else None
            types = {name: column.polars_type for name, column in columns.items()}
            try:
                return ExpressionIsTrue.over(expression, types, label)
            except ValueError as error:
                self.refuse(given["expression"], f"expression {expression!r} {error}")
        raise self.refusal(place, f"unknown test {test} on the model", f"use one of {', '.join(_ON_MODELS)}")

    def tests(self, parts: Mapping[str, yaml.Node]) -> Iterator[tuple[str, yaml.Node | None, yaml.Node]]:
        """Each test's name, its arguments' node and the node of its place."""
        if len(spelled := [key for key in _TESTS if key in parts]) == 2:
            self.refuse(parts["tests"], "tests and data_tests are the same; keep one")
        for item in self.items(parts[spelled[0]], spelled[0]) if spelled else ():
            if isinstance(item, yaml.ScalarNode):
                yield self.text(item, "a test"), None, item
            else:
                test = self.mapping(item, "a test", None)
                if len(test) != 1:
                    self.refuse(item, f"one test per item, not {', '.join(test) or 'none'}")
                yield next(iter(test)), next(iter(test.values())), item

    def arguments(
        self,
        test: str,
        node: yaml.Node | None,
        place: yaml.Node,
        allowed: tuple[str, ...],
        required: tuple[str, ...] = (),
    ) -> dict[str, yaml.Node]:
        given = self.mapping(node, test, (*allowed, "arguments")) if node is not None else {}
        if "arguments" in given:
            if len(given) > 1:
                self.refuse(given["arguments"], f"{test}: give all arguments under `arguments`, or none")
            given = self.mapping(given["arguments"], test, allowed)
        for name in required:
            if name not in given:
                self.refuse(place, f"{test} needs {name}")
        if allowed and not given:
            self.refuse(place, f"{test} needs {' or '.join(allowed)}")
        return given

    def add(self, rule: AnyRule, names: set[str], place: yaml.Node) -> AnyRule:
        if rule.name in names:
            self.refuse(place, f"two rules are called {rule.name}", "remove one, or give it another name")
        names.add(rule.name)
        return rule

    def counts(
        self, test: str, given: Mapping[str, yaml.Node], place: yaml.Node
    ) -> tuple[int | None, int | None]:
        found: list[int | None] = []
        for key in ("min", "max"):
            count = self.value(given[key]) if key in given else None
            if key in given and (type(count) is not int or not 0 <= count < 2**32):
                self.refuse(given[key], f"{test}: {key} must be a whole number from 0 to 2^32 - 1")
            found.append(count if isinstance(count, int) else None)
        self.ordered(test, found[0], found[1], place)
        return found[0], found[1]

    def ordered(self, test: str, low: Scalar | None, high: Scalar | None, place: yaml.Node) -> None:
        if low is not None and high is not None and low > high:  # type: ignore[operator]
            self.refuse(place, f"{test}: min {low} is above max {high}")

    def typed(self, node: yaml.Node, column: str, data_type: str) -> Scalar:
        value = self.value(node)
        try:
            return typed(value, _storage(data_type)[0])
        except ValueError as error:
            fix = "put it in quotes" if data_type == "VARCHAR" else ""
            if data_type == "TIMESTAMPTZ" and isinstance(value, dt.datetime | dt.date):
                fix = "give date, time and zone: 2025-01-06T00:00:00Z"
            self.refuse(node, f"column {column} is {data_type}: {error}", fix)

    def mapping(self, node: yaml.Node, what: str, allowed: tuple[str, ...] | None) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, f"{what} must be a mapping")
        found: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self.text(key_node, f"a key of {what}")
            if key in found:
                self.refuse(key_node, f"{key} is given twice")
            if allowed is not None and key not in allowed:
                self.refuse(
                    key_node,
                    f"{what} has no key {key}",
                    f"use {', '.join(allowed)}" if allowed else "it takes no arguments",
                )
            found[key] = value
        return found

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            self.refuse(node, f"{what} must be a list")
        return list(node.value)

    def required(self, node: yaml.Node, parts: Mapping[str, yaml.Node], key: str, what: str) -> yaml.Node:
        if key not in parts:
            self.refuse(node, f"{what} needs {key}")
        return parts[key]

    def text(self, node: yaml.Node, what: str) -> str:
        value = self.value(node)
        if not isinstance(value, str):
            self.refuse(node, f"{what} must be text", "put it in quotes")
        return value

    def value(self, node: yaml.Node) -> object:
        try:
            found: object = yaml.constructor.SafeConstructor().construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            self.refuse(node, f"{getattr(node, 'value', node)!r} cannot be read: {error}")
        return found


_TESTS = ("data_tests", "tests")
_ON_COLUMNS = ("not_null", "unique", "accepted_values", "range", "matches", "string_length")
_ON_MODELS = ("unique_combination_of_columns", "row_count", "expression_is_true")


def _digest(model: str, columns: tuple[Column, ...], rules: list[Rule]) -> str:
    def canonical(found: Sequence[Rule]) -> list[str]:
        return sorted(json.dumps([type(rule).__name__, *astuple(rule)], default=str) for rule in found)

    content = {
        "model": model,
        "columns": [[c.name, c.data_type, c.role, c.unit, c.personal, canonical(c.rules)] for c in columns],
        "rules": canonical(rules),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
