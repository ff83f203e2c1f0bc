"""A trained language model for the symbols of another model, and the choice of its weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Literal

from throughtime.applications.judging.word_errors import word_error
from throughtime.applications.text_model import TextModel
from throughtime.decoding import TextDecoder
from throughtime.decoding.fusion import Aloud, ByWord, Spelling, TokenFusion
from throughtime.errors import UserError, listed

REMEMBERED = 10_000
"""Texts whose tokens are remembered."""


def open_fusion(
    run: str | Path,
    symbols: Sequence[str],
    unit: Literal["characters", "words"],
    *,
    cell: str | None = None,
    device: str = "auto",
) -> TokenFusion:
    """A language model's run folder as what a search over symbols asks.

    Words are read as they come, by models of words, characters or byte pairs. So are characters by models of
    characters; other models read them word by word, when a space or the end shows a word whole. What the language
    model does not know has the probability of UNK; where it knows sentences, the end counts.

    Args:
        run: Of task ``text``.
        symbols: The text of every symbol; that of blank does not matter.
        unit: What the symbols are.
        cell: Allows a cell of the user's own, ``module:Class``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        UserError: If the folder is no language model's, or the model knows none of the symbols.
    """
    model = TextModel(run, cell=cell, device=device)
    tokenizer = model.tokenizer

    @lru_cache(REMEMBERED)
    def encode(text: str) -> tuple[int, ...]:
        return tuple(tokenizer.encode(text))

    eos = tokenizer.eos if model.sentences else None
    spelling: Spelling
    if unit == "characters" and tokenizer.unit != "characters":
        spelling = ByWord(symbols, encode, eos)
    else:
        spelling = Aloud(symbols, encode, "" if unit == "characters" else " ", eos)
        written = [text for text in symbols if text.strip()]
        if all(set(encode(text)) <= {tokenizer.unk} for text in written):
            raise UserError(
                f"{run}: expected a language model that knows some of the {unit} {listed(written[:5])}, got one of "
                f"{tokenizer.unit} that knows none; train one on text that is written as the transcripts are"
            )
    return TokenFusion(TextDecoder(model.model), spelling, model.model.fingerprint(tokenizer.inner.to_str()))


@dataclass(frozen=True)
class Tuned:
    """The weights that make the fewest word errors.

    Attributes:
        alpha: Of the language model.
        beta: Bonus for every unit.
        word_error: In percent.
        tried: All weights, ``(alpha, beta, word error)``, in order.
    """

    alpha: float
    beta: float
    word_error: float
    tried: Sequence[tuple[float, float, float]]


def tune(
    said: Sequence[str],
    transcribe: Callable[[float, float], Sequence[str]],
    alphas: Iterable[float],
    betas: Iterable[float],
) -> Tuned:
    """Tries all pairs of weights on validation data; of equal ones the first is taken.

    Args:
        said: What was said in each recording.
        transcribe: What is heard in each with such weights: by a search with fusion, or by rescoring.
        alphas: Weights of the language model.
        betas: Bonuses.

    Example:
        >>> tune(["one two"], lambda alpha, beta: ["one two" if alpha > 0.4 else "one"], [0.0, 0.5, 1.0], [0.0]).alpha
        0.5
    """
    tried = [(alpha, beta, word_error(said, transcribe(alpha, beta))) for alpha, beta in product(alphas, betas)]
    return Tuned(*min(tried, key=lambda weights: weights[2]), tried)
