"""Cells with gates and a memory beside their output: kin of the LSTM."""
