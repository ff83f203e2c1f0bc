"""Layers: many cells, deep, in one or both directions, over ragged batches."""

from throughtime.layers.accelerate import Acceleration, accelerate, decelerate
from throughtime.layers.attention import Attention, AttentionName
from throughtime.layers.crf import CRF
from throughtime.layers.directed import Directed
from throughtime.layers.frames import ConvLSTM
from throughtime.layers.named import NamedCell, named_cells
from throughtime.layers.pooling import Pooling, PoolingName
from throughtime.layers.recurrent import Recurrent
from throughtime.layers.stream import Stream
from throughtime.layers.torch_like import GRU, LSTM, RNN

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "RNN",
    "Acceleration",
    "Attention",
    "AttentionName",
    "ConvLSTM",
    "Directed",
    "NamedCell",
    "Pooling",
    "PoolingName",
    "Recurrent",
    "Stream",
    "accelerate",
    "decelerate",
    "named_cells",
]
