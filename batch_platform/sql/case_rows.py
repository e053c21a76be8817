"""Rows as people write them, in YAML or as CSV, and as values of their columns' types.

A cell is the text that stands in the file, cast to its column's type: `NO` is Norway where the column holds text, and
`1.10` is exact where it holds decimals.

Belongs here: reading rows and cells. Does not belong here: what a test does with them (`unit_test.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from batch_platform.errors import ConfigurationError
from batch_platform.sql.yaml_nodes import Document

PLACES = ("rows", "csv", "file")
"""Where the rows of an entry may stand: in a list, in a text, in a file beside it."""


@dataclass(frozen=True)
class Line:
    """A row as it is written: text or None by column, and its place `file:line`."""

    cells: Mapping[str, str | None]
    where: str


def entry_of(document: Document, node: yaml.Node, more: tuple[str, ...]) -> dict[str, yaml.Node]:
    """A list of rows, or a mapping that says where they are and more."""
    if not isinstance(node, yaml.MappingNode):
        return {"rows": node}
    entry = document.mapping(node, "an entry", (*PLACES, *more))
    if sum(place in entry for place in PLACES) != 1:
        document.refuse(node, "says not exactly once where its rows are", f"give one of {', '.join(PLACES)}")
    return entry


def lines_of(document: Document, entry: Mapping[str, yaml.Node]) -> Iterator[Line]:
    """The rows of an entry, in the order in which they stand there."""
    if "rows" in entry:
        node = entry["rows"]
        nodes = [] if _is_null(node) else document.items(node, "rows")
        for item in nodes:
            cells = document.mapping(item, "a row", None)
            where = f"{document.path}:{item.start_mark.line + 1}"
            yield Line({name: scalar(document, cell) for name, cell in cells.items()}, where)
    elif "csv" in entry:
        node = entry["csv"]
        yield from _csv(document.text(node, "csv"), str(document.path), node.start_mark.line + 1)
    else:
        name = document.text(entry["file"], "file")
        path = document.path.parent / name
        if Path(name).name != name or not path.is_file():
            document.refuse(entry["file"], f"there is no file {name!r} beside it")
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            document.refuse(entry["file"], f"{name} is not UTF-8", "save it as UTF-8")
        yield from _csv(text, str(path), 0)


def _csv(text: str, file: str, above: int) -> Iterator[Line]:
    """The rows of CSV text that begins `above` lines into a file; an empty cell is NULL."""
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        (header, _), *rows = [(cells, reader.line_num) for cells in reader] or [([], 0)]
    except csv.Error as error:
        raise ConfigurationError(f"is not CSV: {error}", where=f"{file}:{above + reader.line_num}") from None
    for cells, line in rows:
        where = f"{file}:{above + line}"
        if cells and len(cells) != len(header):
            raise ConfigurationError(f"has {len(cells)} cells, the header {len(header)}", where=where)
        if cells:
            yield Line({name: cell or None for name, cell in zip(header, cells, strict=True)}, where)


def typed(line: Line, kinds: Mapping[str, pa.DataType], owner: str) -> dict[str, object]:
    """The cells of a row as values of their columns' types."""
    found: dict[str, object] = {}
    for name, text in line.cells.items():
        if name not in kinds:
            raise ConfigurationError(
                f"{owner} has no column {name!r}", where=line.where, fix=f"it has {', '.join(kinds)}"
            )
        try:
            found[name] = None if text is None else pc.cast(pa.scalar(text), kinds[name]).as_py()
        except pa.ArrowException:
            raise ConfigurationError(
                f"{text!r} is no value for {name}, which is {kinds[name]}", where=line.where
            ) from None
    return found


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def scalar(document: Document, node: yaml.Node) -> str | None:
    """A cell as the text that stands in the file; None for NULL."""
    if not isinstance(node, yaml.ScalarNode):
        document.refuse(node, "a cell must be one value")
    return None if _is_null(node) else str(node.value)
