"""Columns of tables: numbers and times as people write them, piece by piece."""
