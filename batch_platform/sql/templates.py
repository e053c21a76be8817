"""Jinja as this project uses it: sandboxed, and every error at its line of the file that says it.

Belongs here: the environment, compiling a text, rendering it. Does not belong here: which names a template may use
(`context.py`), or what a rendering means (`model.py`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from batch_platform.errors import BatchPlatformError, ConfigurationError, first_line
from batch_platform.sql.refusals import BLOCKS, NAMES, Refusal

TEST_PREFIX = "test_"
"""How the macro is called that a `{% test %}` block becomes."""

_CHANGES_IN_PLACE = re.compile(r"'(append|extend|insert|pop|remove|update|setdefault|clear|sort|reverse|popitem)'")


class _Blocks(Extension):
    """dbt's own blocks: `{% test %}` becomes a macro, the others are refused by name."""

    tags = {"test", "data_test", *BLOCKS}  # noqa: RUF012 - Jinja declares it so

    def parse(self, parser: Parser) -> nodes.Node:
        tag = next(parser.stream)
        if tag.value in BLOCKS:
            refusal = BLOCKS[tag.value]
            parser.fail(f"{refusal.what} ({refusal.fix})", tag.lineno)
        macro = nodes.Macro(lineno=tag.lineno)
        macro.name = TEST_PREFIX + parser.parse_assign_target(name_only=True).name
        parser.parse_signature(macro)
        macro.body = parser.parse_statements(("name:endtest", "name:enddata_test"), drop_needle=True)
        return macro


def environment() -> ImmutableSandboxedEnvironment:
    """A new environment that knows dbt's blocks and refuses by name what dbt has and this project has not."""
    made = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        optimized=False,  # a template is rendered a few times; folding its constants costs more than it saves
        finalize=_printed,
        extensions=[_Blocks, "jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    del made.filters["random"]  # chance
    made.globals.update({name: _refused(name, refusal) for name, refusal in NAMES.items()})
    return made


def parsed(made: ImmutableSandboxedEnvironment, text: str, path: Path) -> nodes.Template:
    """A text as Jinja's tree.

    Raises:
        ConfigurationError: it is not a template: `file:line: what`.
    """
    with blaming(path):
        return made.parse(text, filename=str(path))


def compiled(made: ImmutableSandboxedEnvironment, source: nodes.Template, path: Path) -> Template:
    """A tree as a template whose lines are those of its file.

    Raises:
        ConfigurationError: it names a filter that there is not: `file:line: what`.
    """
    with blaming(path):
        code = made.compile(source, filename=str(path))
        return made.template_class.from_code(made, code, made.make_globals(None))


@contextmanager
def blaming(path: Path, line: int = 1) -> Iterator[None]:
    """Turn whatever a template ends in into an error at the line of the template or macro that said it.

    Args:
        path: the file that is blamed where no line of a template can be.
        line: its line.
    """
    try:
        yield
    except TemplateSyntaxError as error:
        place = error.filename if error.filename and error.filename != "<unknown>" else path
        refuse(Path(place), error.lineno, _explained(error.message or "syntax error"))
    except BatchPlatformError as error:
        place = ":".join(map(str, _place(error, path, line)))
        raise ConfigurationError(error.what, where=error.where or place, fix=error.fix) from None
    except Exception as error:  # a template is the user's program: it may divide by zero as well as name what is not
        refuse(*_place(error, path, line), _explained(first_line(error)))


def refuse(path: Path, line: int, what: str, fix: str = "") -> NoReturn:
    """Raise the error that names a file and a line."""
    raise ConfigurationError(what, where=f"{path}:{line}", fix=fix) from None


def line_now(path: Path) -> int:
    """The line of this file's template at which the rendering stands that calls this function."""
    line, frame = 1, sys._getframe(1)
    name = str(path)
    while frame is not None:
        template = frame.f_globals.get("__jinja_template__")
        if template is not None and template.filename == name:
            line = template.get_corresponding_lineno(frame.f_lineno)
        if frame.f_back is None:
            break
        frame = frame.f_back
    return line


def read_text(path: Path, newline: str | None = None) -> str:
    """A file's text; `newline` as `open` takes it.

    Raises:
        ConfigurationError: it is not UTF-8, or cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline=newline) as file:
            return file.read()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError("is not UTF-8", where=f"{path}:{line}", fix="save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from None


def has_jinja(text: str) -> bool:
    """Whether a text says anything to Jinja; one that does not is its own rendering."""
    return any(mark in text for mark in ("{{", "{%", "{#"))


def _refused(name: str, refusal: Refusal) -> StrictUndefined:
    """A name that is not there, and says why wherever it is used."""
    return StrictUndefined(hint=f"{name} {refusal.what} ({refusal.fix})", name=name)


def _printed(value: Any) -> Any:
    """What `{{ }}` writes: a function written without its parentheses would write its address in memory."""
    if callable(value) and not isinstance(value, Undefined):
        name = getattr(value, "__name__", type(value).__name__).strip("_").lower()
        raise ConfigurationError(f"{name} is a function", fix=f"call it: {name}(...)")
    return value


def _place(error: BaseException, path: Path, line: int) -> tuple[Path, int]:
    """Where an error was raised: Jinja maps the frames of a template to its lines."""
    found, trace = (path, line), error.__traceback__
    while trace is not None:
        names, template = trace.tb_frame.f_globals, trace.tb_frame.f_globals.get("__jinja_template__")
        if "__jinja_exception__" in names:
            found = (Path(trace.tb_frame.f_code.co_filename), trace.tb_lineno)
        elif template is not None:  # a macro that was called from outside a template
            found = (Path(template.filename), template.get_corresponding_lineno(trace.tb_lineno))
        trace = trace.tb_next
    return found


def _explained(message: str) -> str:
    if _CHANGES_IN_PLACE.search(message) and "unsafe" in message:
        return f"{message} (no value changes in place: {{% set all = all + [one] %}}, in a loop in a namespace())"
    return message
