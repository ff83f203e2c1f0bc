"""Logarithmic mel filter banks, as the samples come (kaldi's features; Davis and Mermelstein 1980)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from throughtime.data.speech.audio import Samples
from throughtime.extras import extra

SHIFT = 0.01
"""Seconds from a frame to the next, up to a sample; a frame sees 25 ms."""

MIRRORED = 2
"""Frames that a stream which goes on with another computes anew: the first sees the beginning mirrored."""

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


class Left(NamedTuple):
    """What a stream of frames needs to go on elsewhere: the samples that its next frames see, and two frames more,
    since the first one of a stream sees its beginning mirrored.

    Attributes:
        samples: They begin with a frame.
        frames: That have been given of them.
    """

    samples: Samples
    frames: int

    def then(self, samples: Samples, frames: int, shift: int) -> Left:
        """What is left after further samples, and so many frames of them."""
        whole, given = np.concatenate([self.samples, samples]), self.frames + frames
        over = max(0, given - MIRRORED)
        return Left(whole[over * shift :], given - over)


class FrameStream:
    """Features as the samples come; however these are cut, the frames are the same.

    Args:
        bank: How sound becomes features.
        left: Of a stream that this one goes on with.

    Attributes:
        left: What another needs to go on with this one.
    """

    def __init__(self, bank: FilterBank, left: Left | None = None) -> None:
        library = extra("kaldi_native_fbank", "speech", "features of audio")
        options = library.FbankOptions()
        options.frame_opts.samp_freq = bank.rate
        options.frame_opts.dither = 0.0
        options.frame_opts.snip_edges = False  # a frame for every 10 ms, also at both ends
        options.mel_opts.num_bins = bank.mels
        self.bank, self.done, self.left = bank, 0, Left(np.zeros(0, np.float32), 0)
        self.online = library.OnlineFbank(options)
        if left is not None:
            self.push(left.samples)
            self.left = left

    def push(self, samples: Samples) -> Frames:
        """The frames, ``[t, mels]``, that are complete with these samples."""
        # The library takes numbers one by one, which are quicker out of a list than out of an array.
        self.online.accept_waveform(self.bank.rate, samples.tolist())
        found = self._take()
        self.left = self.left.then(samples, len(found), round(self.bank.rate * self.bank.shift))
        return found

    def finish(self) -> Frames:
        """The frames that waited for samples to come."""
        self.online.input_finished()
        return self._take()

    def _take(self) -> Frames:
        ready = self.online.num_frames_ready
        found = [self.online.get_frame(number) for number in range(self.done, ready)]
        frames = np.stack(found) if found else np.zeros((0, self.bank.mels), np.float32)
        self.online.pop(ready - self.done)  # the library goes on using the memory behind its frames
        self.done = ready
        return frames
