"""Files of a table that may still be refused: written elsewhere, and put into its folder when they are not.

Belongs here: where a draft lies, and its way into the lake. Does not belong here: what refuses it (`queries.py`).
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from batch_platform.errors import LakeError, first_line
from batch_platform.lake.data_file import DataFile, partition_folder
from batch_platform.lake.store import Lake
from batch_platform.lake.table import Table


class Drafts:
    """The drafts of one table's files.

    Args:
        table: the table they are for.
        spill: a folder on this machine, which somebody takes away with all that lies in it.
    """

    def __init__(self, table: Table, spill: Path) -> None:
        self._final, self._spill = table, spill
        self.table = Table(Lake(str(spill / "drafts")), table.name)

    def adopt(self, draft: DataFile) -> DataFile:
        """Put a draft into the folder of the table it is for, invisible until a commit names it.

        Raises:
            LakeError: the store refuses; nothing is left behind.
        """
        place, lake = self._place(draft), self._final.lake
        folder = lake.workplace(self._final.name, partition_folder(draft.partition), self._spill)
        moved = folder / f".{uuid.uuid4().hex}.partial"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.move(place, moved)
        except OSError as error:
            moved.unlink(missing_ok=True)
            what = f"a file cannot be put in its place: {first_line(error)}"
            raise LakeError(what, where=self._final.name, fix="free space on the disk") from error
        lake.adopt(self._final.name, draft.path, moved)
        return draft

    def discard(self, draft: DataFile) -> None:
        """Take a draft away."""
        self._place(draft).unlink(missing_ok=True)

    def _place(self, draft: DataFile) -> Path:
        return Path(self.table.uri) / draft.path
