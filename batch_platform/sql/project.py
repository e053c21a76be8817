"""A project of SQL: a folder as dbt users know it, read once and asked for its models, seeds, tests and documents.

Belongs here: what stands in the folder, and what names in it stand for. Does not belong here: reading one file of a
kind (`project_file.py`, `properties.py`, `macros.py`, `model.py`, `seeds.py`, `docs.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from batch_platform.errors import ConfigurationError
from batch_platform.sql.config import Materialization
from batch_platform.sql.docs import described, load_docs
from batch_platform.sql.language import Language
from batch_platform.sql.model import SqlModel, read_model
from batch_platform.sql.project_file import ProjectFile, read_project_file
from batch_platform.sql.project_folder import (
    Placed,
    files_of,
    placed,
    refuse_kinds,
    refuse_packages,
    refuse_strangers,
    refuse_unknown_folders,
)
from batch_platform.sql.properties import Properties, load_properties
from batch_platform.sql.rendering import Tables
from batch_platform.sql.seeds import Seed, seed_config
from batch_platform.sql.settings import MODEL_SETTINGS, SEED_SETTINGS, TEST_SETTINGS, is_enabled
from batch_platform.sql.sql_tests import GenericTest, SingularTest, generic_tests, read_singular
from batch_platform.sql.templates import refuse


@dataclass(frozen=True)
class Project:
    """A project of SQL.

    Args:
        root: its folder.
        file: what its `dbt_project.yml` says.
        properties: what its property files say.
        docs: its `{% docs %}` blocks, by name.
        generic_tests: its `{% test %}` blocks, by name.
        language: what its templates are written in.
        model_files: its models, by name, before any is read.
        seed_files: its seeds, by name.
    """

    root: Path
    file: ProjectFile
    properties: Properties = field(repr=False)
    docs: Mapping[str, str] = field(repr=False)
    generic_tests: Mapping[str, GenericTest] = field(repr=False)
    language: Language = field(repr=False)
    model_files: Mapping[str, Placed] = field(repr=False)
    seed_files: Mapping[str, Placed] = field(repr=False)
    _read: dict[str, SqlModel] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The project's name; empty where it has no file of its own."""
        return self.file.name

    def models(self, folder: str = "") -> list[SqlModel]:
        """The enabled models of a folder and those below it, in the order of their names.

        Args:
            folder: below the folder of models, such as `flight_delay`; empty for all.

        Raises:
            ConfigurationError: there is no such folder or it holds no model, or a model is wrong, or reads one that
                is disabled.
        """
        way = tuple(part for part in folder.split("/") if part)
        found = [place.name for place in self.model_files.values() if place.folder[: len(way)] == way]
        if not found:
            where = " or ".join(str(self.root / path / folder) for path in self.file.paths["model-paths"])
            raise ConfigurationError("the folder holds no SQL model", where=where, fix="add <name>.sql")
        models = [self.model(name) for name in sorted(found)]
        for model in models:
            self._refuse_disabled(model)
        return [model for model in models if model.config.enabled]

    def model(self, name: str) -> SqlModel:
        """One model by its name, enabled or not; it is read once.

        Raises:
            ConfigurationError: there is no such model, or it is wrong: `file:line: what`.
        """
        if name not in self.model_files:
            raise ConfigurationError(f"there is no model {name!r}", where=str(self.root), fix="correct the name")
        if name not in self._read:
            place = self.model_files[name]
            default = Materialization.VIEW if self.file.path else Materialization.TABLE
            self._read[name] = read_model(self.language, place.path, place.given, default)
        return self._read[name]

    def seeds(self) -> list[Seed]:
        """The enabled seeds, in the order of their names."""
        return [seed for seed in self._seeds if seed.config.enabled]

    @cached_property
    def _seeds(self) -> list[Seed]:
        entries = self.properties.seeds
        files = sorted(self.seed_files.items())
        return [Seed(name, place.path, seed_config(place.given), entries.get(name)) for name, place in files]

    def singular_tests(self) -> list[SingularTest]:
        """The enabled queries in `tests/` that must yield no row, in the order of their names."""
        found = files_of(self.root, self.file.paths["test-paths"], "*.sql")
        files = [path for path, folder in found if folder[:1] != ("generic",)]
        entries = self.properties.tests
        given = {name: entry.settings(TEST_SETTINGS) for name, entry in entries.items()}
        tests = [read_singular(self.language, path, given.get(path.stem, {})) for path in files]
        enabled = sorted((test for test in tests if is_enabled(test.settings)), key=lambda test: test.name)
        for test in enabled:
            for table in filter(self._is_disabled, test.inputs):
                refuse(test.path, 1, f"reads {table}, which is disabled", "enable it, or disable the test")
        return enabled

    def described(self, text: str, where: str) -> str:
        """A description with the docs blocks that it names; `where` is its place, `file:line`."""
        return described(text, self.docs, where, self.name)

    def _refuse_disabled(self, model: SqlModel) -> None:
        for table in filter(self._is_disabled, model.inputs if model.config.enabled else ()):
            name = table.split("/")[1]
            refuse(model.path, model.line_of(table), f"ref({name!r}) is disabled", "enable it, or do not read it")

    def _is_disabled(self, table: str) -> bool:
        """Whether a table is that of a model which is left out; its own `config()` has the last word."""
        stage, name = table.split("/")
        return stage == "features" and name in self.model_files and not self.model(name).config.enabled


def load_project(root: Path) -> Project:
    """Read a project; its models and seeds are read when they are asked for.

    Raises:
        ConfigurationError: `file:line: what`, where it says what this project has not, or two files have one name.
    """
    if not root.is_dir():
        raise ConfigurationError("the project's folder does not exist", where=str(root), fix="create it")
    file = read_project_file(root)
    refuse_packages(root)
    refuse_kinds(root, file)
    folders = [root / path for key in ("model-paths", "seed-paths", "test-paths") for path in file.paths[key]]
    properties = load_properties([folder for folder in folders if folder.is_dir()])
    models = placed(root, file, "model-paths", "*.sql", file.models, properties.models, MODEL_SETTINGS)
    seeds = placed(root, file, "seed-paths", "*.csv", file.seeds, properties.seeds, SEED_SETTINGS)
    for name in sorted(models.keys() & seeds.keys()):
        raise ConfigurationError(
            f"{seeds[name].path} is called like this model", where=str(models[name].path), fix="rename one"
        )
    tests = [path.stem for path, _ in files_of(root, file.paths["test-paths"], "*.sql")]
    refuse_strangers("model", models, properties.models)
    refuse_strangers("seed", seeds, properties.seeds)
    refuse_strangers("test", tests, properties.tests)
    refuse_unknown_folders(file.models, models.values(), file.name)
    refuse_unknown_folders(file.seeds, seeds.values(), file.name)
    macro_files = [path for path, _ in files_of(root, file.paths["macro-paths"], "*.sql")]
    macro_files += [p for p, folder in files_of(root, file.paths["test-paths"], "*.sql") if folder[:1] == ("generic",)]
    language = Language.of(file.name, file.variables, macro_files)
    disabled = {name for name, place in seeds.items() if not is_enabled(place.given)}
    own = {name: f"features/{name}" for name in models} | {name: f"seeds/{name}" for name in seeds}
    sources = {name: entry.table for name, entry in properties.sources.items()}
    language = language.with_tables(Tables(file.name, own, frozenset(disabled), sources))
    return Project(
        root=root,
        file=file,
        properties=properties,
        docs=load_docs(path for path, _ in files_of(root, _docs_paths(file), "*.md")),
        generic_tests=generic_tests(language),
        language=language,
        model_files=models,
        seed_files=seeds,
    )


def _docs_paths(file: ProjectFile) -> tuple[str, ...]:
    """Where documents lie: as in dbt, beside everything else unless the project says where."""
    named = file.paths["docs-paths"]
    kinds = ("model-paths", "seed-paths", "macro-paths", "test-paths")
    return named or tuple(dict.fromkeys(path for kind in kinds for path in file.paths[kind]))
