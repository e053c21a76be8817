"""Values of a component's YAML that are no templates, taken as Dagster would, without compiling a template for each.

Every text of a YAML file may be a template, and Dagster compiles each of them with Jinja: a millisecond for each of the
thousands of texts of a large project, hardly one of which is a template.

Belongs here: telling plain texts from templates. Does not belong here: what a template may refer to.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
from jinja2.nativetypes import native_concat

_NOT_PLAIN = frozenset("{\n\r")
"""What begins anything of Jinja's in a text, and the line ends, of which it changes some."""


class PlainValues(dg.ResolutionContext):
    """Dagster's own, but for texts without anything of Jinja's."""

    @classmethod
    def of(cls, context: dg.ResolutionContext) -> PlainValues:
        """The same context."""
        return cls(
            scope=context.scope,
            path=context.path,
            source_position_tree=context.source_position_tree,
            stash=context.stash,
        )

    def resolve_value(self, val: Any, as_type: Any = None) -> Any:
        """The value without templates."""
        if isinstance(val, str) and val and _NOT_PLAIN.isdisjoint(val):
            # As Jinja does with the only piece of a template, which makes a number of '5'.
            return native_concat([val])
        return super().resolve_value(val, as_type)
