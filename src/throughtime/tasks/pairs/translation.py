"""Machine translation, learnt from sentences and their translations."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from rich.text import Text
from typing_extensions import TypedDict

from throughtime.applications.exported import Exported
from throughtime.applications.judging.labels import HARDEST
from throughtime.applications.memory import rows, texts, write_texts
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.inputs import Asked, Column, Inputs
from throughtime.applications.reading.readable import unigram
from throughtime.applications.settings import option
from throughtime.applications.task import Report, Table
from throughtime.data.text.aligned import find_aligned, is_table, read_aligned
from throughtime.data.text.pairs import PairBatch
from throughtime.data.text.tokenizer import Tokenizer
from throughtime.extras import extra
from throughtime.runtime.kinds.translation import SOURCE, TARGET, spaced
from throughtime.runtime.pairs import BEAM
from throughtime.runtime.remarks import of_translation
from throughtime.tasks.pairs.base import FIRST, PairApplication, PairSettings
from throughtime.tasks.pairs.predictions import TranslationPrediction
from throughtime.training import Evaluation

LENGTHS = (10, 15, 20, 30)
"""Words of a source at which a report's table begins a new row."""


class TranslationSettings(PairSettings):
    """What training on sentences and their translations takes."""

    from_: str | None = option(None, "Language to translate: the ending of its files; default: guessed.", "Data")
    to: str | None = option(None, "Language to translate into, likewise.", "Data")
    unit: Literal["bytepairs", "words"] = option("bytepairs", "What a token is: bytepairs, words.", "Data")
    vocab: int = option(8000, "Most tokens of either vocabulary.", "Data", ge=4, le=2**24)
    lowercase: bool = option(False, "Read and write everything in lower case.", "Data")
    batch: int = option(64, "Sentences side by side in a batch.", "Training", ge=1, le=2**20)
    lr: float = option(2e-3, "Peak learning rate.", "Training", gt=0)
    label_smoothing: float = option(0.1, "Probability spread over all tokens.", "Training", ge=0, lt=1)
    embedding: int = option(256, "Features of a token's embedding.", "Model", ge=1, le=2**24)
    dropout: float = option(0.3, "Of embeddings, between layers and before the output.", "Model", ge=0, lt=1)
    tied: bool = option(True, "The softmax uses the embedding's weights.", "Model")


@dataclass(frozen=True)
class Sentences:
    """A sentence, its translation, and where they stand."""

    source: str
    target: str
    where: str


class Languages(TypedDict):
    """What ``vocabulary.json`` holds: a tokenizer a side."""

    source: str
    target: str


class Translation(PairApplication[Sentences, str]):
    """One language to another."""

    name: ClassVar[str] = "translation"
    summary: ClassVar[str] = "translator, from two line-aligned files or a table"
    settings_type: ClassVar[type[TranslationSettings]] = TranslationSettings
    example_type: ClassVar[type[Any]] = Sentences
    unit, trained = "words", "tokens"
    vocabulary_type: ClassVar[Any] = Languages
    baselines: ClassVar[tuple[Baseline, ...]] = (
        Baseline(
            "bleu",
            "copy_bleu",
            "names and numbers that the source shares with the reference count more than what the model says, which "
            "has hardly learnt, or says too little: short translations are punished",
        ),
        Baseline(
            "chrf",
            "copy_chrf",
            "it counts letters that are alike, of which related languages have many: a model that says little, or the "
            "same again and again, falls below the source, and BLEU tells more of it",
        ),
    )
    eos = Tokenizer.eos
    never = (Tokenizer.unk,)

    def __init__(self, settings: Any, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.source = Tokenizer.parse(vocabulary["source"], "the source's tokenizer")
        self.target = Tokenizer.parse(vocabulary["target"], "the target's tokenizer")
        languages = [settings.from_] if settings.from_ else []
        self.column = Column("text", (*languages, "source", "src"), FIRST)

    @classmethod
    def find(cls, paths: Sequence[Path], settings: Any) -> dict[str, list[Path]]:
        """Files with the same name and two endings, and tables."""
        return find_aligned(paths, settings.from_, settings.to)

    @classmethod
    def read(cls, paths: Sequence[Path], settings: Any) -> Iterator[Sentences]:
        """The sentences of files, and their translations.

        Raises:
            UserError: If two files have not as many lines, or a table's line has no two columns.
        """
        for found in read_aligned(paths, settings.from_, settings.to):
            yield Sentences(*found)

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Sentences and translations as a table.

        Args:
            data: ``[(source, target), …]``, ``(sources, targets)``, or mappings or a frame with columns ``source`` and
                ``target``, or with two columns, the source first. A tab or a line break in a sentence becomes a space.
            folder: An empty one.
        """
        found = rows(data, ("source", "target"))
        names = list(found[0]) if len(found[0]) == 2 and not found[0].keys() & {"source", "target"} else []
        pairs = texts(found, *(names or ("source", "target")))
        lines = ["\t".join(re.sub(r"[\t\r\n]", " ", text) for text in pair) + "\n" for pair in pairs]
        return [write_texts(lines, folder / "examples.tsv")]

    @classmethod
    def key(cls, example: Sentences) -> Hashable:
        """The source."""
        return example.source

    @classmethod
    def learn(cls, train: Sequence[Sentences], settings: Any) -> dict[str, Any]:
        """A vocabulary for each side."""
        options = {"unit": settings.unit, "max_size": settings.vocab, "lowercase": settings.lowercase}
        sides = {"source": [e.source for e in train], "target": [e.target for e in train]}
        return {
            side: Tokenizer.train([spaced(text) for text in texts], **options).inner.to_str()
            for side, texts in sides.items()
        }

    def vocabulary_sizes(self) -> tuple[int, int]:
        """Tokens of either language."""
        return len(self.source), len(self.target)

    def size(self, example: Sentences) -> int:
        """Words of the source."""
        return len(example.source.split())

    def steps(self, example: Sentences) -> dict[str, list[str]]:
        """The source's tokens; before each of the target's that which is read there."""
        (source,), (target,) = self.encoded([example.source]), self.target.encode_many([spaced(example.target)])
        return {"encoder": _pieces(self.source, source), "decoder": ["", *_pieces(self.target, target)]}

    def answer_of(self, example: Sentences) -> str:
        """The target."""
        return example.target

    def guess(self, examples: Sequence[Sentences], train: Sequence[Sentences]) -> Guess:
        """Every token as often as in the training data, whatever the source."""
        perplexity = math.exp(unigram(self._counts(train), self._counts(examples)))
        return Guess("perplexity", perplexity, "saying each token as often as the training data", higher=False)

    def rival(self, figures: Mapping[str, Any], examples: Sequence[Sentences]) -> Guess:
        """The source, taken for its translation."""
        return Guess("bleu", figures["copy_bleu"], "copying the source", higher=True)

    def _counts(self, examples: Sequence[Sentences]) -> list[int]:
        """How often each token stands in targets, their ends among them."""
        ids = self.target.encode_many([spaced(example.target) for example in examples])
        seen = Counter(token for target in ids for token in (*target, self.eos))
        return [seen[token] for token in range(len(self.target))]

    def batch(self, examples: Sequence[Sentences]) -> PairBatch:
        """A pair for every example."""
        targets = self.target.encode_many([spaced(example.target) for example in examples])
        return PairBatch.of(self.encoded([example.source for example in examples]), targets, self.eos)

    @torch.no_grad()
    def validate(self, model: Any, examples: Sequence[Sentences]) -> Evaluation:
        """Nats a token of the targets."""
        nats, tokens = 0.0, 0
        for batch in self.in_batches(examples).batches(0):
            nats -= float(model.log_probs(batch)[0].sum(dtype=torch.float64))
            tokens += batch.tokens
        loss = nats / max(1, tokens)
        return Evaluation(loss, {"nats_per_token": loss, "perplexity": math.exp(min(loss, 700.0))})

    def evaluate(self, model: Any, examples: Sequence[Sentences], options: Any) -> Report:
        """BLEU (Papineni et al. 2002) and chrF (Popović 2015) as ``sacrebleu`` counts them (Post 2018).

        Raises:
            UserError: If it is not installed.
        """
        metrics = _metrics(self.settings.lowercase)
        sources, right = [e.source for e in examples], [e.target for e in examples]
        found = self.search(model, self.encoded(sources), BEAM)
        said = [self.result(best[0].tokens) for best in found]
        figures: dict[str, Any] = {}
        for name, metric in metrics.items():
            figures[name] = metric.corpus_score(said, [right]).score
            figures[f"copy_{name}"] = metric.corpus_score(sources, [right]).score
        signatures = {f"{name}_signature": str(metric.get_signature()) for name, metric in metrics.items()}
        figures |= {**signatures, "sentences": len(examples), "beam": BEAM}
        return Report(figures, [_by_length(metrics, sources, said, right), _hardest(metrics, examples, said)])

    # Use.

    def inputs(self, path: Path, asked: Asked) -> Inputs | None:
        """The sources of a table; one of tabs has no heading, as in training, unless that is said."""
        if is_table(path):
            asked = replace(asked, header=bool(asked.header), column=asked.column or "1")
        return super().inputs(path, asked)

    def encoded(self, sources: Sequence[str]) -> list[list[int]]:
        """Their tokens' ids."""
        return self.source.encode_many([spaced(text) for text in sources])

    def result(self, tokens: Sequence[int]) -> str:
        """The sentence."""
        return self.target.decode(tokens).strip()

    def steps_of(self, source: str, ids: Sequence[int], tokens: Sequence[int]) -> tuple[list[str], list[str]]:
        """Their tokens."""
        return _pieces(self.source, ids), _pieces(self.target, tokens)

    def prediction(self, shown: Text, source: str, **fields: Any) -> TranslationPrediction:
        """The translations."""
        return TranslationPrediction(shown, source=source, **fields)

    def exported(self, model: Any) -> Exported:
        """How to search; either side's tokenizer."""
        files = {SOURCE: self.vocabulary["source"], TARGET: self.vocabulary["target"]}
        return Exported("translation", self.searched, {name: text.encode() for name, text in files.items()})

    def remarks_on(self, source: str, ids: Sequence[int], ended: bool) -> list[str]:
        """How long it is, what is not known of it, and whether its translation is cut."""
        return of_translation(source, ids.count(self.source.unk), len(ids), ended=ended)


def _pieces(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str]:
    return [tokenizer.decode([token]).strip() for token in ids]


def _metrics(lowercase: bool) -> dict[str, Any]:
    metrics = extra("sacrebleu.metrics", "translation", "evaluating a translation")
    return {"bleu": metrics.BLEU(lowercase=lowercase), "chrf": metrics.CHRF(lowercase=lowercase)}


def _by_length(metrics: Mapping[str, Any], sources: Sequence[str], said: Sequence[str], right: Sequence[str]) -> Table:
    """How good sources of different lengths do."""
    rows: list[list[str | int | float]] = []
    for low, high in zip((0, *LENGTHS), (*LENGTHS, math.inf), strict=True):
        chosen = [i for i, source in enumerate(sources) if low <= len(source.split()) < high]
        if not chosen:
            continue
        pair = [said[i] for i in chosen], [[right[i] for i in chosen]]
        scores = [round(metric.corpus_score(*pair).score, 2) for metric in metrics.values()]
        rows.append([f"{low}–{high - 1}" if high < math.inf else f"{low}–", len(chosen), *scores])
    return Table("by words of the source", ["words", "sentences", *metrics], rows)


def _hardest(metrics: Mapping[str, Any], examples: Sequence[Sentences], said: Sequence[str]) -> Table:
    scores = [metrics["chrf"].sentence_score(text, [e.target]).score for text, e in zip(said, examples, strict=True)]
    worst = sorted(range(len(said)), key=lambda i: scores[i])[:HARDEST]
    rows: list[list[str | int | float]] = [
        [examples[i].source, said[i], examples[i].target, round(scores[i], 2)] for i in worst
    ]
    return Table("hardest sentences", ["source", "said", "right", "chrf"], rows)
