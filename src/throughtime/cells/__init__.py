"""Recurrent cells, a file each: equations, state, parameters, paper, deviations. They know nothing of time."""

from throughtime.cells.base import (
    Cell,
    GatedCell,
    HeadedCell,
    Matrix,
    Parameter,
    bias,
    block_linear,
    input_matrix,
    recurrent_matrix,
    vector,
)
from throughtime.cells.gru import GRUCell
from throughtime.cells.gru_full import FullGRUCell
from throughtime.cells.gru_layernorm import LayerNormGRUCell
from throughtime.cells.gru_simplified import SimplifiedGRUCell
from throughtime.cells.lstm import LSTMCell
from throughtime.cells.lstm_coupled import CoupledLSTMCell
from throughtime.cells.lstm_layernorm import LayerNormLSTMCell
from throughtime.cells.lstm_peephole import PeepholeLSTMCell
from throughtime.cells.lstm_projected import ProjectedLSTMCell
from throughtime.cells.registry import CELLS, CellFactory, cell_options, cell_states, find_cell
from throughtime.cells.rnn import RNNCell

__all__ = [
    "CELLS",
    "Cell",
    "CellFactory",
    "CoupledLSTMCell",
    "FullGRUCell",
    "GRUCell",
    "GatedCell",
    "HeadedCell",
    "LSTMCell",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "Matrix",
    "Parameter",
    "PeepholeLSTMCell",
    "ProjectedLSTMCell",
    "RNNCell",
    "SimplifiedGRUCell",
    "bias",
    "block_linear",
    "cell_options",
    "cell_states",
    "find_cell",
    "input_matrix",
    "recurrent_matrix",
    "vector",
]
