"""The macros that dbt brings with it for every database (`dbt.date_trunc` and its kin), in DuckDB's SQL.

Each is a pure function on SQL expressions; what it writes is what dbt-duckdb writes, on one line.
Source: dbt-adapters `include/global_project/macros/utils` and dbt-duckdb `macros/utils`, as of dbt-duckdb 1.9.

Belongs here: those that depend on nothing but their arguments. Does not belong here: those that read the clock or
the database, which `refusals.py` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from batch_platform.errors import ConfigurationError


def _dateadd(datepart: str, interval: object, from_date_or_timestamp: object) -> str:
    unit = str(datepart).lower()
    times, unit = {"quarter": (" * 3", "month"), "week": (" * 7", "day")}.get(unit, ("", unit))
    count = f"cast({interval} as bigint)"
    return f"({from_date_or_timestamp} + {f'({count}{times})' if times else count} * interval 1 {unit})"


def _datediff(first_date: object, second_date: object, datepart: str) -> str:
    if datepart != "week":
        return f"(date_diff('{datepart}', {first_date}::timestamp, {second_date}::timestamp))"
    first, second = (f"date_part('dow', ({end})::timestamp)" for end in (first_date, second_date))
    return (
        f"({_datediff(first_date, second_date, 'day')} // 7 + case when {first} <= {second} "
        f"then case when {first_date} <= {second_date} then 0 else -1 end "
        f"else case when {first_date} <= {second_date} then 1 else 0 end end)"
    )


def _last_day(date: object, datepart: str) -> str:
    step = _dateadd(*(("month", "3") if datepart == "quarter" else (datepart, "1")), _date_trunc(datepart, date))
    return f"cast({_dateadd('day', '-1', step)} as date)"


def _date_trunc(datepart: str, date: object) -> str:
    return f"date_trunc('{datepart}', {date})"


def _listagg(measure: object, delimiter_text: str = "','", order_by_clause: str = "", limit_num: object = None) -> str:
    order = f" {order_by_clause}" if order_by_clause else ""
    if limit_num:
        return f"list_aggr((array_agg({measure}{order}))[1:{limit_num}], 'string_agg', {delimiter_text})"
    return f"string_agg({measure}, {delimiter_text}{order})"


def _array_construct(inputs: Sequence[object] = (), data_type: str = "integer") -> str:
    return f"array[{' , '.join(map(str, inputs))}]" if inputs else f"array[]::{data_type}[]"


def _date(year: int, month: int, day: int) -> str:
    return f"make_date({year}, {month}, {day})"


FUNCTIONS: Mapping[str, Callable[..., str]] = MappingProxyType(
    {
        "any_value": lambda expression: f"arbitrary({expression})",
        "array_append": lambda array, new_element: f"array_append({array}, {new_element})",
        "array_concat": lambda array_1, array_2: f"array_cat({array_1}, {array_2})",
        "array_construct": _array_construct,
        "bool_or": lambda expression: f"bool_or({expression})",
        "cast": lambda field, type: f"cast({field} as {type})",
        "cast_bool_to_text": lambda field: f"cast({field} as text)",
        "concat": lambda fields: " || ".join(fields),
        "date": _date,
        "date_trunc": _date_trunc,
        "dateadd": _dateadd,
        "datediff": _datediff,
        "equals": lambda expr1, expr2: f"({expr1} = {expr2})",
        "escape_single_quotes": lambda expression: str(expression).replace("'", "''"),
        "except": lambda: "except",
        "hash": lambda field: f"md5(cast({field} as text))",
        "intersect": lambda: "intersect",
        "last_day": _last_day,
        "length": lambda expression: f"length({expression})",
        "listagg": _listagg,
        "position": lambda substring_text, string_text: f"position({substring_text} in {string_text})",
        "replace": lambda field, old_chars, new_chars: f"replace({field}, {old_chars}, {new_chars})",
        "right": lambda string_text, length_expression: f"right({string_text}, {length_expression})",
        "safe_cast": lambda field, type: f"cast({field} as {type})",
        "split_part": lambda string_text, delimiter_text, part_number: (
            f"string_split({string_text}, {delimiter_text})[{part_number}]"
        ),
        "string_literal": lambda value: f"'{value}'",
        "type_bigint": lambda: "bigint",
        "type_boolean": lambda: "boolean",
        "type_float": lambda: "float",
        "type_int": lambda: "integer",
        "type_numeric": lambda: "numeric(28,6)",
        "type_string": lambda: "text",
        "type_timestamp": lambda: "timestamp",
    }
)
"""By name, with dbt's argument names."""

_CLOCK = ("current_timestamp", "current_timestamp_backcompat", "snapshot_get_time", "current_timestamp_in_utc")


class Namespace:
    """`dbt` in a template: its functions are attributes."""

    def __getattr__(self, name: str) -> Callable[..., str]:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in FUNCTIONS:
            return FUNCTIONS[name]
        if name in _CLOCK:
            raise ConfigurationError(
                f"dbt.{name} gives another value each time",
                fix="use columns of the inputs, or window.start and window.end",
            )
        raise ConfigurationError(f"dbt.{name} is not supported", fix=f"there are {', '.join(sorted(FUNCTIONS))}")
