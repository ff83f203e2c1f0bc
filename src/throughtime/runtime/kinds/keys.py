"""Music as frames of keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from throughtime.errors import UserError, several, spelled
from throughtime.runtime.drawing import Array, Sampling, asked, uniform
from throughtime.runtime.folder import Folder
from throughtime.runtime.graphs import State
from throughtime.runtime.music.events import Likely
from throughtime.runtime.music.items import as_tune, read_prompt
from throughtime.runtime.music.tunes import KEYS, LOWEST, Roll, Tune, begins, drawn_data, name_of
from throughtime.runtime.runner import Runner


@spelled
class KeysRunner(Runner):
    """A model of music, frame by frame.

    Args:
        folder: With the graphs ``sequence`` (whole tunes) and ``step``.
    """

    instead = "notes, or piano rolls, from Python: model.predict([tune])"

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.whole, self.step = folder.graph("sequence"), folder.graph("step")
        self.grid = folder.fact("grid", int)

    def predict(self, inputs: Iterable[Any], *, nbest: int = 1) -> list[dict[str, Any]]:
        """How tunes surprise the model, and the keys that it expects after them.

        Args:
            inputs: Piano rolls ``[T, 88]``, or lists of ``(start, length, pitch)`` in beats.
            nbest: Keys that may come next, the likeliest first.

        Raises:
            UserError: If one is no tune.
        """
        found = []
        for number, item in enumerate(several(inputs, "inputs"), 1):
            frames = as_tune(item, self.grid, f"input {number}").frames()
            logits, _ = self._logits(frames)
            # ln(1 + e^x) - x y, the binary cross-entropy, summed over the keys
            nats = (np.logaddexp(0, logits[:-1]) - logits[:-1] * frames).sum(1)
            told = {"tune": f"input {number}", "nats_per_frame": float(nats.mean()), "frames": len(frames)}
            chances = _sigmoid(logits[-1])
            keys = (-chances).argsort(kind="stable")[:nbest].tolist()
            likely = [asdict(Likely(name_of(key + LOWEST), float(chances[key]))) for key in keys]
            found.append({**told, "next": likely})
        return found

    def sample(
        self, prompt: str = "", *, temperature: float = 1.0, length: int = 128, seed: int | None = None
    ) -> dict[str, Any]:
        """A tune that goes on from a prompt: what begins in each frame, the share of notes in key, every note.

        Args:
            prompt: Notes (``"C4 E4+G4"``), or nothing.
            temperature: Below 1 bolder than the model, above 1 more even; 0 always takes what is likelier.
            length: Frames to draw.
            seed: Of the draws, the same as of the model that was exported; None: another each time.

        Raises:
            UserError: If an option is out of range.
        """
        pieces = list(self._pieces(prompt, temperature, length, seed))
        frames = np.array([frame for _, frame in pieces]).reshape(-1, KEYS)
        return drawn_data([word for word, _ in pieces], Tune.of_frames(frames), self.grid)

    def stream(
        self, prompt: str = "", temperature: float = 1.0, length: int = 128, seed: int | None = None
    ) -> Iterator[str]:
        """What begins in each frame of :meth:`sample`, as it is drawn; arguments and errors as there."""
        pieces = self._pieces(prompt, temperature, length, seed)
        return (f" {word}" if number else word for number, (word, _) in enumerate(pieces))

    def _pieces(self, prompt: str, temperature: float, length: int, seed: int | None) -> Iterator[tuple[str, Roll]]:
        settings = asked(temperature=temperature, length=length, seed=seed)
        genre, tune = read_prompt(prompt.strip(), (), self.grid)
        if genre:
            raise UserError(f"a model of keys knows no genres, got {genre!r}; give notes (C4 E4+G4)")
        return self._drawn(tune.frames(), settings)

    def _drawn(self, prompt: Roll, settings: Sampling) -> Iterator[tuple[str, Roll]]:
        draw, before = uniform(settings.seed), np.zeros(KEYS, np.uint8)
        for frame in prompt:
            yield begins(before, frame), frame
            before = frame
        found, state = self._logits(prompt)
        logits = found[-1]
        for drawn in range(settings.length):
            if drawn:
                made, state = self.step(state, frames=before[None])
                logits = made["logits"][0].astype(np.float64)
            if settings.temperature == 0.0:
                frame = (logits > 0).astype(np.uint8)
            else:
                frame = (draw(KEYS) < _sigmoid(logits / settings.temperature)).astype(np.uint8)
            yield begins(before, frame), frame
            before = frame

    def _logits(self, frames: Roll) -> tuple[Array, State]:
        """The logits of every frame and of the one after them, ``[T + 1, 88]``, and the state there."""
        read = np.pad(frames, ((1, 0), (0, 0)))[None]
        made, state = self.whole(frames=read, lengths=[read.shape[1]])
        return made["logits"][0].astype(np.float64), state


def _sigmoid(logits: Array) -> Array:
    found: Array = np.exp(-np.logaddexp(0, -logits))
    return found
