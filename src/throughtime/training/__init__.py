"""Training: the loop, clipping, schedules, checkpoints, resume."""

from throughtime.training.checkpoint import load_tensors, save_tensors, save_weights
from throughtime.training.clipping import Clipper
from throughtime.training.optimisers import Averager, OptimiserName, make_optimiser
from throughtime.training.plan import Evaluation, Observer, Plan, Progress, StepReport, TrainingDivergedError
from throughtime.training.schedules import Schedule, factor
from throughtime.training.source import Source
from throughtime.training.trainer import Trainer
from throughtime.training.weights import load_model, load_weights

__all__ = [
    "Averager",
    "Clipper",
    "Evaluation",
    "Observer",
    "OptimiserName",
    "Plan",
    "Progress",
    "Schedule",
    "Source",
    "StepReport",
    "Trainer",
    "TrainingDivergedError",
    "factor",
    "load_model",
    "load_tensors",
    "load_weights",
    "make_optimiser",
    "save_tensors",
    "save_weights",
]
