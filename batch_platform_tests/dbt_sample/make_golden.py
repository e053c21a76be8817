"""Run real dbt on the shop, twice, and keep what it made; needs PyPI and a minute.

    python -m batch_platform_tests.dbt_sample.make_golden

The first generation is dbt's result on an empty database. For the second, the files of `second/seeds` replace those
of the same name, and dbt runs again on the same database, so that incremental models add to what is there.

Belongs here: making the golden data. Does not belong here: reading them (`golden.py`) and the shop's own data
(`make_data.py`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
PINS = ("dbt-core==1.10.23", "dbt-duckdb==1.9.6", f"duckdb=={duckdb.__version__}")
"""A dbt that is Python all through, with the DuckDB that the platform has."""


def main() -> None:
    """Make both generations anew."""
    with tempfile.TemporaryDirectory() as scratch:
        dbt = _install(Path(scratch) / "venv")
        project = Path(shutil.copytree(HERE / "shop", Path(scratch) / "shop"))
        _generation(dbt, project, HERE / "golden")
        shutil.copytree(HERE / "second" / "seeds", project / "seeds", dirs_exist_ok=True)
        _generation(dbt, project, HERE / "golden_second")


def _install(folder: Path) -> Path:
    """dbt in a virtual environment of its own; in the one that `DBT_VENV` names, if that is set."""
    if "DBT_VENV" in os.environ:
        return Path(os.environ["DBT_VENV"]) / "bin" / "dbt"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PINS], check=True)
    return folder / "bin" / "dbt"


def _generation(dbt: Path, project: Path, golden: Path) -> None:
    quiet = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_USE_COLORS": "false"}
    for command in ("seed", "run", "test"):
        arguments = [dbt, command, "--profiles-dir", project, "--project-dir", project]
        subprocess.run(arguments, cwd=project, env={**os.environ, **quiet}, check=True)
    shutil.rmtree(golden, ignore_errors=True)
    golden.mkdir()
    _export(project / "shop.duckdb", project / "target", golden)
    # What the tests said, as the run that came last left it.
    results = json.loads((project / "target" / "run_results.json").read_text())["results"]
    said = {
        result["unique_id"].split(".")[2]: {"status": result["status"], "failures": result["failures"]}
        for result in results
    }
    (golden / "tests.json").write_text(json.dumps(said, indent=1, sort_keys=True) + "\n")


def _export(database: Path, target: Path, golden: Path) -> None:
    """Every relation as Parquet, sorted, and what each is."""
    nodes = json.loads((target / "manifest.json").read_text())["nodes"].values()
    made = {
        node["name"]: node["config"]["materialized"] for node in nodes if node["resource_type"] in ("model", "seed")
    }
    found = {}
    # A view reads the raw file below the project, as dbt wrote it: relative to the project.
    with duckdb.connect(str(database), read_only=True, config={"file_search_path": str(database.parent)}) as connection:
        query = "SELECT table_name FROM information_schema.tables ORDER BY 1"
        for (name,) in connection.execute(query).fetchall():
            relation = connection.sql(f'FROM "{name}"')
            types = {column: str(kind) for column, kind in zip(relation.columns, relation.types, strict=True)}
            # Parquet has no HUGEINT: DuckDB would write a DOUBLE.
            columns = ", ".join(
                f'CAST("{column}" AS DECIMAL(38, 0)) AS "{column}"' if kind == "HUGEINT" else f'"{column}"'
                for column, kind in types.items()
            )
            path = golden / f"{name}.parquet"
            connection.execute(f"COPY (SELECT {columns} FROM \"{name}\" ORDER BY ALL) TO '{path}' (FORMAT parquet)")
            found[name] = {"materialized": made[name], "columns": types}
    (golden / "relations.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
