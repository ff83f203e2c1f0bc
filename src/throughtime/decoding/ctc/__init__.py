"""Connectionist temporal classification (Graves et al. 2006): from probabilities of frames to labellings."""

from throughtime.decoding.ctc.lattice import ctc_align, ctc_greedy, ctc_log_prob, frames_needed

__all__ = ["ctc_align", "ctc_greedy", "ctc_log_prob", "frames_needed"]
