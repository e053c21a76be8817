"""A seed's digest follows its file and how it is read, and nothing else."""

from __future__ import annotations

from pathlib import Path

from batch_platform.features.seeds import seed_digest
from batch_platform.sql.project import load_project
from batch_platform_tests.features.projects import write


def test_the_digest_follows_the_rows(tmp_path: Path) -> None:
    def digest(text: str, settings: str = "") -> str:
        root = write(tmp_path / "shop", {"seeds/sizes.csv": text, "seeds/seeds.yml": settings or "version: 2\n"})
        (seed,) = load_project(root).seeds()
        return seed_digest(seed)

    first = digest("k,v\n1,2\n")
    assert digest("k,v\n1,2\n") == first
    assert digest("k,v\n1,2\n", "seeds:\n  - {name: sizes, description: of shirts}\n") == first
    assert digest("k,v\n1,3\n") != first
    assert digest("k,v\n1,2\n", "seeds:\n  - {name: sizes, config: {column_types: {k: varchar}}}\n") != first
