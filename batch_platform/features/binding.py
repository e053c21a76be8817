"""Whether a model yields what its contract says, found out without rows when definitions load.

Belongs here: holding the columns of a bound query against a contract. Does not belong here: binding it
(`sql/binding.py`), or judging rows (`contracts/validation.py`).
"""

from __future__ import annotations

from batch_platform.contracts.contract import Contract
from batch_platform.errors import ConfigurationError
from batch_platform.sql.binding import POSITION, Binder
from batch_platform.sql.model import SqlModel


def bind(model: SqlModel, binder: Binder, contract: Contract) -> None:
    """Bind a model's query to its inputs, without rows.

    Args:
        model: the model.
        binder: knows the columns of each table that it reads.
        contract: the columns that it must yield.

    Raises:
        ConfigurationError: the query cannot be bound, as `file:line: what` where DuckDB names the line; or it yields
            other columns than the contract declares.
    """
    found = binder.bind(model.compile(None), str(model.path)).names
    declared = [*(column.name for column in contract.columns), *POSITION]
    differences = [
        f"{label} {', '.join(names)}"
        for label, names in (
            ("missing", [name for name in declared if name not in found]),
            ("undeclared", [name for name in found if name not in declared]),
        )
        if names
    ]
    if differences:
        raise ConfigurationError(
            f"its columns differ from the contract: {'; '.join(differences)}",
            where=str(model.path),
            fix=f"correct the SQL or {contract.path}",
        )
