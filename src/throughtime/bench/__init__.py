"""Measures our layers side by side with what a user would take instead, in one run, with the same weights."""

from throughtime.bench.machine import commit, machine
from throughtime.bench.plan import PARTS, Axes, Case, Plan, Shape
from throughtime.bench.rows import add_share_of_peak, summary
from throughtime.bench.run import measure, measure_cases, notes
from throughtime.bench.table import heading, tables

__all__ = [
    "PARTS",
    "Axes",
    "Case",
    "Plan",
    "Shape",
    "add_share_of_peak",
    "commit",
    "heading",
    "machine",
    "measure",
    "measure_cases",
    "notes",
    "summary",
    "tables",
]
