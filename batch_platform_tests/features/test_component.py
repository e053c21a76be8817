"""What `FeatureTables` declares to the schedule."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from batch_platform.automation.schedule import schedule_of
from batch_platform.errors import ConfigurationError
from batch_platform.schedules.slo import Slo
from batch_platform_tests.pipelines.fixtures import project as project
from batch_platform_tests.pipelines.project import Project

MODEL = "order_features"


def promise(project: Project, own: str, common: dict[str, str] | None = None) -> Slo | None:
    """The objective of the model where its SQL says `own` and the component `common`."""
    documents: list[dict[str, Any]] = project.documents("repeat_purchase")[:3]  # type: ignore[assignment]
    documents[2]["attributes"]["slo"] = common
    project.declare("repeat_purchase", documents)
    sql = project.sql("repeat_purchase") / f"{MODEL}.sql"
    sql.write_text(own + sql.read_text())
    with project.tree() as tree:
        return {table.table: table for table in schedule_of(tree)}[f"features/{MODEL}"].slo


def test_the_deadline_of_the_component_holds_for_its_tables(project: Project) -> None:
    found = promise(project, "", {"due": "+1d 10:00"})
    assert found is not None and found.due.text == "+1d 10:00"


def test_the_deadline_of_a_model_comes_before_that_of_the_component(project: Project) -> None:
    own = "{{ config(meta={'slo': {'due': '+1d 12:00', 'critical': true}}) }}\n"
    found = promise(project, own, {"due": "+1d 10:00"})
    assert found is not None and (found.due.text, found.critical) == ("+1d 12:00", True)


def test_a_model_can_go_without_the_deadline_of_its_component(project: Project) -> None:
    assert promise(project, "{{ config(meta={'slo': none}) }}\n", {"due": "+1d 10:00"}) is None


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("{'warn': '+1d 09:00'}", "order_features.sql: meta.slo.due: Field required"),
        ("{'due': '+1d 09:00', 'late': 1}", "meta.slo.late: Extra inputs are not permitted"),
        ("{'due': 'tomorrow'}", "'tomorrow' is not an offset"),
        ("{'due': '+1d 07:00'}", "slo.due '+1d 07:00' is not after known_at '+1d 08:00'"),
        ("'+1d 09:00'", "meta.slo: Input should be"),
    ],
)
def test_a_deadline_that_makes_no_sense_is_one_line(project: Project, own: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match="repeat_purchase") as refused:
        promise(project, f"{{{{ config(meta={{'slo': {own}}}) }}}}\n")
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_of_a_table_that_reads_itself_the_schedule_knows_the_past_that_each_day_needs(project: Project) -> None:
    shutil.rmtree(project.defs("repeat_purchase").parent)
    project.add_project("energy")
    with project.tree() as tree:
        tables = {table.table: table for table in schedule_of(tree)}
    totals = tables["features/meter_totals"]
    assert totals.calendar is not None and totals.past is not None
    second = totals.calendar.shift(totals.calendar.first, 1)
    assert (totals.past(totals.calendar.first), totals.past(second)) == ([], [totals.calendar.first])
    assert "features/meter_totals" not in [read.table for read in totals.inputs]
    assert tables["features/daily_consumption"].past is None
