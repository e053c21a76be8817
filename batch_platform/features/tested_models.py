"""Which model a singular test belongs to: the last of those that it reads and that something builds.

Belongs here: finding it, and refusing a test that has none. Does not belong here: evaluating the test (`queries.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from batch_platform.errors import ConfigurationError
from batch_platform.features.definition import is_ephemeral
from batch_platform.features.model_order import ancestors
from batch_platform.features.wider_rules import AS_VIEW
from batch_platform.sql.model import SqlModel
from batch_platform.sql.project import Project
from batch_platform.sql.sql_tests import SingularTest


class TestedModels:
    """The models that singular tests may read.

    Args:
        models: those that components declare, by table.
        partitioned: those of them that have partitions.
        projects: the projects they are of.
    """

    __test__ = False

    def __init__(
        self, models: Mapping[str, SqlModel], partitioned: frozenset[str], projects: Iterable[Project]
    ) -> None:
        self._models, self._partitioned = models, partitioned
        self._undeclared = {f"features/{name}" for project in projects for name in project.model_files} - models.keys()
        self._before = {table: model.inputs for table, model in models.items()}
        self.ephemeral = frozenset(table for table, model in models.items() if is_ephemeral(model))

    def wishes(self, tests: Iterable[SingularTest]) -> list[tuple[str, str]]:
        """What should come after what, so that each test has a last table: one with partitions if it reads any.

        Raises:
            ConfigurationError: a test reads no model that something builds, or has settings that nothing follows.
        """
        found = []
        for test in tests:
            test.refuse_untold()
            built = self._built(test)
            made_from = {other for table in built for other in ancestors(table, self._before)}
            last = [table for table in built if table not in made_from]
            owner = max(last, key=lambda table: (table in self._partitioned, table))
            found += [(owner, table) for table in sorted(test.inputs) if table != owner]
        return found

    def by_model(self, tests: Iterable[SingularTest], order: Sequence[str]) -> dict[str, list[SingularTest]]:
        """The tests of each model, by its table.

        Raises:
            ConfigurationError: a test reads an ephemeral model that is made from the last of the others.
        """
        place = {table: number for number, table in enumerate(order)}
        found: dict[str, list[SingularTest]] = {}
        for test in tests:
            owner = max(self._built(test), key=place.__getitem__)
            for table in test.inputs:
                if place.get(table, -1) > place[owner]:
                    raise ConfigurationError(
                        f"the test reads {table}, which is made from {owner} and ephemeral, so that nothing builds it",
                        where=test.where(table),
                        fix=AS_VIEW,
                    )
            found.setdefault(owner, []).append(test)
        return found

    def _built(self, test: SingularTest) -> list[str]:
        """The models that a test reads and that something builds."""
        for table in test.inputs:
            if table in self._undeclared:
                raise ConfigurationError(
                    f"the test reads {table}, which no component declares",
                    where=test.where(table),
                    fix="name its folder in a component, or disable the test",
                )
        built = [table for table in test.inputs if table in self._models and table not in self.ephemeral]
        if built:
            return built
        if not test.inputs:
            raise ConfigurationError("the test reads no model", where=test.where(), fix="name one with ref()")
        first = next((table for table in test.inputs if table in self.ephemeral), "")
        if first:
            what = f"the test reads {first}, which is ephemeral, so that nothing builds it"
            raise ConfigurationError(what, where=test.where(first), fix=AS_VIEW)
        raise ConfigurationError(
            f"the test reads {', '.join(test.inputs)} and no model: nothing would run it",
            where=test.where(test.inputs[0]),
            fix="read a model that is made from it",
        )
