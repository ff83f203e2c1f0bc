"""What was heard, as people see it: transcripts, hypotheses, times, a spectrogram with its symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.text import Text

from throughtime.applications.folder.describing import describe_model
from throughtime.applications.prediction import Prediction
from throughtime.decoding.ctc import CTCHypothesis
from throughtime.pictures import COLOURS, DASHES, new_figure, save_figure, short_name
from throughtime.tasks.speech.recogniser import Heard

INCHES = 1.6
"""Of a picture, for a second of sound."""


@dataclass(frozen=True)
class Said:
    """A symbol, or a word, and when it was said.

    Attributes:
        symbol: Its text.
        start: Seconds.
        end: Seconds.
        probability: The highest that the symbol had; of a word, that of its least sure symbol.
    """

    symbol: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Hypothesis:
    """What may have been said.

    Attributes:
        text: The transcript.
        score: Its log-probability in nats, with that of a language model and the bonus where there is one.
        acoustic: The recogniser's share of it.
        language: The language model's.
    """

    text: str
    score: float
    acoustic: float
    language: float


@dataclass(frozen=True, repr=False, kw_only=True)
class Transcript(Prediction):
    """What is said in a recording.

    Attributes:
        file: The recording.
        text: The likeliest transcript.
        seconds: How long the recording is.
        hypotheses: The best ones, where several are asked for.
        symbols: Every symbol with its seconds, where an explanation is asked for.
    """

    file: str
    text: str
    seconds: float
    hypotheses: Sequence[Hypothesis] | None = None
    symbols: Sequence[Said] | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """The likeliest transcript."""
        return {"predicted": self.text}


def words_of(said: Sequence[Said]) -> list[Said]:
    """Characters, with spaces among them, as words.

    Example:
        >>> words_of([Said("n", 0.1, 0.2, 0.9), Said("o", 0.2, 0.3, 0.8), Said(" ", 0.4, 0.5, 1.0)])
        [Said(symbol='no', start=0.1, end=0.3, probability=0.8)]
    """
    groups: list[list[Said]] = [[]]
    for one in said:
        if one.symbol == " ":
            groups.append([])
        else:
            groups[-1].append(one)
    return [
        Said("".join(s.symbol for s in group), group[0].start, group[-1].end, min(s.probability for s in group))
        for group in groups
        if group
    ]


def show_times(shown: Text, words: Sequence[Said]) -> None:
    """A line for every word: its seconds, and how sure it is."""
    for word in words:
        shown.append(f"\n  {word.start:8.2f} – {word.end:.2f} s  ", "dim")
        shown.append(f"{100 * word.probability:5.1f} %  {word.symbol}")


def show_hypotheses(shown: Text, texts: Sequence[str], hypotheses: Sequence[CTCHypothesis], language: bool) -> None:
    """A line for every hypothesis with its log-probabilities in nats."""
    for number, (text, found) in enumerate(zip(texts, hypotheses, strict=True), 1):
        scores = f"acoustic {found.acoustic:.2f}"
        if language:
            scores = f"score {found.score:.2f}  {scores}  language {found.language:.2f}"
        shown.append(f"\n  {number}  {text or '(nothing)'}")
        shown.append(f"  {scores}", "dim")


def draw(
    path: Path,
    heard: Heard,
    said: Sequence[Said],
    shift: float,
    step: float,
    names: Sequence[str],
    title: str,
    settings: Any,
) -> None:
    """The spectrogram with what was said over it, and the probability of every symbol over time.

    Args:
        path: The picture to write.
        heard: Holds the spectrogram and the log-probabilities.
        said: Symbols with their seconds.
        shift: Seconds of a frame.
        step: Seconds of a step of the model.
        names: Of the symbols, blank first.
        title: A line above it.
        settings: Of the model, which a second line names.
    """
    frames = np.concatenate(heard.frames)
    chances = torch.cat(heard.log_probs).exp().numpy()
    seconds = len(frames) * shift
    figure = new_figure(max(7.0, INCHES * seconds), 5.6, short_name(title), describe_model("speech", settings))
    top, low = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    span = (0.0, seconds, 0.0, frames.shape[1])
    top.imshow(frames.T, origin="lower", aspect="auto", extent=span, cmap="magma", interpolation="nearest")
    top.set_ylabel("frequency (mel band)")
    for one in said:
        top.axvspan(one.start, one.end, ymin=0.97, color="#56B4E9")
        top.text(
            (one.start + one.end) / 2, 1.02, one.symbol, transform=top.get_xaxis_transform(), ha="center", va="bottom"
        )
    times = (np.arange(len(chances)) + 0.5) * step
    for number, symbol in enumerate(sorted({one.symbol for one in said})):
        style = {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number // len(COLOURS) % len(DASHES)]}
        low.plot(times, chances[:, names.index(symbol)], label=symbol, **style)
    low.plot(times, chances[:, 0], color="#BBBBBB", linestyle=":", label="blank")
    low.set_ylabel("probability (share)")
    low.set_xlabel("time (seconds)")
    low.set_xlim(0, max(seconds, step))
    low.set_ylim(0, 1.05)
    low.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=1 + len(names) // 20, frameon=False)
    save_figure(figure, path)
