"""What ``evaluate`` shows of entities beside their counts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from throughtime.applications.judging.labels import HARDEST
from throughtime.applications.task import Table
from throughtime.data.text.columns import TaggedSentence
from throughtime.models import TagBatch, Tagger
from throughtime.runtime.text.tags import Span, find_spans
from throughtime.training.calibration import calibration_error

Scored = tuple[list[int], TagBatch, Tensor]
"""Which examples a batch has, the batch, and the scores of its tags."""

UNLIKELY = 1e-9
"""What the probability of a tag is taken for at least: a tag that may not stand there has none."""


@torch.no_grad()
def trust_of_tags(model: Tagger, scored: Sequence[Scored]) -> dict[str, float]:
    """How far the tags' probabilities, as predictions tell them, can be trusted: nats a word, the calibration error."""
    sure, right, nats = [], [], []
    for _, batch, scores in scored:
        lifted, lengths = model.lift_scores(scores), batch.words.lengths
        chances = model.crf.marginals(lifted, lengths).cpu()
        for row, best in enumerate(model.crf.viterbi(lifted, lengths)):
            said, gold = torch.tensor(best, dtype=torch.int64), batch.tags[row, : len(best)].cpu()
            here = chances[row, : len(best)]
            sure.append(here.gather(1, said.unsqueeze(1)).squeeze(1))
            right.append(said == gold)
            nats.append(-here.gather(1, gold.unsqueeze(1)).squeeze(1).clamp(min=UNLIKELY).log())
    if not sure:
        return {}
    return {
        "nats": float(torch.cat(nats).double().mean()),
        "calibration_error": calibration_error(torch.cat(sure), torch.cat(right)),
    }


def gold_spans(examples: Sequence[TaggedSentence]) -> list[list[Span]]:
    """The entities that the data have."""
    return [find_spans(example.tags) for example in examples]


def hardest(
    examples: Sequence[TaggedSentence], gold: Sequence[Sequence[Span]], guessed: Sequence[Sequence[Span]]
) -> Table:
    """The sentences with the most wrong spans."""
    wrong = [len(set(a) ^ set(b)) for a, b in zip(gold, guessed, strict=True)]
    order = sorted(range(len(examples)), key=lambda number: -wrong[number])[:HARDEST]
    rows: list[list[str | int | float]] = [
        [examples[i].where, wrong[i], *(_told(examples[i].words, spans[i]) for spans in (gold, guessed))]
        for i in order
        if wrong[i]
    ]
    return Table("hardest sentences", ("where", "wrong", "there", "said"), rows)


def _told(words: Sequence[str], spans: Sequence[Span]) -> str:
    return "; ".join(f"{' '.join(words[start:end])} [{label}]" for start, end, label in spans) or "-"
