"""All models of all components together, since they may read one another.

Belongs here: which components there are, whose each model and seed is, and the order in which models are read. Does
not belong here: what a single model becomes (`catalog.py`), or Dagster (`component.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from batch_platform.errors import ConfigurationError
from batch_platform.features.catalog import Catalog, Terms
from batch_platform.features.definition import FeatureTable
from batch_platform.features.quarantine import Tolerance
from batch_platform.features.seeds import seed_columns
from batch_platform.partitions import Offset
from batch_platform.sql.model import SqlModel
from batch_platform.sql.project import Project, load_project
from batch_platform.sql.seeds import Seed
from batch_platform.sql.sql_tests import SingularTest
from batch_platform.timelines import Timeline


@dataclass(frozen=True)
class Group:
    """The models of one component, as it declares them, and then what they become.

    Args:
        project: the project's folder, below the root.
        models: the folder below the project's models; empty for all.
        known_at: the decision time.
        stop_above: the tolerance for rows that break a contract.
        telling: puts the component's place before an error.
    """

    project: str
    models: str
    known_at: str
    stop_above: str
    telling: Callable[[], AbstractContextManager[None]]
    tables: list[FeatureTable] = field(default_factory=list)
    seeds: list[Seed] = field(default_factory=list)


def read_groups(groups: Sequence[Group], catalog: Catalog, root: Path) -> None:
    """Give each group its tables, every one after those that it reads, and its seeds.

    Seeds belong to a whole project; its first group looks after them.

    Raises:
        ConfigurationError: a project, a model, its contract or its inputs cannot mean what they say.
    """
    projects: dict[str, Project] = {}
    owners: dict[str, Group] = {}
    models: dict[str, SqlModel] = {}
    terms: dict[str, Terms] = {}
    for group in groups:
        with group.telling():
            if group.project not in projects:
                projects[group.project] = load_project(root / group.project)
                for seed in projects[group.project].seeds():
                    group.seeds.append(seed)
                    catalog.add_table(Timeline(seed.table, None, None), seed_columns(seed))
            project = projects[group.project]
            own = Terms(project, Offset.parse(group.known_at), Tolerance.parse(group.stop_above))
            for model in project.models(group.models):
                _refuse_namesake(model, models)
                owners[model.table], models[model.table], terms[model.table] = group, model, own
    with groups[0].telling():
        ordered = in_order(models.values())
        tests = _tests_by_model(projects.values(), ordered)
    catalog.coming += [model.table for model in ordered]
    for model in ordered:
        with owners[model.table].telling():
            features = catalog.add(model, terms[model.table], tests.get(model.table, []))
        owners[model.table].tables.append(features)


def in_order(models: Iterable[SqlModel]) -> list[SqlModel]:
    """Models after the models they read.

    Raises:
        ConfigurationError: they read one another in a circle.
    """
    waiting = {model.table: model for model in models}
    ordered: list[SqlModel] = []
    while waiting:
        free = [model for model in waiting.values() if not waiting.keys() & set(model.inputs)]
        if not free:
            raise _circle(waiting)
        for model in free:
            ordered.append(waiting.pop(model.table))
    return ordered


def _circle(waiting: dict[str, SqlModel]) -> ConfigurationError:
    """The error that names the models of one circle, in the order of their reading, and where the first reads on."""
    way: list[SqlModel] = [next(iter(waiting.values()))]
    while way[-1] not in way[:-1]:
        way.append(next(waiting[table] for table in way[-1].inputs if table in waiting))
    way = way[way.index(way[-1]) :]
    names = " reads ".join(model.name for model in way)
    where = f"{way[0].path}:{way[0].line_of(way[1].table)}"
    return ConfigurationError(f"models read one another in a circle: {names}", where=where, fix="break it")


def _refuse_namesake(model: SqlModel, known: dict[str, SqlModel]) -> None:
    if model.table in known:
        raise ConfigurationError(
            f"{known[model.table].path} and {model.path} would both be {model.table}",
            fix="rename one of them, or name the folder in one component only",
        )


def _tests_by_model(projects: Iterable[Project], ordered: Sequence[SqlModel]) -> dict[str, list[SingularTest]]:
    """The singular tests of each model: of those that a test reads, it belongs to the last.

    Raises:
        ConfigurationError: a test reads no model.
    """
    place = {model.table: number for number, model in enumerate(ordered)}
    found: dict[str, list[SingularTest]] = {}
    for project in projects:
        for test in project.singular_tests():
            read = [table for table in test.inputs if table in place]
            if not read:
                raise ConfigurationError("the test reads no model", where=str(test.path), fix="name one with ref()")
            found.setdefault(max(read, key=place.__getitem__), []).append(test)
    return found
