"""Recognition of many streams of sound side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from throughtime.applications.live import Output, Takes
from throughtime.applications.settings import check_settings
from throughtime.data.speech.audio import LOUDEST, RATES, Samples
from throughtime.data.speech.filterbank import FilterBank, Frames, FrameStream, Left
from throughtime.data.speech.resampling import Resampler
from throughtime.errors import UserError, listed
from throughtime.models import CTCModel
from throughtime.models.streams import HeadedStream, SideBySide, softmax_head
from throughtime.runtime.kinds.speech import LATEST
from throughtime.tasks.speech.examples import low_rate
from throughtime.tasks.speech.options import SpeechOptions
from throughtime.tasks.speech.recogniser import GreedySearch, Heard, Search
from throughtime.tasks.speech.telling import Teller

SHOWN = ("nbest", "beam", "lm", "lm_weight", "word_bonus", "explain")
"""What may be asked of a stream, beside the rate of its samples."""


class LiveSpeech:
    """How a one-way recogniser hears streams.

    Args:
        model: The recogniser.
        bank: Makes features of sound.
        normalise: Makes what the model reads of them.
        teller: Makes transcripts.
        searches: What begins a search of the kind that options ask for.
    """

    takes: Takes = "audio"

    def __init__(
        self,
        model: CTCModel,
        bank: FilterBank,
        normalise: Callable[[Frames], Tensor],
        teller: Teller,
        searches: Callable[[SpeechOptions, int], Callable[[], Search]],
    ) -> None:
        self.model, self.bank, self.normalise, self.teller, self.searches = model, bank, normalise, teller, searches
        self.facts: Mapping[str, Any] = {"rate": bank.rate, "options": ["rate", *SHOWN]}

    def side_by_side(self) -> SideBySide:
        """The model, over any number of streams."""
        return SideBySide(HeadedStream(self.model.stack, softmax_head(self.model.softmax)))

    def open(self, said: Mapping[str, Any]) -> SpeechReader:
        """Begins a stream.

        Args:
            said: ``rate``, in samples a second, and what may be asked of a transcript.

        Raises:
            UserError: If there is no such option, or a rate that no sound has.
        """
        rate = said.get("rate", self.bank.rate)
        if isinstance(rate, bool) or not isinstance(rate, int) or not RATES[0] <= rate <= RATES[1]:
            raise UserError(f"rate: expected {RATES[0]:,} to {RATES[1]:,} samples a second, got {rate!r}")
        asked = {name: value for name, value in said.items() if name != "rate"}
        for name in asked:
            if name not in SHOWN:
                raise UserError(f"expected options of {listed(SHOWN)}, got {name!r}")
        return SpeechReader(self, rate, check_settings(SpeechOptions, asked))

    def piece(self, line: str, where: str) -> Samples:
        """None is: sound does not come in lines.

        Raises:
            UserError: Always.
        """
        raise UserError(f"{where}: expected sound, got a line of text")

    def shown(self, event: Mapping[str, Any]) -> str:
        """What was said."""
        return str(event.get("partial", event.get("text")))

    def load(self, dumped: Mapping[str, Any]) -> SpeechReader:
        """A stream that goes on where it was dumped."""
        options = check_settings(SpeechOptions, dumped["options"])
        reader = SpeechReader(self, dumped["rate"], options, Left(dumped["samples"], dumped["frames"]))
        reader.read_dumped(dumped)
        return reader


class SpeechReader:
    """One stream of sound.

    Args:
        live: Of which model.
        rate: Samples a second that come.
        options: What is asked for.
        left: Samples of a stream that this one goes on with.
    """

    def __init__(self, live: LiveSpeech, rate: int, options: SpeechOptions, left: Left | None = None) -> None:
        self.live, self.rate, self.options = live, rate, options
        self.frames = FrameStream(live.bank, left)
        self.resampler = None if rate == live.bank.rate else Resampler(rate, live.bank.rate)
        self.waiting = np.zeros((0, live.bank.mels), np.float32)
        self.heard = Heard(live.searches(options, options.nbest)())
        self.keep = options.explain and not isinstance(self.heard.search, GreedySearch)
        self.outputs: list[Output] = []
        self.told = ""
        self.latest: Sequence[int] = []

    def push(self, piece: Samples) -> Sequence[Samples]:
        """The inputs of the steps that are complete with these samples.

        Raises:
            UserError: If one is no number, or far too loud.
        """
        if not np.isfinite(piece).all() or (len(piece) and np.abs(piece).max() > LOUDEST):
            raise UserError(f"expected samples in [-1, 1], got some beyond {LOUDEST:g}, or no numbers; scale them")
        samples = piece if self.resampler is None else self.resampler.push(piece)
        return self._inputs(self.frames.push(samples)) if len(samples) else []

    def end(self) -> Sequence[Samples]:
        """The inputs of the last steps, zeros after the last frame."""
        inputs: list[Samples] = []
        if self.resampler is not None:
            samples = self.resampler.finish()
            inputs += self._inputs(self.frames.push(samples)) if len(samples) else []
        inputs += self._inputs(self.frames.finish())
        if len(self.waiting):
            last = np.zeros((self.live.model.config.frames, self.waiting.shape[1]), np.float32)
            last[: len(self.waiting)] = self.waiting
            inputs.append(last.reshape(-1))
        return inputs

    def _inputs(self, frames: Frames) -> list[Samples]:
        if not len(frames):
            return []
        self.heard.seconds += len(frames) * self.live.bank.shift
        together = self.live.model.config.frames
        waiting = np.concatenate([self.waiting, self.live.normalise(frames).numpy()])
        whole = len(waiting) - len(waiting) % together
        self.waiting = waiting[whole:]
        return list(waiting[:whole].reshape(whole // together, together * waiting.shape[1]))

    def take(self, output: Output) -> Sequence[Samples]:
        """Keeps the log-probabilities of a step until something is to be told."""
        self.outputs.append(output)
        return ()

    def _search(self) -> None:
        if self.outputs:
            self.heard.take(torch.from_numpy(np.stack(self.outputs)), self.keep)
            self.outputs = []

    def partial(self) -> dict[str, Any] | None:
        """The last words of what is said so far, where they changed."""
        self._search()
        latest = self.heard.search.latest(LATEST)
        if latest == self.latest:
            return None
        self.latest = latest
        text = self.live.teller.text(latest)
        if text == self.told:
            return None
        self.told = text
        return {"partial": text, "seconds": round(self.heard.seconds, 2)}

    def final(self) -> dict[str, Any]:
        """What is said; ``warnings`` where the sound lacks what the model listens for."""
        self._search()
        found = self.live.teller.transcript("", [], self.heard, self.options).data
        warnings = low_rate(self.rate, self.live.bank.rate)
        return {name: value for name, value in found.items() if name != "file"} | (
            {"warnings": warnings} if warnings else {}
        )

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        self._search()
        return {
            "rate": self.rate,
            "options": self.options.model_dump(mode="json", exclude_defaults=True),
            "resampler": None if self.resampler is None else self.resampler.dump(),
            "samples": self.frames.left.samples.copy(),
            "frames": self.frames.left.frames,
            "waiting": self.waiting.copy(),
            "seconds": self.heard.seconds,
            "told": self.told,
            "search": self.heard.search.dump(),
            "log_probs": [one.numpy() for one in self.heard.log_probs],
        }

    def read_dumped(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave, beside the samples."""
        self.waiting, self.heard.seconds, self.told = dumped["waiting"], dumped["seconds"], dumped["told"]
        if self.resampler is not None:
            self.resampler.load(dumped["resampler"])
        self.heard.search.load(dumped["search"])
        self.heard.log_probs = [torch.from_numpy(one) for one in dumped["log_probs"]]
