"""What a property file says about a model or column beside its columns and tests: description, meta, tags, owners.

What belongs here: reading those parts of an entry. What does not: what is enforced (`schema_yml.py`, `data_tests.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from batch_platform.contracts.surroundings import Surroundings
from batch_platform.errors import BatchPlatformError
from batch_platform.sql.yaml_nodes import Document


@dataclass(frozen=True)
class Documentation:
    """The parts of one entry, of a model or of a column."""

    document: Document
    parts: Mapping[str, yaml.Node]

    def description(self, around: Surroundings) -> str:
        """The description, with its docs blocks filled in; empty where there is none.

        Raises:
            ConfigurationError: with its line, where it names a docs block that is not there.
        """
        if "description" not in self.parts:
            return ""
        node = self.parts["description"]
        try:
            return around.description(self.document.text(node, "description"))
        except KeyError as error:
            self.document.refuse(node, f"there is no docs block {error.args[0]}", "write {% docs name %} in a .md file")
        except BatchPlatformError as error:
            self.document.refuse(node, error.what, error.fix)

    def meta(self, allowed: tuple[str, ...] | None = None) -> dict[str, yaml.Node]:
        """What stands under `meta`, beside `config` or in it; `allowed` None takes any key.

        Raises:
            ConfigurationError: with its line; also where it stands in both places.
        """
        config = self._config()
        if "meta" in self.parts and "meta" in config:
            self.document.refuse(config["meta"], "meta is given twice, here and outside config")
        node = self.parts.get("meta", config.get("meta"))
        return {} if node is None else self.document.mapping(node, "meta", allowed)

    def tags(self) -> tuple[str, ...]:
        """The tags, those of `config` too, each once.

        Raises:
            ConfigurationError: with its line, where one is no text.
        """
        return self._texts("tags", self.parts, self._config())

    def owners(self) -> tuple[str, ...]:
        """Who owns the table: `owner` or `owners` of `meta`.

        Raises:
            ConfigurationError: with its line, where one is no text.
        """
        meta = self.meta()
        return tuple(dict.fromkeys((*self._texts("owner", meta), *self._texts("owners", meta))))

    def _config(self) -> dict[str, yaml.Node]:
        node = self.parts.get("config")
        if node is None or self.document.value(node) is None:
            return {}
        return self.document.mapping(node, "config", None)

    def _texts(self, key: str, *places: Mapping[str, yaml.Node]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for node in (place[key] for place in places if key in place):
            value = self.document.value(node)
            for text in value if isinstance(value, list) else [value]:
                if not isinstance(text, str):
                    self.document.refuse(node, f"{key} must be text, or a list of texts")
                found[text] = None
        return tuple(found)
