"""Decoding: over a protocol, never over one model."""

from throughtime.decoding.decoder import Decoder, NextTokenModel, Streaming, TextDecoder, TokenStream
from throughtime.decoding.drawing import draw
from throughtime.decoding.sampling import Told, greedy, new_draws, sample, sample_beside, sample_many
from throughtime.decoding.scoring import (
    TokenScorer,
    read_log_probs,
    sequence_log_probs,
    stream_log_prob,
    token_log_probs,
)
from throughtime.decoding.search import beam_search, forced_log_probs
from throughtime.runtime.drawing import Sampling
from throughtime.runtime.search import LARGEST_ALPHA, Beam, Hypothesis
from throughtime.runtime.text.language import perplexity

__all__ = [
    "LARGEST_ALPHA",
    "Beam",
    "Decoder",
    "Hypothesis",
    "NextTokenModel",
    "Sampling",
    "Streaming",
    "TextDecoder",
    "TokenScorer",
    "TokenStream",
    "Told",
    "beam_search",
    "draw",
    "forced_log_probs",
    "greedy",
    "new_draws",
    "perplexity",
    "read_log_probs",
    "sample",
    "sample_beside",
    "sample_many",
    "sequence_log_probs",
    "stream_log_prob",
    "token_log_probs",
]
