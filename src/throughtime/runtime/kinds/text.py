"""Language models of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from throughtime.errors import UserError, spelled, texts_of
from throughtime.runtime.drawing import Array, Sampling, asked, drawn
from throughtime.runtime.folder import Folder
from throughtime.runtime.graphs import State
from throughtime.runtime.reading.notes import note
from throughtime.runtime.remarks import of_prompt
from throughtime.runtime.runner import Runner
from throughtime.runtime.text.language import Language, Score
from throughtime.runtime.text.spelling import UNK_ID
from throughtime.runtime.text.tokenizer import Tokenizer

NOTHING = -1
"""Is read before a text's first token."""

ROWS, NUMBERS = 64, 1 << 24
"""Lines that are computed together, at most, and numbers that the softmax then holds."""


@spelled
class TextRunner(Runner):
    """A language model: how likely lines are, and new texts.

    Args:
        folder: With the graphs ``sequence`` (whole lines) and ``step``, and a ``tokenizer.json``.
    """

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.whole, self.step = folder.graph("sequence"), folder.graph("step")
        self.tokenizer = Tokenizer.load(folder.path / "tokenizer.json")
        if len(self.tokenizer) != (expected := folder.fact("vocabulary", int)):
            raise UserError(
                f"{folder.path / 'tokenizer.json'}: expected {expected} tokens, as model.json says, "
                f"got {len(self.tokenizer)}; export the run again"
            )
        self.language = Language(self.tokenizer, folder.fact("line_ends", bool), folder.fact("each_line", bool))

    def score(self, lines: str | Iterable[str], *, tokens: bool = False) -> list[Score]:
        """The probability of every line, begun from nothing.

        Args:
            lines: One line or several.
            tokens: That of every token, too.
        """
        texts = [lines] if isinstance(lines, str) else texts_of(lines, "lines")
        ids = [self.language.encode(text) for text in texts]
        found = self.log_probs(ids)
        return [
            self.language.score(text, i, float(each.sum(dtype=np.float64)), each.tolist() if tokens else None)
            for text, i, each in zip(texts, ids, found, strict=True)
        ]

    def log_probs(self, sequences: Sequence[Sequence[int]]) -> list[Array]:
        """The log-probability in nats of each token of each sequence of ids, after the tokens before it."""
        found = [np.zeros(0)] * len(sequences)
        order = sorted((i for i in range(len(sequences)) if sequences[i]), key=lambda i: len(sequences[i]))
        while order:
            longest = len(sequences[order[-1]])
            rows = max(1, min(ROWS, NUMBERS // (longest * len(self.tokenizer))))
            order, chosen = order[:-rows], order[-rows:]
            targets = np.zeros((len(chosen), longest), np.int64)
            inputs = np.zeros_like(targets)
            inputs[:, 0] = NOTHING
            for row, number in enumerate(chosen):
                ids = sequences[number]
                targets[row, : len(ids)] = ids
                inputs[row, 1 : len(ids)] = ids[:-1]
            lengths = [len(sequences[number]) for number in chosen]
            made, _ = self.whole(inputs=inputs, targets=targets, lengths=lengths)
            for number, length, each in zip(chosen, lengths, made["log_probs"], strict=True):
                found[number] = each[:length]
        return found

    def sample(
        self,
        prompt: str = "",
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        length: int = 300,
        min_length: int = 0,
        seed: int | None = None,
    ) -> str:
        """A text that goes on from a prompt, the prompt first.

        Args:
            prompt: Text to go on from.
            temperature: Below 1 bolder than the model, above 1 more even; 0 always takes the likeliest token.
            top_k: Draw from the k likeliest tokens; None: all.
            top_p: Draw from the fewest likeliest tokens that hold this share of the probability.
            length: Most tokens to draw.
            min_length: Do not end before this many tokens.
            seed: Of the draws, the same as of the model that was exported; None: another each time.

        Raises:
            UserError: If an option is out of range.
        """
        options = (temperature, top_k, top_p, length, min_length, seed)
        return "".join(self.stream(prompt, *options))

    def stream(
        self,
        prompt: str = "",
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        length: int = 300,
        min_length: int = 0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """The text of :meth:`sample`, piece by piece as it is drawn; arguments and errors as there."""
        settings = asked(temperature, top_k, top_p, length, min_length, seed)
        ids, read = self.language.begin(prompt), self.tokenizer.encode(prompt)
        for line in of_prompt(read.count(self.tokenizer.unk), len(read)):
            note(line)
        return self.language.continued(prompt, ids, self._drawn(ids, settings))

    def going_on(self, ids: Sequence[int]) -> tuple[Array, Callable[[int], Array]]:
        """Log-probabilities ``[V]`` of what comes after some tokens, and what reads one more and gives them anew."""
        state: State = self.step.zeros(1)

        def read(token: int) -> Array:
            nonlocal state
            made, state = self.step(state, inputs=[token])
            scores: Array = made["log_probs"][0]
            return scores

        for token in (NOTHING, *ids):
            scores = read(token)
        return scores, read

    def _drawn(self, ids: Sequence[int], settings: Sampling) -> Iterator[int]:
        yield from drawn(*self.going_on(ids), settings, end=self.language.end, never=[UNK_ID])
