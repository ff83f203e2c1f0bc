"""Gradients through time, gates and memory: seen and measured, for any model, cell and engine."""

from throughtime.inspection.gates import Saturation, saturation
from throughtime.inspection.gradients import Curve, Decay, Flow, gradients_through_time, half_lives
from throughtime.inspection.jacobian import jacobian, singular_values
from throughtime.inspection.memory import Memory, effective_memory
from throughtime.inspection.recording import Recording, Watched, record

__all__ = [
    "Curve",
    "Decay",
    "Flow",
    "Memory",
    "Recording",
    "Saturation",
    "Watched",
    "effective_memory",
    "gradients_through_time",
    "half_lives",
    "jacobian",
    "record",
    "saturation",
    "singular_values",
]
