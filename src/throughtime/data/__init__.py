"""Sequences as batches: texts, vocabulary, files of token ids, streams for truncated back-propagation.

This package imports without the ``tokenizers`` library, which only text needs:
:mod:`throughtime.data.text.tokenizer` and :mod:`throughtime.data.text.corpus` are imported by name.
"""

from throughtime.data.batches import NOTHING, BatchSource, Ids, Streams, TokenBatch, WholeTexts

__all__ = ["NOTHING", "BatchSource", "Ids", "Streams", "TokenBatch", "WholeTexts"]
