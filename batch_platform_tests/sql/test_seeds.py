"""Seeds: values have the types that dbt gives them, and a file that is no such table is refused at its line."""

from __future__ import annotations

import csv
import io
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_platform.errors import ConfigurationError
from batch_platform.sql.seeds import Seed, SeedConfig, read_seed, seed_schema
from batch_platform_tests.sql.projects import project_of, refusal


def seed_of(folder: Path, content: str | bytes, **types: str) -> Seed:
    path = folder / "codes.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Seed("codes", path, SeedConfig(types, types_at="seeds.yml:3"))


def column(folder: Path, *values: str, **types: str) -> tuple[pa.DataType, list[object]]:
    """The type and the values of the column `x` that holds these texts."""
    file = io.StringIO()
    csv.writer(file).writerows([["x", "n"], *([value, "1"] for value in values)])
    found = read_seed(seed_of(folder, file.getvalue(), **types)).column("x")
    return found.type, found.to_pylist()


@pytest.mark.parametrize(
    ("texts", "kind", "values"),
    [
        (["1", " -2", "007", "1e3", "2.0", "", "null"], pa.int32(), [1, -2, 7, 1000, 2, None, None]),
        (["3000000000", "1"], pa.int64(), [3000000000, 1]),
        (["30000000000000000000"], pa.string(), ["30000000000000000000"]),
        (["1", "1.5", ".5"], pa.float64(), [1.0, 1.5, 0.5]),
        (["", "", "NULL"], pa.int32(), [None, None, None]),
        (["true", "FALSE", ""], pa.bool_(), [True, False, None]),
        (["true", "1"], pa.string(), ["true", "1"]),
        (["yes", "no"], pa.string(), ["yes", "no"]),
        (["2024-01-31", "2024-2-1", "null"], pa.date32(), [date(2024, 1, 31), date(2024, 2, 1), None]),
        (["2024-01-32"], pa.string(), ["2024-01-32"]),
        (["31.01.2024"], pa.string(), ["31.01.2024"]),
        (["2024-01-31 10:20:30"], pa.timestamp("us"), [datetime(2024, 1, 31, 10, 20, 30)]),
        (["2024-01-31T10:20:30.5"], pa.timestamp("us"), [datetime(2024, 1, 31, 10, 20, 30, 500000)]),
        (["2024-01-31T10:20:30Z"], pa.timestamp("us"), [datetime(2024, 1, 31, 10, 20, 30)]),
        (["2024-01-31T10:20+02:00"], pa.timestamp("us", "UTC"), [datetime(2024, 1, 31, 8, 20, tzinfo=UTC)]),
        (["2024-01-31", "2024-01-31 10:20:30"], pa.string(), ["2024-01-31", "2024-01-31 10:20:30"]),
        (["a", "", "null", " b "], pa.string(), ["a", None, "null", " b "]),
        (["1,000", "$5"], pa.string(), ["1,000", "$5"]),
        (["nan", "inf"], pa.string(), ["nan", "inf"]),
        (["line\nbreak", 'say "x"'], pa.string(), ["line\nbreak", 'say "x"']),
        ([], pa.int32(), []),
    ],
)
def test_types_are_found_as_dbt_finds_them(
    tmp_path: Path, texts: list[str], kind: pa.DataType, values: list[object]
) -> None:
    assert column(tmp_path, *texts) == (kind, values)


@pytest.mark.parametrize(
    ("name", "texts", "kind", "values"),
    [
        ("varchar", ["007", "null", ""], pa.string(), ["007", "null", None]),
        ("text", ["1"], pa.string(), ["1"]),
        ("bigint", ["1"], pa.int64(), [1]),
        ("numeric(10, 2)", ["1.234"], pa.decimal128(10, 2), [Decimal("1.23")]),
        ("double precision", ["1"], pa.float64(), [1.0]),
        ("timestamp with time zone", ["2024-01-31 10:00:00+02"], pa.timestamp("us", "UTC"),
         [datetime(2024, 1, 31, 8, tzinfo=UTC)]),
        ("boolean", ["1", "f"], pa.bool_(), [True, False]),
    ],
)  # fmt: skip
def test_a_type_that_is_given_holds(
    tmp_path: Path, name: str, texts: list[str], kind: pa.DataType, values: list[object]
) -> None:
    assert column(tmp_path, *texts, X=name) == (kind, values)


def test_a_seed_is_read_with_any_line_ends_and_a_mark_at_the_beginning(tmp_path: Path) -> None:
    for content in ("\ufeffid,a\r\n1,x\r\n\r\n2,y", "id,a\n1,x\n\n2,y\n"):
        assert read_seed(seed_of(tmp_path, content)).to_pylist() == [{"id": 1, "a": "x"}, {"id": 2, "a": "y"}]
    assert read_seed(seed_of(tmp_path, "id\n1\n\n2\n")).to_pylist() == [{"id": 1}, {"id": None}, {"id": 2}]
    assert seed_schema(seed_of(tmp_path, "id,a\n")) == pa.schema({"id": pa.int32(), "a": pa.int32()})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "codes.csv:1: the seed has no header"),
        ("id,,a\n", "codes.csv:1: column 2 has no name"),
        ("id,a,ID\n", "codes.csv:1: column 'ID' stands twice"),
        ("id,_source_row\n", "codes.csv:1: column '_source_row' is the platform's"),
        ("id,a\n1,x\n2\n", "codes.csv:3: the row has 1 values, the header 2"),
        ("id,a\n1,'x\ny'\n3,4,5\n", "codes.csv:3: the row has 1 values, the header 2"),
        ('id,a\n1,"x\ny"\n3,4,5\n', "codes.csv:4: the row has 3 values, the header 2"),
        ('id,a\n1,"x"y\n', "codes.csv:2: is not CSV"),
        ('id,a\n1,"x\n', "codes.csv:2: is not CSV"),
        (b"id,a\n1,x\n2,\xff\n", "codes.csv:3: is not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused_at_its_line(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_seed(seed_of(tmp_path, content))
    message = str(caught.value)
    assert message.removeprefix(f"{tmp_path}/").startswith(said) and "\n" not in message


@pytest.mark.parametrize(
    ("types", "said"),
    [
        ({"a": "integer"}, "codes.csv:4: column a: 'z' is not integer (correct the value, or the type"),
        ({"A": "date"}, "codes.csv:2: column a: '7' is not date"),
        ({"a": "colour"}, "seeds.yml:3: a type cannot be read: "),
        ({"b": "integer"}, "seeds.yml:3: column_types names 'b', which codes.csv does not have (it has id, a)"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_refused_by_line_and_column(
    tmp_path: Path, types: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_seed(seed_of(tmp_path, 'id,a\n1,7\n2,"8"\n3,z\n', **types))
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(said)


def test_seeds_are_configured_by_their_files(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        dbt_project_yml="name: shop\nseeds: {shop: {+delimiter: ';', geo: {+column_types: {id: varchar}}}}",
        seeds__geo__codes_csv="id;n\n01;1\n",
        seeds__b_csv="id\t n\n1\t2\n",
        seeds__off_csv="",
        seeds__seeds_yml="""
            seeds:
              - name: b
                description: "Tabs."
                config: {delimiter: "\\t", quote_columns: false}
              - name: "off"
                config: {enabled: false}
            """,
    )
    b, codes = project.seeds()
    assert (b.table, b.entry is not None, codes.entry) == ("seeds/b", True, None)
    assert read_seed(b).to_pylist() == [{"id": 1, " n": 2}]
    assert read_seed(codes).to_pylist() == [{"id": "01", "n": 1}]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("delimiter: ',,'", "delimiter is ',,'"),
        ("delimiter: '\"'", "delimiter is '\"'"),
        ("column_types: [id]", "column_types is not a mapping of texts"),
        ("column_types: {id: 'int); DROP TABLE x; --'}", "'int); DROP TABLE x; --' is not a type"),
        ("column_types: {id: 'int AS y, 1'}", "'int AS y, 1' is not a type"),
        ("quote_columns: 1", "quote_columns is 1"),
        ("materialized: table", "config() has no 'materialized'"),
        ("post_hook: x", "post_hook is a hook"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_at_its_line(tmp_path: Path, setting: str, said: str) -> None:
    text = f"seeds:\n  - name: a\n    config:\n      {setting}\n"
    message = refusal(tmp_path, seeds__a_csv="id\n1\n", seeds__x_yml=text, models__one_sql="SELECT 1 AS id")
    assert message.startswith(f"seeds/x.yml:4: {said}")


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=8), min_size=1, max_size=5))
def test_text_comes_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    kind, values = column(tmp_path_factory.getbasetemp(), *texts, x="varchar")
    assert (kind, values) == (pa.string(), [text or None for text in texts])


@settings(max_examples=40)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=5))
def test_numbers_come_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, numbers: list[float]) -> None:
    kind, values = column(tmp_path_factory.getbasetemp(), *map(repr, numbers))
    if kind == pa.string():
        assert all(number.is_integer() for number in numbers)
        values = [float(str(value)) for value in values]
    assert all(math.isclose(float(str(a)), b, rel_tol=1e-15) for a, b in zip(values, numbers, strict=True))
