"""Models as streams: a step a call, many streams side by side."""

from throughtime.models.streams.headed import HeadedStream
from throughtime.models.streams.side_by_side import RowStream, SideBySide

__all__ = ["HeadedStream", "RowStream", "SideBySide"]
