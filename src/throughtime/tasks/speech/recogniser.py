"""A recogniser at work: sound as it comes, what is heard so far, and when each symbol was said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from throughtime.data.progress import report
from throughtime.data.speech.audio import Audio
from throughtime.data.speech.filterbank import FilterBank, Frames
from throughtime.decoding.ctc import CTCHypothesis, as_floats
from throughtime.errors import UserError
from throughtime.models import CTCModel
from throughtime.runtime.ctc import BestPath, Sounded
from throughtime.runtime.ctc.lattice import sounded


class Search(Protocol):
    """Finds labellings in log-probabilities as they come."""

    def push(self, log_probs: Tensor) -> None:
        """Reads further steps, ``[t, V]``."""
        ...

    def best(self) -> list[CTCHypothesis]:
        """The labellings so far, the best first."""
        ...

    def latest(self, count: int) -> Sequence[int]:
        """The last symbols of the best labelling so far."""
        ...

    def dump(self) -> dict[str, Any]:
        """All that it holds, as plain data and arrays."""
        ...

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Goes on where another of the same kind was dumped."""
        ...


class GreedySearch(BestPath):
    """The best path through a model's probabilities as they come.

    Example:
        >>> search = GreedySearch()
        >>> search.push(torch.tensor([[0.1, 0.9], [0.2, 0.8]]).log())
        >>> search.best()[0].symbols
        (1,)
    """

    def push(self, log_probs: Tensor) -> None:
        """Reads further steps, ``[t, V]``."""
        self.read(as_floats(log_probs))


@dataclass
class Heard:
    """What there is to show of a recording.

    Attributes:
        search: Holds the labellings.
        seconds: Of sound that has been read.
        frames: The spectrogram, ``[t, mels]`` each; empty unless it is kept.
        log_probs: Of the symbols, ``[s, V]`` each; empty unless they are kept.
    """

    search: Search
    seconds: float = 0.0
    frames: list[Frames] = field(default_factory=list)
    log_probs: list[Tensor] = field(default_factory=list)

    def take(self, log_probs: Tensor, keep: bool) -> None:
        """Reads further steps, ``[t, V]``."""
        self.search.push(log_probs)
        if keep:
            self.log_probs.append(log_probs.cpu())

    def sounded(self, symbols: Sequence[int], where: str) -> list[Sounded]:
        """When each of the symbols of a labelling was heard.

        Raises:
            UserError: If the recording is too long for that.
        """
        if isinstance(self.search, GreedySearch):
            return self.search.sounded
        return sounded(as_floats(torch.cat(self.log_probs)), symbols, where)


@dataclass(frozen=True)
class Listener:
    """Hears recordings.

    Attributes:
        model: Gives symbols their probabilities.
        bank: Makes features of sound.
        normalise: Makes what the model reads of features ``[t, mels]``.
        weights: What a one-way model's matrices are kept in.
    """

    model: CTCModel
    bank: FilterBank
    normalise: Callable[[Frames], Tensor]
    weights: str = "float32"

    def hear(self, audio: Audio, search: Search, *, block: float, keep: bool = False) -> Iterator[Heard]:
        """What is heard so far, after every block of sound and at the end.

        A one-way model hears as the sound comes; a bidirectional one has all to say at the end.

        Args:
            audio: The recording.
            search: Is given what the model hears.
            block: Seconds of a block.
            keep: Keep the spectrogram and the probabilities; memory then grows with the recording.

        Raises:
            UserError: If there is no sound.
        """
        heard = Heard(search)
        both = self.model.stack.bidirectional
        reader = _AtTheEnd(self.model) if both else self.model.stream(weights=self.weights)
        total = audio.info.seconds if np.isfinite(audio.info.seconds) else None
        for frames in self.bank.stream(audio.blocks(self.bank.rate, seconds=block)):
            if keep:
                heard.frames.append(frames)
            heard.seconds += len(frames) * self.bank.shift
            report(heard.seconds, total, "seconds")
            heard.take(reader.push(self.normalise(frames)), keep)
            yield heard
        if not heard.seconds:
            raise UserError(f"{audio.name}: expected sound, got a recording shorter than {self.bank.shift:.3f} s")
        heard.take(reader.finish(), keep)
        yield heard


class _AtTheEnd:
    """Gives a model that reads in both directions all frames at once."""

    def __init__(self, model: CTCModel) -> None:
        self.model = model
        self.features: list[Tensor] = []

    def push(self, features: Tensor) -> Tensor:
        self.features.append(features)
        return torch.zeros(0, self.model.config.symbols)

    def finish(self) -> Tensor:
        whole = torch.cat(self.features)
        return self.model.log_probs(whole.unsqueeze(0), torch.tensor([len(whole)]))[0]
