"""Models as streams: a step a call, many streams side by side."""

from throughtime.models.streams.headed import HeadedStream
from throughtime.models.streams.heads import Head, pooled_head, score_head, softmax_head
from throughtime.models.streams.side_by_side import RowStream, SideBySide

__all__ = ["Head", "HeadedStream", "RowStream", "SideBySide", "pooled_head", "score_head", "softmax_head"]
