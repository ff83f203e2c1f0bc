"""The cells that a mechanism is tried with.

A suite whose subject is a mechanism (regularisers, ragged rows, a task) draws these: between them they have one state
and two, an output narrower than its memory, a product of a product, and norms of a row. What holds of
every cell is held against all of :data:`throughtime.cells.CELLS` in ``tests/cells``.
"""

from __future__ import annotations

FAMILIAR = (
    "rnn",
    "rnn-relu",
    "gru-simplified",
    "gru-full",
    "gru",
    "gru-layernorm",
    "lstm",
    "lstm-peephole",
    "lstm-coupled",
    "lstm-projected",
    "lstm-layernorm",
)
