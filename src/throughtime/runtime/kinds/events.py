"""Music as events: a language model of notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

import numpy as np

from throughtime.errors import several, spelled
from throughtime.runtime.drawing import Sampling, asked, drawn
from throughtime.runtime.folder import Folder
from throughtime.runtime.graphs import Array, State
from throughtime.runtime.music.events import LONGEST, Events
from throughtime.runtime.music.items import as_tune, read_prompt
from throughtime.runtime.music.tunes import Note, Tune, drawn_data
from throughtime.runtime.runner import Runner

NOTHING = -1
"""Is read before a tune's first token."""


@spelled
class EventsRunner(Runner):
    """A model of music, note by note.

    Args:
        folder: With the graphs ``sequence`` (whole tunes) and ``step``.
    """

    instead = "notes, or piano rolls, from Python: model.predict([tune])"

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        self.whole, self.step = folder.graph("sequence"), folder.graph("step")
        self.grid, self.genres = folder.fact("grid", int), folder.fact("genres", list[str])
        self.events = Events(self.genres)
        self.forbidden = ~self.events.follows()

    def predict(self, inputs: Iterable[Any], *, nbest: int = 1) -> list[dict[str, Any]]:
        """How tunes surprise the model, and what it expects after them.

        Args:
            inputs: Lists of ``(start, length, pitch)`` in beats, or piano rolls ``[T, 88]``.
            nbest: What may come next, the likeliest first.

        Raises:
            UserError: If one is no tune.
        """
        found = []
        for number, item in enumerate(several(inputs, "inputs"), 1):
            tune = as_tune(item, self.grid, f"input {number}")
            ids = self.events.encode(tune)
            made, _ = self.whole(inputs=[[NOTHING, *ids[:-1]]], targets=[ids], lengths=[len(ids)])
            told = {"tune": f"input {number}", "nats_per_event": -float(made["log_probs"].mean()), "events": len(ids)}
            found.append({**told, "next": self._next(tune, nbest)})
        return found

    def sample(
        self,
        prompt: str = "",
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        length: int = 3000,
        min_length: int = 0,
        seed: int | None = None,
    ) -> dict[str, Any]:
        """A tune that goes on from a prompt: its chords, the share of notes in key, every note with its beats.

        Args:
            prompt: A genre, notes (``"C4 E4+G4"``), both, or nothing.
            temperature: Below 1 bolder than the model, above 1 more even; 0 always takes the likeliest event.
            top_k: Draw from the k likeliest events; None: all.
            top_p: Draw from the fewest likeliest events that hold this share of the probability.
            length: Most events to draw.
            min_length: Do not end before this many events.
            seed: Of the draws, the same as of the model that was exported; None: another each time.

        Raises:
            UserError: If an option is out of range, or there is no such genre.
        """
        pieces = list(self._pieces(prompt, (temperature, top_k, top_p, length, min_length, seed)))
        tune = Tune.of([note for _, chord in pieces for note in chord])
        return drawn_data([word for word, _ in pieces], tune, self.grid)

    def stream(
        self,
        prompt: str = "",
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        length: int = 3000,
        min_length: int = 0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """The names of :meth:`sample`, chord by chord as they are drawn; arguments and errors as there."""
        pieces = self._pieces(prompt, (temperature, top_k, top_p, length, min_length, seed))
        return (f" {word}" if number else word for number, (word, _) in enumerate(pieces))

    def _pieces(self, prompt: str, options: tuple[Any, ...]) -> Iterator[tuple[str, list[Note]]]:
        settings = asked(*options)
        genre, tune = read_prompt(prompt.strip(), self.genres, self.grid)
        ids = self.events.begin(genre, tune)
        return self.events.pieces(chain(ids, self._drawn(ids, settings)))

    def _drawn(self, ids: Sequence[int], settings: Sampling) -> Iterator[int]:
        scores, _, read = self._going_on(ids)
        yield from drawn(scores, read, settings, end=Events.END)

    def _going_on(self, ids: Sequence[int]) -> tuple[Array, State, Callable[[int], Array]]:
        """What may follow some tokens, ``[V]``, the state there, and what reads one more and tells it anew."""
        state = self.step.zeros(1)

        def read(token: int) -> Array:
            nonlocal state
            made, state = self.step(state, inputs=[token])
            scores: Array = self._well_formed(made["log_probs"], np.array([token]))[0]
            return scores

        for token in (NOTHING, *ids):
            scores = read(token)
        return scores, state, read

    def _well_formed(self, log_probs: Array, tokens: Array) -> Array:
        """Log-probabilities ``[N, V]`` after tokens, without what is no tune, such as a duration without a pitch."""
        found: Array = np.where(self.forbidden[tokens], -np.inf, log_probs.astype(np.float64))
        return found

    def _next(self, tune: Tune, most: int) -> list[dict[str, Any]]:
        now, state, _ = self._going_on(self.events.encode(tune, end=False))
        moves = np.arange(Events.MOVE + 1, Events.MOVE + 1 + LONGEST)
        made, _ = self.step({name: np.repeat(value, LONGEST, 1) for name, value in state.items()}, inputs=moves)
        later = self._well_formed(made["log_probs"], moves)
        return [asdict(each) for each in self.events.likely(_shares(now), _shares(later), most, self.grid)]


def _shares(scores: Array) -> Array:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    found: Array = weights / weights.sum(-1, keepdims=True)
    return found
