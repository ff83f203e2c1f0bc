"""Tunes, and tunes as tokens: in NumPy alone."""
