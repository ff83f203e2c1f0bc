"""Decoding: over a protocol, never over one model."""

from throughtime.decoding.sampling import NextTokenModel, Sampling, draw, sample
from throughtime.decoding.scoring import TokenScorer, sequence_log_probs, stream_log_prob

__all__ = ["NextTokenModel", "Sampling", "TokenScorer", "draw", "sample", "sequence_log_probs", "stream_log_prob"]
