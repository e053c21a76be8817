"""Partitions of a single table: cadences, windows, keys and time zones."""

from batch_platform.partitions.calendar import PARTITION_COLUMN, Cadence, Calendar, Window, stretch_mapping
from batch_platform.partitions.offsets import Offset
from batch_platform.partitions.places import place

__all__ = ["PARTITION_COLUMN", "Cadence", "Calendar", "Offset", "Window", "place", "stretch_mapping"]
