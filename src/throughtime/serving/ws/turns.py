"""When somebody speaks: by loudness alone, over noise as loud as the quietest moment of the last seconds.

Nothing here knows speech: a door that slams begins a turn, too. A frame counts as speech where it is some decibels
louder than the noise; a turn begins with a few such frames, and ends when none has come for a while.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

FRAME = 0.02
"""Seconds that are judged together."""

ONSET = 3
"""Frames in a row that begin a turn; the mean of as many is a frame's loudness."""

NOISE = 100
"""Frames of which the quietest tells how loud the noise is."""

LOWEST = -60.0
"""Decibels below full scale that no noise is quieter than: a click in digital silence is no speech."""

PRESUMED = -45.0
"""Decibels below full scale that noise is no louder than while too little was heard to know: some speak at once."""

MARGIN = 30.0
"""Decibels over the noise that a threshold of 1 asks for."""


@dataclass(frozen=True)
class Detection:
    """What a client asks for.

    Attributes:
        threshold: From 0 to 1: how much louder than the noise speech is, in parts of :data:`MARGIN`.
        prefix: Milliseconds before the first loud frame that belong to a turn.
        silence: Milliseconds without a loud frame that end it.
    """

    threshold: float = 0.5
    prefix: int = 300
    silence: int = 500


@dataclass(frozen=True)
class Moment:
    """Something that happens in sound.

    Attributes:
        kind: A turn begins, has sound, ends.
        at: How many samples stand before it.
        samples: Of the turn.
    """

    kind: Literal["began", "sound", "ended"]
    at: int
    samples: Samples


class Turns:
    """Finds turns in sound as it comes; however it is cut, they are the same.

    Args:
        rate: Samples a second.
        asked: What counts as one.
        longest: Samples after which one ends in any case.
    """

    def __init__(self, rate: int, asked: Detection, longest: int) -> None:
        self.rate, self.asked, self.longest = rate, asked, longest
        self.frame = max(1, round(FRAME * rate))
        self.prefix = round(asked.prefix * rate / 1000)
        self.rest = self.before = np.zeros(0, np.float32)  # less than a frame; what may belong to a turn
        self.heard = 0
        """Samples that were judged."""
        self.speaking = False
        self._loud = self._quiet = self._size = 0
        self._powers: deque[float] = deque(maxlen=ONSET)
        self._levels: deque[float] = deque(maxlen=NOISE)

    def push(self, samples: Samples) -> Iterator[Moment]:
        """What happens in further sound."""
        whole = np.concatenate([self.rest, samples])
        count = len(whole) // self.frame
        self.rest = whole[count * self.frame :]
        heard: list[Samples] = []
        for frame in whole[: count * self.frame].reshape(count, self.frame):
            self.heard += len(frame)
            loud = self._is_loud(frame)
            if not self.speaking:
                yield from self._wait(frame, loud)
                continue
            heard.append(frame)
            self._size, self._quiet = self._size + len(frame), 0 if loud else self._quiet + len(frame)
            if (
                self._quiet and 1000 * self._quiet >= self.asked.silence * self.rate
            ) or self._size + self.frame > self.longest:
                yield from self._sound(heard)
                heard = []
                self.speaking, self._loud = False, 0
                yield Moment("ended", self.heard, frame[:0])
        yield from self._sound(heard)

    def stop(self) -> Samples:
        """Ends a turn, whatever is said, and forgets what stood before one; gives what was not judged yet."""
        self.speaking, self._loud, self.before = False, 0, self.before[:0]
        rest, self.rest = self.rest, self.rest[:0]
        self.heard += len(rest)
        return rest

    def _wait(self, frame: Samples, loud: bool) -> Iterator[Moment]:
        """Outside of turns: begins one, where enough loud frames came."""
        self.before = np.concatenate([self.before, frame])[-(self.prefix + ONSET * self.frame) :]
        self._loud = self._loud + 1 if loud else 0
        if self._loud == ONSET:
            before, self.before = self.before, self.before[:0]
            self.speaking, self._quiet, self._size = True, 0, len(before)
            yield Moment("began", self.heard - len(before), before[:0])
            yield Moment("sound", self.heard - len(before), before)

    def _sound(self, frames: list[Samples]) -> Iterator[Moment]:
        if frames:
            samples = np.concatenate(frames)
            yield Moment("sound", self.heard - len(samples), samples)

    def _is_loud(self, frame: Samples) -> bool:
        """Whether a frame is louder than the noise by what is asked for; half of that where somebody speaks."""
        self._powers.append(float(np.mean(frame.astype(np.float64) ** 2)))
        level = 10 * np.log10(max(1e-10, sum(self._powers) / len(self._powers)))
        self._levels.append(level)
        noise = max(LOWEST, min(self._levels))
        if len(self._levels) < NOISE:
            noise = min(noise, PRESUMED)
        margin = MARGIN * self.asked.threshold
        return bool(level > noise + (margin / 2 if self.speaking else margin))
