"""All models of all components together, since they may read one another.

Belongs here: which components there are, and whose each model and seed is. Does not belong here: the order of models
(`model_order.py`), what a single one becomes (`catalog.py`), or Dagster (`component.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from batch_platform.errors import ConfigurationError
from batch_platform.features.catalog import Catalog, Terms
from batch_platform.features.definition import FeatureTable
from batch_platform.features.input_tests import declared_tests
from batch_platform.features.model_order import in_order
from batch_platform.features.quarantine import Tolerance
from batch_platform.features.rule_places import places_of_reads
from batch_platform.features.seeds import DeclaredSeed, seed_columns
from batch_platform.features.tested_models import TestedModels
from batch_platform.features.wider_rules import WiderRules
from batch_platform.partitions import Offset
from batch_platform.sql.model import SqlModel
from batch_platform.sql.project import Project, load_project
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
    seeds: list[DeclaredSeed] = field(default_factory=list)


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
                    demanded = declared_tests(projects[group.project], seed.entry, seed.table, seed_columns(seed))
                    group.seeds.append(DeclaredSeed(seed, demanded))
                    catalog.add_table(Timeline(seed.table, None, None), seed_columns(seed))
            project = projects[group.project]
            own = Terms(project, Offset.parse(group.known_at), Tolerance.parse(group.stop_above))
            for model in project.models(group.models):
                _refuse_namesake(model, models)
                owners[model.table], models[model.table], terms[model.table] = group, model, own
    with groups[0].telling():
        places = {table: places_of_reads(model, terms[table].project) for table, model in models.items()}
        tests = [test for project in projects.values() for test in project.singular_tests()]
        owned = TestedModels(models, _partitioned(models, catalog.timelines), projects.values())
        wishes = [(table, other) for table in sorted(places) for other in sorted(places[table])]
        ordered = in_order(models.values(), [*wishes, *owned.wishes(tests)])
        order = [model.table for model in ordered]
        catalog.rules = WiderRules(order, owned.ephemeral, owned.by_model(tests, order), places)
    for model in ordered:
        with owners[model.table].telling():
            features = catalog.add(model, terms[model.table])
        owners[model.table].tables.append(features)


def _refuse_namesake(model: SqlModel, known: dict[str, SqlModel]) -> None:
    if model.table in known:
        raise ConfigurationError(
            f"{known[model.table].path} and {model.path} would both be {model.table}",
            fix="rename one of them, or name the folder in one component only",
        )


def _partitioned(models: Mapping[str, SqlModel], timelines: Mapping[str, Timeline]) -> frozenset[str]:
    """The models that read a partitioned table, directly or through others."""
    found = {table for table, timeline in timelines.items() if timeline.calendar is not None}
    for model in in_order(models.values()):
        if found & set(model.inputs):
            found.add(model.table)
    return frozenset(found & models.keys())
