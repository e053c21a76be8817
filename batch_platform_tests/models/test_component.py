"""`ModelVersion` refuses a label that would come out differently when it is computed again."""

from __future__ import annotations

import pytest

from batch_platform_tests.pipelines.fixtures import project as project_fixture
from batch_platform_tests.pipelines.project import Project

project = project_fixture
PIPELINE, MODEL = "repeat_purchase", "batch_platform.ModelVersion"


@pytest.mark.parametrize("name", ["sql", "exclude"])
@pytest.mark.parametrize("condition", ["random() < 0.5", "current_date > DATE '2026-01-01'", "now() IS NULL"])
def test_a_label_that_depends_on_chance_or_the_clock_is_refused(project: Project, name: str, condition: str) -> None:
    documents = project.documents(PIPELINE)
    [model] = [document for document in documents if document["type"] == MODEL]
    model["attributes"]["label"][name] = condition
    project.declare(PIPELINE, documents)
    with pytest.raises(Exception) as caught:
        project.definitions().resolve_asset_graph()
    told, error = "", caught.value
    while error is not None:
        told, error = f"{told}\n{error}", error.__cause__  # type: ignore[assignment]
    assert f"{project.defs(PIPELINE)}, ModelVersion 'repeat_purchase', label.{name}:1: " in told
    assert "gives another result each time" in told
