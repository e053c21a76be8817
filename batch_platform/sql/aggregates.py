"""Which of DuckDB's aggregates depend on the order of the rows they see, and how a float sum is made exact.

Belongs here: what is so of single functions. Does not belong here: finding their calls (`positions.py`) and
rewriting a query (`order_proof.py`).
"""

from __future__ import annotations

SUMS = frozenset({"sum", "fsum", "kahan_sum", "sumkahan"})
"""Exact over integers and decimals; over floats each addition rounds, so that the order shows."""

MEANS = frozenset({"avg", "mean", "favg"})
"""A sum over a count."""

GEOMETRIC_MEANS = frozenset({"geomean", "geometric_mean"})
"""Macros: a mean of logarithms."""

ALWAYS_FLOAT = frozenset({"fsum", "kahan_sum", "sumkahan", "favg"})
"""Those that add in floats whatever they are given."""

FLOATS = frozenset({"FLOAT", "DOUBLE", "UHUGEINT"})
"""Types over which `sum` and `avg` add in floats."""

FRAMES = frozenset({"list", "array_agg", "string_agg", "group_concat", "listagg", "first", "last"})
FRAMES |= {"any_value", "arbitrary"}
"""Those whose result follows the order of rows: in a window with ORDER BY they follow that."""

_ONE = FRAMES | {"mode", "product", "approx_quantile", "approx_top_k", "skewness", "kurtosis"}
_ONE |= {"kurtosis_pop", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "sem"}
_TWO = {"corr", "covar_pop", "covar_samp", "regr_avgx", "regr_avgy", "regr_intercept", "regr_r2", "regr_slope"}
_TWO |= {"regr_sxx", "regr_sxy", "regr_syy", "lttb", "variant_group_object"}
_EXTREMES = {"arg_max", "arg_min", "argmax", "argmin", "max_by", "min_by"}
_EXTREMES |= {f"arg_{end}_{nulls}" for end in ("max", "min") for nulls in ("null", "nulls_last")}

SORT_KEYS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(_ONE, (0,)),
    **dict.fromkeys(_TWO, (0, 1)),
    **dict.fromkeys(_EXTREMES, (1, 0)),
}
"""Order-dependent aggregate -> the arguments that sort its rows so that no two that differ tie."""

UNREPAIRABLE = {
    "entropy": "adds floats in the order of rows: compute it from counts, as -sum(p * log2(p))",
    "reservoir_quantile": "samples by chance: use quantile_cont",
    "wavg": "adds floats in the order of rows: use sum(value * weight) / sum(weight)",
    "weighted_avg": "adds floats in the order of rows: use sum(value * weight) / sum(weight)",
    "json_group_array": "follows the order of rows: use to_json(list(x ORDER BY x))",
    "json_group_object": "follows the order of rows: use to_json(map_from_entries(list(...)))",
    "variant_group_array": "follows the order of rows: use list(x ORDER BY x)",
}
"""Aggregates that take no ORDER BY, and what to use."""

FRAME_FUNCTIONS = frozenset({"row_number", "ntile", "lag", "lead", "first_value", "last_value", "nth_value"})
"""Window functions that number or pick rows: without an order they number and pick as rows come."""

_WHOLE = "1048576e0"  # 2 ** 20
_PART = "39614081257132168796771975168e0"  # 2 ** 95
_LARGEST = "1e26"
_TOO_LARGE = "error('a sum over floats is exact below 1e26 only: a value is larger')"


def exact_sum(first: str, again: str, suffix: str, over: str) -> str:
    """A float sum that no order of its rows changes: both halves of each number are added as integers.

    A number becomes multiples of 2**-20, and what is left of it, multiples of 2**-115: HUGEINT sums of either are
    exact, and the result is rounded once. Infinities and NaN, which no integer holds, are told by a bit each.

    Args:
        first: the argument as it is written.
        again: the same without comments and line breaks, for further mentions.
        suffix: FILTER and OVER as they are written.
        over: the same without comments and line breaks.
    """
    whole = f"TRY_CAST(trunc(({first}) * {_WHOLE}) AS HUGEINT)"
    scaled = f"({again}) * {_WHOLE}"
    part = f"TRY_CAST(({scaled} - trunc({scaled})) * {_PART} AS HUGEINT)"
    special = (
        f"CASE abs({again}) < {_LARGEST} WHEN true THEN 0 WHEN false THEN CASE ({again}) WHEN 'inf'::DOUBLE THEN 1 "
        f"WHEN '-inf'::DOUBLE THEN 2 WHEN 'nan'::DOUBLE THEN 4 ELSE {_TOO_LARGE} END END"
    )
    specials = "['0', 'inf', '-inf', 'nan', 'nan', 'nan', 'nan', 'nan']::DOUBLE[]"
    return (
        f"((coalesce(CAST(sum({whole}){suffix} AS DOUBLE), 0) + "
        f"coalesce(CAST(sum({part}){over} AS DOUBLE), 0) / {_PART}) / {_WHOLE} + "
        f"({specials})[1 + bit_or({special}){over}])"
    )


def exact_mean(first: str, again: str, suffix: str, over: str) -> str:
    """A float mean that no order of its rows changes: see `exact_sum`."""
    return f"({exact_sum(first, again, suffix, over)} / count({again}){over})"
