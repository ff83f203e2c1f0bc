"""From probabilities of frames to labellings (Graves et al. 2006), in NumPy alone."""

from throughtime.runtime.ctc.greedy import BLANK, BestPath, Sounded
from throughtime.runtime.ctc.reading import Floats, Fusion, Ids, Reading
from throughtime.runtime.ctc.search import CTCBeam, CTCHypothesis, CTCSearch

__all__ = [
    "BLANK",
    "BestPath",
    "CTCBeam",
    "CTCHypothesis",
    "CTCSearch",
    "Floats",
    "Fusion",
    "Ids",
    "Reading",
    "Sounded",
]
