"""A trained model over an archive: what other processes and machines call, and a run over files that survives kills."""

from throughtime.api.archive.predictor import Predictor

__all__ = ["Predictor"]
