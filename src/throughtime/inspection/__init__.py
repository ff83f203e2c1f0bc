"""Gradients through time, gates and memory: seen and measured, for any model, cell and engine."""

from throughtime.inspection.gates import Saturation, saturation
from throughtime.inspection.gradients import Curve, Decay, Flow, gradients_through_time, half_lives
from throughtime.inspection.history import History, read_history
from throughtime.inspection.jacobian import jacobian, singular_values
from throughtime.inspection.memory import Memory, effective_memory
from throughtime.inspection.page import write_page
from throughtime.inspection.reaching import reach
from throughtime.inspection.recording import Recording, Watched, record, watching
from throughtime.inspection.report import Inspection, inspect
from throughtime.inspection.verdict import Finding

__all__ = [
    "Curve",
    "Decay",
    "Finding",
    "Flow",
    "History",
    "Inspection",
    "Memory",
    "Recording",
    "Saturation",
    "Watched",
    "effective_memory",
    "gradients_through_time",
    "half_lives",
    "inspect",
    "jacobian",
    "reach",
    "read_history",
    "record",
    "saturation",
    "singular_values",
    "watching",
    "write_page",
]
