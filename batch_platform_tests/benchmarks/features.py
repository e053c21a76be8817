"""What building a feature table costs beside the same SQL by hand.

Run `python -m batch_platform_tests.benchmarks.features [--rows 10000000] [--rounds 3] [case ...]`. By hand is DuckDB
over `read_parquet` of the same files, `COPY ... TO` Parquet with zstd, and as many threads and as much memory. The
platform adds the contract, the digest, the sorted output and the commit. The two run in turn, each in a process of its
own; the table shows the median of the rounds' ratios and the peak memory of either. Figures of single steps, measured
on the rows of the first case, follow. The data are DuckDB's own, from a fixed seed, in a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table as Printed

from batch_platform.contracts.table_rules import PartitionState
from batch_platform.contracts.validation import validate
from batch_platform.features.build import build
from batch_platform.features.definition import FeatureTable
from batch_platform.features.quarantine import Tolerance
from batch_platform.lake.commit import replace_partitions
from batch_platform.lake.data_file import DataFile
from batch_platform.lake.digest import digest_table
from batch_platform.lake.provenance import Ledger, PartitionRecord, Provenance, SourceRead, Stage
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table
from batch_platform.outcomes import Run
from batch_platform.partitions import Cadence, Calendar, Offset
from batch_platform.resources import Resources
from batch_platform.sql.model import load_model
from batch_platform.telemetry.cost import Meter
from batch_platform.timelines import Timeline, reading
from batch_platform_tests.contracts.declared import load_contracts

DAYS = Calendar(Cadence.DAILY, "2025-01-01")
EVENTS = Timeline("snapshots/events", DAYS, Offset.parse("-1d 12:00"))
PAST = Timeline("snapshots/past", DAYS, Offset.parse("+1d 12:00"))
KNOWN_AT = Offset.parse("-1d 18:00")
THREADS = 2

COLUMNS = """
    event BIGINT, customer BIGINT, amount DOUBLE, store INTEGER, sku VARCHAR, discount DOUBLE, tax DOUBLE,
    quantity INTEGER, channel INTEGER, happened_at TIMESTAMPTZ, _source_file VARCHAR, _source_row BIGINT
"""
ROWS = """
    SELECT i + {first} AS event, CAST(hash(i * 31 + {day}) % {customers} AS BIGINT) AS customer,
        (hash(i + 7) % 10000) / 100.0::DOUBLE AS amount, CAST(hash(i) % 50 AS INTEGER) AS store,
        'sku' || (hash(i + 3) % 5000) AS sku, (hash(i + 9) % 1000) / 7.0::DOUBLE AS discount,
        (hash(i + 10) % 1000) / 7.0::DOUBLE AS tax, CAST(hash(i + 11) % 9 AS INTEGER) AS quantity,
        CAST(hash(i + 12) % 4 AS INTEGER) AS channel,
        TIMESTAMPTZ '{start} 00:00:00+00' + INTERVAL (i % 86400) SECOND AS happened_at,
        'events.csv' AS _source_file, CAST(i + 1 AS BIGINT) AS _source_row
    FROM range({rows}) AS r(i)
"""

ROW_WISE = """{{{{ config(key=['event']) }}}}
SELECT event, customer, amount * quantity AS paid, store, upper(sku) AS sku, discount, tax, quantity, channel,
    amount - discount AS net, date_part('hour', happened_at)::INTEGER AS hour, happened_at, _source_file, _source_row
FROM {events}"""
ROLLING = """{{{{ config(key=['customer'], lookback={{'past': 28}}) }}}}
SELECT customer, count(*) AS events, max(amount) AS largest, min(discount) AS smallest,
    CAST(sum(quantity) AS BIGINT) AS quantity, count(DISTINCT store) AS stores, max(happened_at) AS newest,
    min(_source_file) AS _source_file, min(_source_row) AS _source_row
FROM {past} AS past GROUP BY customer"""
SMALL = """{{{{ config(key=['event'], lookback={{'past': 28}}) }}}}
SELECT events.event, events.customer, events.amount, coalesce(known.n, 0) AS events_28_days, known.largest,
    events._source_file, events._source_row
FROM {events} AS events LEFT JOIN (
    SELECT customer, count(*) AS n, max(amount) AS largest FROM {past} AS past GROUP BY customer
) AS known USING (customer)"""


@dataclass(frozen=True)
class Case:
    """One comparison: a model, its columns' types, how the rows lie in partitions, and the SQL by hand."""

    title: str
    sql: str
    types: dict[str, str]
    days: int
    built: int
    hand: str
    memory: str = "4GB"


_WIDE = {
    "event": "BIGINT", "customer": "BIGINT", "paid": "DOUBLE", "store": "INTEGER", "sku": "VARCHAR",
    "discount": "DOUBLE", "tax": "DOUBLE", "quantity": "INTEGER", "channel": "INTEGER", "net": "DOUBLE",
    "hour": "INTEGER", "happened_at": "TIMESTAMPTZ",
}  # fmt: skip
_ROLLED = {
    "customer": "BIGINT", "events": "BIGINT", "largest": "DOUBLE", "smallest": "DOUBLE", "quantity": "BIGINT",
    "stores": "BIGINT", "newest": "TIMESTAMPTZ",
}  # fmt: skip
_JOINED = {
    "event": "BIGINT", "customer": "BIGINT", "amount": "DOUBLE", "events_28_days": "BIGINT", "largest": "DOUBLE"
}  # fmt: skip
CASES = {
    "rows": Case("rows to rows, 12 columns", ROW_WISE, _WIDE, 1, 1, "{model}"),
    "rolling": Case("28 days by customer", ROLLING, _ROLLED, 28, 1, "{model}"),
    "small": Case("365 small days in one range", SMALL, _JOINED, 365, 365, """
        WITH rows AS (SELECT *, CAST(partition_key AS DATE) AS day FROM {past}),
        keys AS (SELECT DISTINCT day FROM rows),
        known AS (SELECT keys.day, customer, count(*) AS n, max(amount) AS largest FROM keys JOIN rows
            ON rows.day BETWEEN keys.day - 29 AND keys.day - 2 GROUP BY ALL)
        SELECT events.event, events.customer, events.amount, coalesce(known.n, 0) AS events_28_days, known.largest,
            events._source_file, events._source_row
        FROM rows AS events LEFT JOIN known USING (day, customer)"""),
    "tight": Case("rows to rows within 1 GB", ROW_WISE, _WIDE, 1, 1, "{model}", "1GB"),
}  # fmt: skip


def bring(lake: Lake, case: Case, rows: int) -> None:
    """Put the case's rows into the lake: `events` and `past` are the same files."""
    each = rows // case.days
    keys = DAYS.keys_between("2025-01-01", DAYS.shift("2025-01-01", case.days - 1))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in ("events", "past"):
            target, files, records = Table(lake, f"snapshots/{table}"), {}, {}
            for day, key in enumerate(keys):
                path = f"partition_key={key}/rows.parquet"
                file = Path(target.uri) / path
                file.parent.mkdir(parents=True)
                sql = ROWS.format(first=day * each, day=day, customers=max(10, rows // 50), rows=each, start=key)
                connection.execute(f"COPY ({sql}) TO '{file}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 65536)")
                files[key] = [DataFile(path, key, file.stat().st_size, each, json.dumps({"numRecords": each}))]
                source = SourceRead("generated", key, each)
                records[key] = PartitionRecord(key, Ledger(each, {"kept": each}), sources=(source,))
            schema = pq.read_schema(file)
            provenance = Provenance(Stage.SNAPSHOT, "benchmark", "local", 0.0, 0.0, records)
            replace_partitions(target, schema, files, provenance)


def declared(case: Case, folder: Path) -> FeatureTable:
    """The case's feature table."""
    (folder / "m.sql").write_text(
        case.sql.format(events="{{ source('snapshots', 'events') }}", past="{{ source('snapshots', 'past') }}")
    )
    columns = [f"      - {{name: {name}, data_type: {kind}}}\n" for name, kind in case.types.items()]
    columns[0] = columns[0].replace("}", ", data_tests: [not_null]}")
    (folder / "schema.yml").write_text(
        "models:\n  - name: m\n    description: Rows.\n    columns:\n" + "".join(columns)
    )
    model = load_model(folder / "m.sql")
    known = {one.table: one for one in (EVENTS, PAST)}
    readings = tuple(reading(known[table], model.lookback.get(table), DAYS, KNOWN_AT) for table in model.inputs)
    contract = load_contracts(folder)["m"]
    return FeatureTable(model, contract, DAYS, KNOWN_AT, readings, Tolerance.parse("1%"))


def built_keys(case: Case) -> list[str]:
    """The partitions that are built; of a rolling window the one that sees every row."""
    if case.built == 1 and case.days > 1:
        return [DAYS.shift("2025-01-01", case.days + 1)]
    return DAYS.keys_between("2025-01-01", DAYS.shift("2025-01-01", case.built - 1))


def run_platform(case: Case, folder: Path) -> None:
    """Build the case's partitions."""
    lake, features = Lake(str(folder / "lake")), declared(case, folder)
    resources = Resources(int(case.memory[:-2]) * 10**9, folder / "spill", THREADS)
    for outcome in build(features, lake, built_keys(case), Run("benchmark"), Meter(0.0), resources):
        if outcome.error is not None:
            raise outcome.error


def run_by_hand(case: Case, folder: Path) -> None:
    """The same SQL in DuckDB alone, into one file."""
    settings = {"threads": THREADS, "memory_limit": case.memory, "temp_directory": str(folder / "spill")}
    with duckdb.connect(config=settings) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files = {name: f"read_parquet('{folder}/lake/snapshots/{name}/*/*.parquet')" for name in ("events", "past")}
        model = case.sql.format(**files).split("\n", 1)[1]
        sql = case.hand.format(model=model, **files)
        connection.execute(f"COPY ({sql}) TO '{folder}/hand.parquet' (FORMAT parquet, COMPRESSION zstd)")


def child(way: str, name: str, folder: Path) -> None:
    """One run, as a process of its own: prints seconds, processor seconds and peak memory as JSON."""
    import batch_platform.contracts.validation

    case = CASES[name]
    if way == "platform":
        import pandera.polars  # noqa: F401 - a worker has imported it long before it builds
    before, start = time.process_time(), time.perf_counter()
    (run_platform if way == "platform" else run_by_hand)(case, folder)
    seconds, processor = time.perf_counter() - start, time.process_time() - before
    print(json.dumps([seconds, processor, peak_megabytes()]))
    assert batch_platform.contracts.validation.validate is validate


def peak_megabytes() -> float:
    """The most memory that this process ever held; what `getrusage` says begins with that of the parent."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def measured(way: str, name: str, folder: Path) -> list[float]:
    """Seconds, processor seconds and peak megabytes of one run."""
    for left in (folder / "lake/features", folder / "lake/quarantine"):
        subprocess.run(["rm", "-rf", str(left)], check=True)
    command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--child", way, name, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def steps(folder: Path, case: Case) -> list[tuple[str, float]]:
    """Processor seconds that single steps take on the rows of a case, one thread each."""
    features = declared(case, folder)
    sql = case.sql.format(events=f"read_parquet('{folder}/lake/snapshots/events/*/*.parquet')", past="")
    query = sql.split("\n", 1)[1]
    found = []

    def step(title: str, work: object) -> object:
        before = time.process_time()
        done = work()  # type: ignore[operator]
        found.append((title, time.process_time() - before))
        return done

    with duckdb.connect(config={"threads": THREADS, "memory_limit": case.memory}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        step("DuckDB: rows as batches", lambda: sum(1 for _ in connection.sql(query).to_arrow_reader(262_144)))
        sort = f"SELECT * FROM ({query}) ORDER BY event"
        rows = step("DuckDB: the same, sorted", lambda: connection.sql(sort).to_arrow_table())
    frame = pl.DataFrame(pl.from_arrow(rows))
    state = PartitionState(features.contract)
    verdict = step("contract", lambda: validate(frame, features.contract, {}, state=state))
    arrow = step("to Arrow", lambda: verdict.valid.to_arrow())  # type: ignore[attr-defined]
    step("digest", lambda: digest_table(arrow))
    writer = Table(Lake(str(folder / "steps")), "features/m").writer("2025-01-01", folder)
    step("Parquet and SHA-256", lambda: [writer.add(arrow), writer.finish()])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", nargs=3)
    chosen = parser.parse_args(arguments)
    if chosen.child:
        child(chosen.child[0], chosen.child[1], Path(chosen.child[2]))
        return
    console, printed = Console(width=110), Printed(title=f"{chosen.rows:,} input rows, {THREADS} threads")
    for column in (
        "case",
        "by hand s",
        "platform s",
        "ratio",
        "hand CPU s",
        "platform CPU s",
        "hand MB",
        "platform MB",
    ):
        printed.add_column(column, justify="left" if column == "case" else "right")
    for name in chosen.cases:
        case = CASES[name]
        rows = chosen.rows if name != "small" else max(case.days, chosen.rows // 30)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            bring(Lake(str(folder / "lake")), case, rows)
            rounds = [
                (measured("hand", name, folder), measured("platform", name, folder)) for _ in range(chosen.rounds)
            ]
            middle = [[statistics.median(one[way][part] for one in rounds) for part in range(3)] for way in range(2)]
            ratio = statistics.median(platform[0] / hand[0] for hand, platform in rounds)
            cells = [middle[0][0], middle[1][0], ratio, middle[0][1], middle[1][1]]
            sizes = [f"{middle[0][2]:.0f}", f"{middle[1][2]:.0f}"]
            printed.add_row(f"{case.title} ({rows:,})", *(f"{value:.2f}" for value in cells), *sizes)
            if name == "rows":
                profile = steps(folder, replace(case, memory="8GB"))
                console.print("; ".join(f"{title} {seconds:.2f} CPU s" for title, seconds in profile))
    console.print(printed)


if __name__ == "__main__":
    main()
