"""Options of use: what may be asked of a trained model's predictions, judgement and samples, beside themselves.

Each task declares a model of the options that it has, put together from those below. The command line shows its fields
as options, :class:`throughtime.Run` takes them by name.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from throughtime.applications.settings import Encoding, option
from throughtime.decoding import Sampling
from throughtime.engine import WeightsName


class Options(BaseModel):
    """Of one use; this one has none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Reading(Options):
    """Where files of text may be read."""

    encoding: Encoding | None = option(None, "Of text that is not UTF-8; default: as in training.", "Data")


class Headed(Reading):
    """Where tables may be read."""

    header: bool | None = option(None, "A table's first row names its columns; default: as in training.", "Data")


class Columned(Headed):
    """Where tables of texts, or of sequences, may be read."""

    text_column: str | None = option(None, "Of a table: column of the texts; default: as in training.", "Data")


class Labelled(Columned):
    """Where they are read with their labels."""

    label_column: str | None = option(None, "Of a table: column of the labels; default: as in training.", "Data")


COLUMNS = ("header", "text_column", "label_column")
"""Options of use that stand for the settings of these names."""


class Ranked(Reading):
    """Where there are several results for an input."""

    nbest: int = option(1, "Results for each input.", "Results", ge=1)


class Searched(Reading):
    """Where results are searched for."""

    beam: int | None = option(None, "Hypotheses that a search keeps.", "Results", ge=1)


class Explained(Reading):
    """Where it can be told what a result rests on."""

    explain: bool = option(False, "Show what in the input the result rests on.", "Results")


class Drawn(Reading):
    """Where a result can be drawn."""

    picture: Path | None = option(None, "Draw the result into this PNG, of one input.", "Results")


class Written(Reading):
    """Where a result can be written in a format of its field."""

    out: Path | None = option(None, "Write the result to this file, of one input.", "Results")


class Tabled(Reading):
    """Where results can be written beside the inputs of a file."""

    out: Path | None = option(
        None, "Write the inputs to this file, results beside them: .csv, .tsv, .jsonl; .conll for words.", "Results"
    )


class Fused(Reading):
    """Where a language model helps a search."""

    lm: Path | None = option(None, "A language model that helps: its model folder.", "Results")
    lm_weight: float | None = option(None, "What its log-probability counts.", "Results", ge=0)
    word_bonus: float | None = option(None, "Added for every word: a language model likes few of them.", "Results")


class Lightened(Options):
    """Where a model goes step by step."""

    weights: WeightsName = option(
        "float32",
        "What matrices are kept in: float32, bfloat16, int8; large models step faster with fewer bits.",
        "Results",
    )


class Drawing(Options):
    """How new sequences are drawn."""

    prompt: str = option("", "What to go on from.", "Drawing")
    temperature: float = option(1.0, "Below 1 bolder, above 1 more even; 0: the likeliest.", "Drawing", ge=0)
    length: int = option(300, "Most tokens to draw.", "Drawing", ge=1)
    seed: int | None = option(None, "Of the draws; default: another each time.", "Drawing", ge=0, lt=2**63)
    weights: WeightsName = option(
        "float32",
        "What matrices are kept in: float32, bfloat16, int8; large models draw faster with fewer bits.",
        "Drawing",
    )

    def sampling(self, number: int = 0) -> Sampling:
        """What the decoding floor takes, for the ``number``-th sample."""
        seed = None if self.seed is None else self.seed + number
        return Sampling(temperature=self.temperature, length=self.length, seed=seed, weights=self.weights)


class TokenDrawing(Drawing):
    """How sequences of tokens are drawn, which know an end."""

    top_k: int | None = option(None, "Draw from the k likeliest tokens.", "Drawing", ge=1)
    top_p: float = option(1.0, "Draw from the likeliest tokens with this share of probability.", "Drawing", gt=0, le=1)
    min_length: int = option(0, "Do not end before this many tokens.", "Drawing", ge=0)

    def sampling(self, number: int = 0) -> Sampling:
        """What the decoding floor takes, for the ``number``-th sample."""
        drawn = super().sampling(number)
        return replace(drawn, top_k=self.top_k, top_p=self.top_p, min_length=self.min_length)
