"""A second look at the hypotheses of a search, with whole sentences to judge (n-best rescoring)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from throughtime.decoding.fusion import read_whole
from throughtime.runtime.ctc import CTCBeam, CTCHypothesis, Fusion


def rescore(
    hypotheses: Sequence[CTCHypothesis], alpha: float, beta: float, lm: Fusion | None = None
) -> list[CTCHypothesis]:
    """The hypotheses in the order that other weights, or another language model, give them, the best first.

    Args:
        hypotheses: Of a search.
        alpha: Weight of the language model.
        beta: Bonus for every unit.
        lm: Reads all hypotheses anew; None: their language scores stand as they are, which makes it quick to try
            weights.
    """
    if lm:
        readings = read_whole(lm, [hypothesis.symbols for hypothesis in hypotheses])
        hypotheses = [
            replace(hypothesis, language=reading.log_prob, units=reading.units)
            for hypothesis, reading in zip(hypotheses, readings, strict=True)
        ]
    weights = CTCBeam(alpha=alpha, beta=beta)
    scored = [replace(each, score=weights.score(each.acoustic, each.language, each.units)) for each in hypotheses]
    return sorted(scored, key=lambda hypothesis: -hypothesis.score)
