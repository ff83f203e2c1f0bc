"""Logarithmic mel filter banks in NumPy: kaldi's features (Davis and Mermelstein 1980), as training computes them.

Shapes::

    T  frames        N  samples of a frame, 25 ms        P  the power of two that N is filled up to
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Frames = npt.NDArray[np.float32]

LOWEST = 20.0
"""Hertz at which the first band begins."""

EMPHASIS = 0.97
"""Share of a sample that is taken off the next one, so that high sounds count as much as low ones."""

SILENCE = np.finfo(np.float32).eps
"""Energy that every band has at least."""


class FilterBank:
    """Features as the samples come; however these are cut, the frames are the same.

    A frame stands every 10 ms, its middle first at 5 ms; beyond both ends the sound is mirrored.

    Args:
        rate: Samples a second.
        mels: Bands from 20 Hz to half the rate, equally wide in mel.

    Example:
        >>> bank = FilterBank(8000, 20)
        >>> found = [bank.push(np.zeros(100, np.float32)), bank.push(np.ones(300, np.float32)), bank.finish()]
        >>> [frames.shape for frames in found]
        [(0, 20), (4, 20), (1, 20)]
    """

    def __init__(self, rate: int, mels: int) -> None:
        self.rate, self.mels = rate, mels
        self.shift, self.width = int(rate * 0.001 * 10), int(rate * 0.001 * 25)
        self.before = self.width // 2 - self.shift // 2
        """Samples of the first frame that lie before the sound."""
        self._samples: Samples = np.zeros(0, np.float32)
        self._first = 0  # the sample of the sound that the first of them is
        self._done = 0  # frames

    def push(self, samples: Samples) -> Frames:
        """The frames ``[t, mels]`` that are complete with these samples."""
        self._samples = np.concatenate([self._samples, samples.astype(np.float32)])
        return self._take(max(0, (self._heard + self.before - self.width) // self.shift + 1), end=False)

    def finish(self) -> Frames:
        """The frames that waited for samples to come."""
        return self._take((self._heard + self.shift // 2) // self.shift, end=True)

    @property
    def _heard(self) -> int:
        return self._first + len(self._samples)

    def _take(self, ready: int, *, end: bool) -> Frames:
        """The frames up to one."""
        ready = min(ready, (self._heard + self.shift // 2) // self.shift)
        if ready <= self._done:
            return np.zeros((0, self.mels), np.float32)
        starts = np.arange(self._done, ready) * self.shift - self.before
        places = starts[:, None] + np.arange(self.width)
        heard = self._heard
        while ((places < 0) | (places >= heard)).any():  # a very short sound is mirrored more than once
            places = np.where(places < 0, -places - 1, places)
            places = np.where(places >= heard, 2 * heard - 1 - places, places)
        found = energies(self._samples[places - self._first], self.rate, self.mels)
        self._done = ready
        # what is mirrored at the end lies within the last frame and the one before it
        unread = max(self._first, ready * self.shift - self.before - self.width)
        self._samples, self._first = self._samples[unread - self._first :], unread
        return found


def energies(frames: Samples, rate: int, mels: int) -> Frames:
    """The logarithm of every band's energy, ``[T, mels]``, of samples ``[T, N]``."""
    width = frames.shape[1]
    centred = frames - frames.mean(1, keepdims=True)
    before = np.concatenate([centred[:, :1], centred[:, :-1]], 1)
    window, bands = _window(width), _bands(rate, mels, width)
    spectrum = np.fft.rfft((centred - np.float32(EMPHASIS) * before) * window, 2 * (len(bands) - 1))
    power = spectrum.real**2 + spectrum.imag**2
    found: Frames = np.log(np.maximum(power @ bands, SILENCE)).astype(np.float32)
    return found


@lru_cache(maxsize=4)
def _window(width: int) -> npt.NDArray[Any]:
    """Povey's: like Hann's, with a lower exponent, so that it does not reach zero so soon."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / (width - 1))) ** 0.85


@lru_cache(maxsize=4)
def _bands(rate: int, mels: int, width: int) -> npt.NDArray[np.float64]:
    """What share of each frequency's power each band has, ``[P / 2 + 1, mels]``: triangles in mel."""
    filled = 1 << (width - 1).bit_length()
    edges = np.linspace(_mel(LOWEST), _mel(rate / 2), mels + 2)
    place = _mel(np.arange(filled // 2 + 1) * rate / filled)[:, None]
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (place - left) / (middle - left), (right - place) / (right - middle)
    bands: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    bands[-1] = 0.0  # half the rate itself is in no band
    return bands


def _mel(hertz: Any) -> Any:
    return 1127.0 * np.log(1.0 + hertz / 700.0)
