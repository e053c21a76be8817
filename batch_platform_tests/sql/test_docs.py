"""Documents: blocks are found with their names, and a description takes them in as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from batch_platform.errors import ConfigurationError
from batch_platform.sql.docs import described, load_docs

DOCS = {"a": "Text of {{ a }}."}


def docs_of(folder: Path, text: str) -> dict[str, str]:
    path = folder / "d.md"
    path.write_text(text)
    return load_docs([path])


def test_blocks_are_found_between_other_text(tmp_path: Path) -> None:
    text = "# Title\n{% docs a %}\n\nOne *line*.\n{% enddocs %}\nNot {{ this }}.\n{%- docs b_2 -%}x{%- enddocs -%}"
    assert docs_of(tmp_path, text) == {"a": "One *line*.", "b_2": "x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n{% docs a %}", "d.md:2: docs a does not end"),
        ("\n{% docs %}{% enddocs %}", "d.md:2: a docs block needs a name"),
        ("{% docs a %}\n{% docs b %}", "d.md:2: a docs block must end before the next begins"),
        ("\n{% enddocs %}", "d.md:2: a docs block must end before the next begins"),
        ("{% docs a %}{% enddocs %}\n{% docs a %}{% enddocs %}", "d.md:2: docs a is already in "),
    ],
)
def test_a_block_that_is_wrong_is_refused_at_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        docs_of(tmp_path, text)
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(said)


def test_a_description_takes_blocks_in_as_text() -> None:
    assert described("See {{ doc('a') }}", DOCS, "f:1") == "See Text of {{ a }}."
    assert described("See {{ doc('shop', 'a') }}", DOCS, "f:1", "shop") == "See Text of {{ a }}."
    assert described("100% {of} it", DOCS, "f:1") == "100% {of} it"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ doc('b') }}", "f.yml:3: there is no docs block 'b' (there are a)"),
        ("{{ doc('mart', 'a') }}", "f.yml:3: doc() takes the name of a block of this project"),
        ("{{ doc() }}", "f.yml:3: doc() takes the name of a block of this project"),
        ("{{ var('x') }}", "f.yml:3: 'var' is undefined"),
        ("{{ env_var('x') }}", "f.yml:3: env_var would bring secrets"),
        ("{{ doc.__globals__ }}", "f.yml:3: access to attribute '__globals__'"),
        ("{{", "f.yml:3: "),
    ],
)
def test_a_description_knows_doc_alone(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        described(text, DOCS, "f.yml:3", "shop")
    assert str(caught.value).startswith(said)
