"""Logarithmic mel filter banks, as the samples come (kaldi's features; Davis and Mermelstein 1980)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from throughtime.data.speech.audio import Samples
from throughtime.extras import extra

SHIFT = 0.01
"""Seconds from a frame to the next, up to a sample; a frame sees 25 ms."""

Frames = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FilterBank:
    """How sound becomes features: the energy, in the logarithm, of bands that are equally wide in mel.

    Attributes:
        rate: Samples a second.
        mels: Bands from 20 Hz to half the rate.
    """

    rate: int
    mels: int = 40

    @property
    def shift(self) -> float:
        """Seconds from a frame to the next, which are whole samples."""
        return int(self.rate * SHIFT) / self.rate

    def stream(self, blocks: Iterable[Samples]) -> Iterator[Frames]:
        """The features of a recording as its samples come: ``[t, mels]`` for every block, and what is left."""
        stream = FrameStream(self)
        yield from map(stream.push, blocks)
        yield stream.finish()

    def frames(self, blocks: Iterable[Samples]) -> Frames:
        """The features of a whole recording, ``[T, mels]``."""
        return np.concatenate(list(self.stream(blocks)))


class FrameStream:
    """Features as the samples come; however these are cut, the frames are the same.

    Args:
        bank: How sound becomes features.
    """

    def __init__(self, bank: FilterBank) -> None:
        library = extra("kaldi_native_fbank", "speech", "features of audio")
        options = library.FbankOptions()
        options.frame_opts.samp_freq = bank.rate
        options.frame_opts.dither = 0.0
        options.frame_opts.snip_edges = False  # a frame for every 10 ms, also at both ends
        options.mel_opts.num_bins = bank.mels
        self.bank, self.done = bank, 0
        self.online = library.OnlineFbank(options)

    def push(self, samples: Samples) -> Frames:
        """The frames, ``[t, mels]``, that are complete with these samples."""
        self.online.accept_waveform(self.bank.rate, samples)
        return self._take()

    def finish(self) -> Frames:
        """The frames that waited for samples to come."""
        self.online.input_finished()
        return self._take()

    def _take(self) -> Frames:
        ready = self.online.num_frames_ready
        # The library goes on using the memory behind its frames.
        found = [np.array(self.online.get_frame(number)) for number in range(self.done, ready)]
        self.online.pop(ready - self.done)
        self.done = ready
        return np.stack(found) if found else np.zeros((0, self.bank.mels), np.float32)
