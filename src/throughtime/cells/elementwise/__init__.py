"""Cells without a matrix on the past: each unit sees its own state alone, and every product is with the input."""
