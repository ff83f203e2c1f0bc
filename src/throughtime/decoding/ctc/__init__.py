"""Connectionist temporal classification (Graves et al. 2006): from probabilities of frames to labellings."""

from throughtime.decoding.ctc.lattice import as_floats, ctc_align, ctc_greedy, ctc_log_prob
from throughtime.decoding.ctc.rescoring import rescore
from throughtime.decoding.ctc.search import CTCStream, ctc_beam_search
from throughtime.runtime.ctc import CTCBeam, CTCHypothesis
from throughtime.runtime.ctc.lattice import frames_needed

__all__ = [
    "CTCBeam",
    "CTCHypothesis",
    "CTCStream",
    "as_floats",
    "ctc_align",
    "ctc_beam_search",
    "ctc_greedy",
    "ctc_log_prob",
    "frames_needed",
    "rescore",
]
