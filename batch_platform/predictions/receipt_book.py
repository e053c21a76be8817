"""The receipts of a prediction table, kept beside its shards: the checkpoint from which a killed run goes on.

Belongs here: keeping receipts, and finding those that still tell the truth. Does not belong here: what a receipt says
(`receipts.py`), and cleaning up (`lake/vacuum.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batch_platform.lake.data_file import DataFile
from batch_platform.lake.store import Lake
from batch_platform.predictions.receipts import Receipt
from batch_platform.predictions.shards import Shard

FOLDER = "_receipts"
"""Inside the table's folder; readers of Delta tables pass by what begins with an underscore."""


@dataclass(frozen=True)
class ReceiptBook:
    """The receipts of one prediction table.

    Args:
        lake: where the tables are.
        table: the prediction table.
        quarantine: its table of rows that could not be scored.
    """

    lake: Lake
    table: str
    quarantine: str

    def keep(self, receipt: Receipt) -> None:
        """Put a receipt beside its files, which are there already: it never names what may not be.

        Raises:
            LakeError: the store refuses.
        """
        # Not made safe: one that a power failure takes with it is a shard scored again, and a torn one is none.
        self.lake.put_text(self.table, _place(receipt.shard), receipt.to_json(), durable=False)

    def find(self, shards: Sequence[Shard]) -> dict[Shard, Receipt]:
        """The shards whose result is there, whole and undamaged, with their receipts.

        Files are read to their end and compared with the hash in their name: a run that was killed, or a machine that
        lost its power, may have left anything.

        Raises:
            LakeError: the store cannot be reached.
        """
        partitions = sorted({shard.partition for shard in shards})
        kept = {entry.path for key in partitions for entry in self.lake.list(self.table, f"{FOLDER}/{key}")}
        found = {}
        for shard in shards:
            if _place(shard) in kept:
                receipt = self._read(shard)
                if receipt is not None and self._intact(receipt):
                    found[shard] = receipt
        return found

    def _read(self, shard: Shard) -> Receipt | None:
        text = self.lake.read_text(self.table, _place(shard))
        try:
            receipt = None if text is None else Receipt.from_json(text)
        except ValueError:
            return None
        return receipt if receipt is not None and receipt.shard == shard else None

    def _intact(self, receipt: Receipt) -> bool:
        def whole(table: str, file: DataFile | None) -> bool:
            return file is None or self.lake.intact(table, file)

        return whole(self.table, receipt.scored) and whole(self.quarantine, receipt.failed)


def _place(shard: Shard) -> str:
    return f"{FOLDER}/{shard.partition}/{shard.name}.json"
