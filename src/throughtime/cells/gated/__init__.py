"""Cells with gates and one state, which is their output: kin of the GRU."""
