"""The copy task (Hochreiter and Schmidhuber 1997; Arjovsky, Shah and Bengio 2016): symbols are said again after a
long pause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from throughtime.applications.application import Application
from throughtime.applications.exported import Exported
from throughtime.applications.folder import learnt
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.settings import StackSettings, option
from throughtime.applications.task import Report
from throughtime.data.text.words import WordBatch
from throughtime.models import Model, TagBatch, Tagger, TaggerConfig, WordInputConfig
from throughtime.tasks.memory.settings import MadeSettings
from throughtime.training import Evaluation

SYMBOLS = 8
BLANK, GO = SYMBOLS, SYMBOLS + 1
"""Symbols are the numbers below these."""


class CopySettings(MadeSettings):
    """What a network that copies is trained from."""

    length: int = option(20, "Steps between what is read and what is said.", "Data", ge=1, le=1_000_000)
    symbols: int = option(5, "Symbols that are read and said.", "Data", ge=1, le=100_000)
    hidden: int = option(128, "Units of a layer.", "Model", ge=1, le=2**24)
    epochs: float = option(4.0, "Passes over the data.", "Training", gt=0)
    lr: float = option(4e-3, "Peak learning rate.", "Training", gt=0)
    embedding: int = option(16, "Features of a symbol's embedding.", "Model", ge=1, le=2**24)

    def far(self) -> int:
        """From a symbol to where it is said."""
        return self.symbols + self.length


@dataclass(frozen=True)
class Copied:
    """What is to be said again.

    Attributes:
        symbols: Numbers below :data:`SYMBOLS`.
        where: Part and number.
    """

    symbols: list[int]
    where: str


class Copying(Application[Copied]):
    """Symbols, said again after a pause."""

    name: ClassVar[str] = "copy"
    summary: ClassVar[str] = "network that says symbols again after a long pause, with every cell"
    settings_type: ClassVar[type[StackSettings]] = CopySettings
    example_type = Copied
    vocabulary_type: ClassVar[Any] = learnt.Nothing
    baselines: ClassVar[tuple[Baseline, ...]] = (
        Baseline("accuracy", "chance", "saying any symbol is right as often: nothing is remembered across the pause"),
        Baseline(
            "nats_per_step",
            "memoryless_nats",
            "a network that knows when to speak, and not what, has fewer: the model has not learnt the pause yet",
            higher=False,
        ),
    )
    chance = 100 / SYMBOLS

    @classmethod
    def make(cls, part: str, settings: CopySettings) -> Iterator[Copied]:
        """Symbols at random."""
        drawn = settings.random(part).integers(0, SYMBOLS, (settings.count(part), settings.symbols))
        for number, symbols in enumerate(drawn.tolist(), 1):
            yield Copied(symbols, f"{part}:{number}")

    @classmethod
    def learn(cls, train: Sequence[Copied], settings: CopySettings) -> dict[str, Any]:
        """Nothing."""
        return {}

    def build(self) -> Model:
        """Embeddings, a recurrent stack, a softmax at every step."""
        settings = self.settings
        inputs = WordInputConfig(words=SYMBOLS + 2, embedding=settings.embedding)
        config = TaggerConfig(labels=SYMBOLS + 1, inputs=inputs, crf=False, **settings.stack())
        return Tagger(config, engine=settings.engine)

    def check(self, example: Copied) -> None:
        """As many symbols as the settings say, that there are."""
        if len(example.symbols) != self.settings.symbols or not all(0 <= n < SYMBOLS for n in example.symbols):
            raise ValueError(f"expected {self.settings.symbols} numbers from 0 to {SYMBOLS - 1}")

    def size(self, example: Copied) -> int:
        """Steps: symbols, pause, sign, and as many steps as symbols."""
        return 2 * len(example.symbols) + int(self.settings.length)

    def steps(self, example: Copied) -> dict[str, list[str]]:
        """What is read."""
        return {"stack": ["_>"[symbol - BLANK] if symbol >= BLANK else str(symbol) for symbol in self._read(example)]}

    def batch(self, examples: Sequence[Copied]) -> TagBatch:
        """What is read, and what is to be said at each step: blanks, and at last the symbols."""
        read = torch.tensor([self._read(example) for example in examples]).long()
        said = torch.full_like(read, BLANK)
        if examples:
            said[:, -self.settings.symbols :] = torch.tensor([example.symbols for example in examples])
        lengths = torch.full((len(examples),), read.shape[1] if examples else 0)
        return TagBatch(WordBatch(read, lengths), said)

    def answer_of(self, example: Copied) -> str:
        """The symbols that are to be said."""
        return " ".join(map(str, example.symbols))

    def guess(self, examples: Sequence[Copied], train: Sequence[Copied]) -> Guess:
        """One of the symbols is right."""
        return Guess("accuracy", 100 / SYMBOLS, "saying any symbol", higher=True)

    def validate(self, model: Tagger, examples: Sequence[Copied]) -> Evaluation:
        """The share of symbols that are said again, and the loss in nats a step."""
        loss, accuracy = self.mean_loss(model, examples), self._accuracy(model, examples)
        return Evaluation(loss, {"accuracy": accuracy, "nats_per_step": loss})

    def evaluate(self, model: Tagger, examples: Sequence[Copied], options: Any) -> Report:
        """The same beside those of a network that knows when to speak, and not what."""
        count = self.settings.symbols
        blind = count * math.log(SYMBOLS) / (2 * count + self.settings.length)
        figures = {**self.validate(model, examples).figures, "chance": 100 / SYMBOLS, "memoryless_nats": blind}
        return Report({**figures, "examples": len(examples)})

    def exported(self, model: Tagger) -> Exported:
        """How many symbols there are, the blank and the sign among them."""
        return Exported("steps", {"symbols": SYMBOLS + 2})

    def _read(self, example: Copied) -> list[int]:
        blanks = [BLANK] * len(example.symbols)
        return [*example.symbols, *[BLANK] * (self.settings.length - 1), GO, *blanks]

    @torch.no_grad()
    def _accuracy(self, model: Tagger, examples: Sequence[Copied]) -> float:
        right: list[Tensor] = []
        for batch in self.in_batches(examples).batches(0):
            said = model.scores(batch.words)[:, -self.settings.symbols :, :BLANK].argmax(2).cpu()
            right.append((said == batch.tags[:, -self.settings.symbols :]).flatten())
        return 100 * float(torch.cat(right).double().mean())
