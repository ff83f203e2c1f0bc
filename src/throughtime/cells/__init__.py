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
    uniform_vector,
    vector,
)
from throughtime.cells.elementwise.brc import BistableCell
from throughtime.cells.elementwise.indrnn import IndRNNCell
from throughtime.cells.elementwise.lru import LRUCell
from throughtime.cells.elementwise.mingru import MinGRUCell
from throughtime.cells.elementwise.minlstm import MinLSTMCell
from throughtime.cells.elementwise.rg_lru import RGLRUCell
from throughtime.cells.elementwise.sru import SRUCell
from throughtime.cells.elementwise.unicornn import UnICORNNCell
from throughtime.cells.euler.antisymmetric import AntisymmetricRNNCell
from throughtime.cells.euler.cornn import CoRNNCell
from throughtime.cells.euler.fastgrnn import FastGRNNCell
from throughtime.cells.euler.fastrnn import FastRNNCell
from throughtime.cells.euler.lem import LEMCell
from throughtime.cells.gated.cfn import ChaosFreeCell
from throughtime.cells.gated.janet import JANETCell
from throughtime.cells.gated.ligru import LightGRUCell
from throughtime.cells.gated.mgu import MGUCell
from throughtime.cells.gated.mut1 import MUT1Cell
from throughtime.cells.gated.mut2 import MUT2Cell
from throughtime.cells.gated.mut3 import MUT3Cell
from throughtime.cells.gated.nbrc import NeuromodulatedBistableCell
from throughtime.cells.gated.rhn import RHNCell
from throughtime.cells.gated.star import STARCell
from throughtime.cells.gated.ugrnn import UGRNNCell
from throughtime.cells.gru import GRUCell
from throughtime.cells.gru_full import FullGRUCell
from throughtime.cells.gru_layernorm import LayerNormGRUCell
from throughtime.cells.gru_simplified import SimplifiedGRUCell
from throughtime.cells.lstm import LSTMCell
from throughtime.cells.lstm_coupled import CoupledLSTMCell
from throughtime.cells.lstm_layernorm import LayerNormLSTMCell
from throughtime.cells.lstm_peephole import PeepholeLSTMCell
from throughtime.cells.lstm_projected import ProjectedLSTMCell
from throughtime.cells.lstms.convolutional import ConvLSTMCell
from throughtime.cells.lstms.multiplicative import MultiplicativeLSTMCell
from throughtime.cells.lstms.ran import RANCell
from throughtime.cells.lstms.scalar import SLSTMCell
from throughtime.cells.registry import CELLS, CellFactory, cell_options, cell_states, find_cell
from throughtime.cells.rnn import RNNCell
from throughtime.cells.rnn_layernorm import LayerNormRNNCell

__all__ = [
    "CELLS",
    "AntisymmetricRNNCell",
    "BistableCell",
    "Cell",
    "CellFactory",
    "ChaosFreeCell",
    "CoRNNCell",
    "ConvLSTMCell",
    "CoupledLSTMCell",
    "FastGRNNCell",
    "FastRNNCell",
    "FullGRUCell",
    "GRUCell",
    "GatedCell",
    "HeadedCell",
    "IndRNNCell",
    "JANETCell",
    "LEMCell",
    "LRUCell",
    "LSTMCell",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LayerNormRNNCell",
    "LightGRUCell",
    "MGUCell",
    "MUT1Cell",
    "MUT2Cell",
    "MUT3Cell",
    "Matrix",
    "MinGRUCell",
    "MinLSTMCell",
    "MultiplicativeLSTMCell",
    "NeuromodulatedBistableCell",
    "Parameter",
    "PeepholeLSTMCell",
    "ProjectedLSTMCell",
    "RANCell",
    "RGLRUCell",
    "RHNCell",
    "RNNCell",
    "SLSTMCell",
    "SRUCell",
    "STARCell",
    "SimplifiedGRUCell",
    "UGRNNCell",
    "UnICORNNCell",
    "bias",
    "block_linear",
    "cell_options",
    "cell_states",
    "find_cell",
    "input_matrix",
    "recurrent_matrix",
    "uniform_vector",
    "vector",
]
