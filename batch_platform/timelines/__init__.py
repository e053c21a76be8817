"""What is known when: which partitions of one table a partition of another may see."""

from batch_platform.timelines.common_calendar import calendar_of
from batch_platform.timelines.lags import lag, newest_known
from batch_platform.timelines.reading import Reading, Timeline, reading

__all__ = ["Reading", "Timeline", "calendar_of", "lag", "newest_known", "reading"]
