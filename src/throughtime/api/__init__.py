"""The way in from Python: train, load, and a run that does what a task's model can. The command line stands on it."""

from throughtime.api.archive import Predictor
from throughtime.api.folds import CrossValidation
from throughtime.api.loading import load, open_task
from throughtime.api.looking import Look
from throughtime.api.run import Run
from throughtime.api.running import Outcome, Watching, begin, prepare_cells, resume
from throughtime.api.sampling import Sample
from throughtime.api.training import train

__all__ = [
    "CrossValidation",
    "Look",
    "Outcome",
    "Predictor",
    "Run",
    "Sample",
    "Watching",
    "begin",
    "load",
    "open_task",
    "prepare_cells",
    "resume",
    "train",
]
