"""Trying on no rows the rules that read other tables: a wrong name is told when definitions load.

Belongs here: binding them, each error at the place that declares the rule. Does not belong here: binding a model's own
query (`sql/binding.py`), and running rules (`queries.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from batch_platform.contracts.set_rules import Relationship
from batch_platform.contracts.table_query import TableQuery
from batch_platform.errors import ConfigurationError
from batch_platform.features.definition import FeatureTable, is_stored
from batch_platform.features.wider_rules import WiderRules
from batch_platform.sql.binding import Binder, seen_by


def bind_rules(features: FeatureTable, known: Mapping[str, pa.Schema], binder: Binder, rules: WiderRules) -> None:
    """Try on no rows the rules that read other tables, as far as the columns of these are known.

    Args:
        features: the table whose building evaluates them.
        known: the columns of tables, those of a view among them.
        binder: binds them.
        rules: knows where they stand.

    Raises:
        ConfigurationError: one names what is not there, at the file and line that declare it.
    """
    contract, plain = features.contract, features.calendar is None
    tables = {table: known[table] for table in contract.reads if table in known}
    own = features.stored_schema if is_stored(features.model) else known[features.model.table]
    if contract.queries:
        for table, columns in {**tables, features.model.table: own}.items():
            binder.declare(table, seen_by(columns, partitioned=not plain))
    for rule in contract.queries:
        if tables.keys() | {features.model.table} >= set(rule.tables):
            _bind(binder, rule)
    for related in contract.set_rules:
        if isinstance(related, Relationship) and related.other in tables:
            names = tables[related.other].names
            if related.field.lower() not in [name.lower() for name in names]:
                raise ConfigurationError(
                    f"{related.other} has no column {related.field}",
                    where=rules.place(related, contract.table) or str(contract.path),
                    fix=f"it has {', '.join(names)}",
                )


def _bind(binder: Binder, rule: TableQuery) -> None:
    origin = rule.origin
    try:
        binder.types(rule.sql(), origin.place, origin.template or None)
    except ConfigurationError as error:
        # Lines of a query that was rendered from elsewhere are nobody's.
        where = error.where if origin.template else origin.place
        raise ConfigurationError(f"{rule.name}: {error.what}", where=where, fix=error.fix) from None
