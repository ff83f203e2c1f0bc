"""Connectionist temporal classification (Graves et al. 2006): from probabilities of frames to labellings."""

from throughtime.decoding.ctc.lattice import ctc_align, ctc_greedy, ctc_log_prob, frames_needed
from throughtime.decoding.ctc.rescoring import rescore
from throughtime.decoding.ctc.search import CTCBeam, CTCHypothesis, CTCStream, ctc_beam_search

__all__ = [
    "CTCBeam",
    "CTCHypothesis",
    "CTCStream",
    "ctc_align",
    "ctc_beam_search",
    "ctc_greedy",
    "ctc_log_prob",
    "frames_needed",
    "rescore",
]
