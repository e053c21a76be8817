"""What dbt has and this project has not: each by its name, with the reason and what to do instead.

Belongs here: tables of names. Does not belong here: where a name is met (`templates.py`, `project_file.py`,
`config.py`, `properties.py`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """Why a name of dbt's means nothing here, and what to do instead."""

    what: str
    fix: str


_STATE = Refusal("asks the database while the SQL is being written", "write SQL that does not depend on what is stored")
_ADAPTER = Refusal("is dbt's way to the database", "write DuckDB's SQL; there is no other dialect to dispatch to")
_CLOCK = Refusal("gives another value each time", "use columns of the inputs, or window.start and window.end")
_PACKAGE = Refusal("is a package, and packages are not installed here", "write the macro in macros/")
_HOOK = Refusal("is a hook, and a model is one query", "put the work into a model of its own")
_STATE_OF_RUN = Refusal("tells of a run of dbt", "use vars, target or this")

NAMES = {
    "adapter": _ADAPTER,
    "api": _ADAPTER,
    "run_query": _STATE,
    "statement": _STATE,
    "load_result": _STATE,
    "store_result": _STATE,
    "store_raw_result": _STATE,
    "graph": _STATE,
    "load_relation": _STATE,
    "env_var": Refusal("would bring secrets and the machine's state into SQL", "declare it under vars"),
    "modules": Refusal("brings Python's clock and chance into SQL", "use SQL functions, or Jinja's filters"),
    "run_started_at": _CLOCK,
    "invocation_id": _CLOCK,
    "current_timestamp": _CLOCK,
    "set": Refusal("has no fixed order", "use the filter unique on a list"),
    "set_strict": Refusal("has no fixed order", "use the filter unique on a list"),
    "lipsum": Refusal("gives another text each time", "write the text"),
    "flags": _STATE_OF_RUN,
    "model": _STATE_OF_RUN,
    "dbt_version": _STATE_OF_RUN,
    "invocation_args_dict": _STATE_OF_RUN,
    "selected_resources": _STATE_OF_RUN,
    "schemas": _STATE_OF_RUN,
    "database": _STATE_OF_RUN,
    "schema": _STATE_OF_RUN,
    "builtins": Refusal("is for overriding ref and source", "use them as they are"),
    "context": Refusal("is dbt's whole context", "name what you need"),
    "metric": Refusal("belongs to the semantic layer", "write the query as a model"),
    "dbt_utils": _PACKAGE,
    "dbt_expectations": _PACKAGE,
    "dbt_date": _PACKAGE,
    "codegen": _PACKAGE,
    "audit_helper": _PACKAGE,
    "elementary": _PACKAGE,
    "metrics": _PACKAGE,
}
"""Names that a template may not use."""

BLOCKS = {
    "snapshot": Refusal(
        "{% snapshot %} is not supported", "capture the source with an InputSnapshot, which keeps every partition"
    ),
    "materialization": Refusal(
        "{% materialization %} is not supported", "use table, view, ephemeral or incremental as they are"
    ),
}
"""Blocks that a template may not hold."""

PROJECT_KEYS = {
    "on-run-start": _HOOK,
    "on-run-end": _HOOK,
    "dispatch": _ADAPTER,
    "query-comment": Refusal("changes the text that runs", "remove it; each commit's provenance names its SQL"),
    "snapshots": BLOCKS["snapshot"],
    "semantic-models": Refusal("belongs to the semantic layer", "remove it"),
    "metrics": Refusal("belongs to the semantic layer", "remove it"),
    "saved-queries": Refusal("belongs to the semantic layer", "remove it"),
    "unit-tests": Refusal(
        "configures unit tests, which do not run here", "write cases as data, and run batch-platform sql test"
    ),
    "on-run-finish": _HOOK,
}
"""Keys that a `dbt_project.yml` may not have."""

PROPERTY_LISTS = {
    "snapshots": BLOCKS["snapshot"],
    "metrics": Refusal("belongs to the semantic layer", "write the query as a model"),
    "semantic_models": Refusal("belongs to the semantic layer", "write the query as a model"),
    "saved_queries": Refusal("belongs to the semantic layer", "write the query as a model"),
    "unit_tests": Refusal("do not run here", "write cases as data, and run batch-platform sql test"),
}
"""Lists that a property file may not have."""

CONFIG_KEYS = {
    "pre_hook": _HOOK,
    "post_hook": _HOOK,
    "sql_header": _HOOK,
    "alias": Refusal("would give the table another name than its file", "rename the file"),
    "event_time": Refusal("is for microbatches", "declare lookback and cadence; a partition is a batch"),
    "batch_size": Refusal("is for microbatches", "declare cadence; a partition is a batch"),
    "begin": Refusal("is for microbatches", "declare start; a partition is a batch"),
    "concurrent_batches": Refusal("is for microbatches", "partitions run at once as they are"),
    "incremental_predicates": Refusal("cuts rows from the table that is merged into", "use unique_key alone"),
    "merge_update_columns": Refusal("merges some columns only", "select all of them"),
    "merge_exclude_columns": Refusal("merges some columns only", "select all of them"),
    "external_location": Refusal("writes a file beside the lake", "remove it"),
    "location": Refusal("writes a file beside the lake", "remove it"),
    "packages": _PACKAGE,
    "store_failures": Refusal("is for dbt's audit tables", "remove it; broken rows stand in quarantine/<model>"),
    "store_failures_as": Refusal("is for dbt's audit tables", "remove it; broken rows stand in quarantine/<model>"),
}
"""Settings that no model or seed may have."""

IGNORED = {
    "schema": "a table is features/<model>, wherever the lake stands",
    "database": "a table is features/<model>, wherever the lake stands",
    "persist_docs": "descriptions are shown with the asset",
    "docs": "it colours dbt's own documents",
    "group": "who owns a model is told by owners",
    "access": "every model may be read",
    "grants": "who may read is decided where the lake stands",
    "copy_grants": "who may read is decided where the lake stands",
    "indexes": "a Delta table has none",
    "freshness": "freshness is declared with the component",
    "quote_columns": "columns are always quoted",
    "static_analysis": "every model is bound when definitions load",
}
"""Settings that are accepted and change nothing, each with the reason."""

PROJECT_IGNORED = frozenset(
    {
        "version", "config-version", "profile", "analysis-paths", "asset-paths", "snapshot-paths", "target-path",
        "clean-targets", "log-path", "packages-install-path", "require-dbt-version", "flags", "quoting", "exposures",
        "restrict-access", "dbt-cloud", "function-paths",
    }
)  # fmt: skip
"""Keys of a `dbt_project.yml` that are accepted and change nothing: they speak of how dbt itself runs."""

PROPERTIES_IGNORED = frozenset({"version", "exposures", "groups", "macros", "analyses"})
"""Lists of a property file that are documentation only, beside those that are read."""
