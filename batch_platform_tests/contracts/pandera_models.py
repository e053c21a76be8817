"""pandera classes that the tests of this folder name in contracts."""

from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData


class Flights(pa.DataFrameModel):
    carrier: str = pa.Field(isin=["AA", "B6"])
    distance_miles: float = pa.Field(ge=0, nullable=True)
    number: pl.Int32 = pa.Field(unique=True, nullable=True)
    at: pl.Datetime("us", "UTC") = pa.Field(nullable=True)  # type: ignore[valid-type]

    @pa.check("distance_miles", name="mostly short")
    def mostly_short(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key).mean() < 1000)

    @pa.check("number", element_wise=True, name="odd", raise_warning=True)
    def odd(cls, value: int) -> bool:
        return value % 2 == 1

    @pa.dataframe_check(name="B6 flies far")
    def far(cls, data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select((pl.col("carrier") != "B6") | (pl.col("distance_miles") > 100))

    class Config:
        unique = ["carrier", "at"]  # noqa: RUF012


PLAIN = pa.DataFrameSchema({"c": pa.Column(int)})
COERCING = pa.DataFrameSchema({"c": pa.Column(int, coerce=True)})
FILTERING = pa.DataFrameSchema({"c": pa.Column(int)}, strict="filter")
STRICT = pa.DataFrameSchema({"c": pa.Column(int)}, strict=True)
OTHER_TYPE = pa.DataFrameSchema({"c": pa.Column(str)})
UNKNOWN = pa.DataFrameSchema({"z": pa.Column(int)})
FAILING = pa.DataFrameSchema({"c": pa.Column(int, pa.Check(lambda data: data.lazyframe.select(pl.col("nothing"))))})
SHORT = pa.DataFrameSchema(
    {"c": pa.Column(int, pa.Check(lambda data: data.lazyframe.select(pl.col("c") > 0).head(1), name="short"))}
)
NO_SCHEMA = 1
