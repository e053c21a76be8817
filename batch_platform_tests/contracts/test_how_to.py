"""docs/how-to/contracts.md: every contract that it shows is one."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from batch_platform_tests.contracts.declared import load_contracts

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "contracts.md"
TEXT = PAGE.read_text(encoding="utf-8")
CONTRACTS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("text", CONTRACTS)
def test_every_contract_shown_can_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "shown_contracts.py").write_text(PYTHON[0], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = text.replace("batch_platform.defs.flight_delay.contracts:", "shown_contracts:")
    # Only the SQL, which is not shown, could give this column its type.
    text = text.replace("- name: kind\n", "- name: kind\n        data_type: VARCHAR\n")
    (tmp_path / "schema.yml").write_text(text, encoding="utf-8")
    try:
        (contract,) = load_contracts(tmp_path).values()
    finally:
        sys.modules.pop("shown_contracts", None)
    assert contract.row_rules or contract.table_rules


def test_the_page_names_every_test_that_there_is() -> None:
    from batch_platform.contracts.column_tests import COLUMN_TESTS
    from batch_platform.contracts.model_tests import MODEL_TESTS
    from batch_platform.contracts.packages import BUILT_IN_AS

    assert [name for name in (*COLUMN_TESTS, *MODEL_TESTS, *BUILT_IN_AS) if name not in TEXT] == []
