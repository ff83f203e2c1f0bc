"""Notes that are read, and drawn, as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from throughtime.applications.live import Output, Takes
from throughtime.applications.live.following import Following, asked_to_draw, seeded
from throughtime.applications.live.parts import checked_options, inside
from throughtime.applications.options import Ranked
from throughtime.applications.settings import check_settings
from throughtime.data import NOTHING
from throughtime.decoding.drawing import Draws
from throughtime.errors import UserError, shown
from throughtime.models import LanguageModel
from throughtime.models.streams import SideBySide
from throughtime.runtime.music.events import Events
from throughtime.runtime.music.items import FINE, fine_notes
from throughtime.runtime.music.tunes import Note, Tune, tune_data
from throughtime.tasks.music.events import EventDrawing
from throughtime.tasks.music.live_keys import key_of

ASKED = tuple(name for name in EventDrawing.model_fields if name not in ("prompt", "weights"))
"""Of drawing: the stream itself is the prompt."""


class LiveEvents:
    """How a model of events reads streams: notes in the order in which they begin.

    Args:
        model: Of events.
        events: Its tokens.
        grid: Steps of a beat.
    """

    takes: Takes = "notes"

    def __init__(self, model: LanguageModel, events: Events, grid: int) -> None:
        self.model, self.events, self.grid = model, events, grid
        self.forbidden = ~events.follows()
        self.facts: Mapping[str, Any] = {
            "step": "event",
            "grid": grid,
            "genres": list(events.genres),
            "options": ["nbest", "genre"],
        }

    def side_by_side(self) -> SideBySide:
        """The model, over any number of streams."""
        return SideBySide(self.model.stream())

    def open(self, said: Mapping[str, Any]) -> EventReader:
        """Begins a stream.

        Args:
            said: ``nbest``, how many of the likeliest next events are told; ``genre``, of the tune.

        Raises:
            UserError: If something else is said, or there is no such genre.
        """
        genre = checked_options(said, ["nbest", "genre"]).get("genre", "")
        if not isinstance(genre, str):
            raise UserError(f"genre: expected a text, got {shown(genre)}")
        asked = {name: value for name, value in said.items() if name != "genre"}
        reader = EventReader(self, check_settings(Ranked, asked).nbest)
        reader.genre = self.events.begin(genre, Tune((), 0))
        return reader

    def load(self, dumped: Mapping[str, Any]) -> EventReader:
        """A stream that goes on where it was dumped."""
        reader = EventReader(self, dumped["nbest"])
        reader.read_dumped(dumped)
        return reader

    def piece(self, line: str, where: str) -> Any:
        """A note: beats from the beginning to its own, its length in beats, its MIDI number or name.

        Raises:
            UserError: If it is none.
        """
        words = line.split()
        try:
            return (
                [(float(start), float(length), key_of(key, where)) for start, length, key in [words]] if words else []
            )
        except ValueError:
            raise UserError(f"{where}: expected a note such as: 0 1.5 C4, got {shown(line.strip())}") from None

    def shown(self, event: Mapping[str, Any]) -> str:
        """Every event with its nats; then what is likeliest next."""
        if "nats_per_event" in event:
            return f"{event['events']:,} events, {event['nats_per_event']:.3f} nats per event"
        read = "  ".join(f"{each['event']} {-each['log_prob']:.3f}" for each in event["events"])
        likely = ", ".join(f"{each['event']} ({100 * each['probability']:.0f} %)" for each in event["next"])
        return f"{read}  next: {likely}"


class EventReader(Following[int]):
    """One tune, of which every event is told with its log-probability, in nats, given those before.

    A piece is notes ``(start, length, pitch)`` in beats, none of which begins before one that came earlier; or
    ``{"draw": {…}}`` with options of drawing: the tune then goes on by itself. The notes that begin last wait for those
    that may begin with them.

    Args:
        live: Of which model.
        nbest: How many of the likeliest next events are told.
    """

    def __init__(self, live: LiveEvents, nbest: int) -> None:
        super().__init__(NOTHING)
        self.live, self.nbest = live, nbest
        self.genre: list[int] = []
        self.origin: int | None = None  # where the first note begins, on the fine grid of notes that are given
        self.held: list[Note] = []  # those that begin last
        self.now, self.last, self.pitch = 0, NOTHING, -1
        self.draws: Draws | None = None
        self.generator = torch.Generator()
        self.options, self.left = EventDrawing(), 0
        self.events: list[tuple[int, float]] = []
        self.notes: list[Note] = []
        self.count, self.total = 0, 0.0

    def push(self, piece: Any) -> Sequence[int]:
        """The events that are complete with this piece; one that is drawn, where drawing is asked for.

        Raises:
            UserError: If it has no notes in their order, and is no request to draw.
        """
        asked = asked_to_draw(piece)
        if asked is None:
            tokens, self.drawing = self._tokens(inside(piece, "notes")), False
            return self._read(tokens)
        self._ask(check_settings(EventDrawing, checked_options(asked, ASKED)), None)
        inputs = self._read(self._held())
        self.left, self.drawing = self.options.length, True
        return [*inputs, *self.go_on()]

    def _ask(self, options: EventDrawing, state: Any) -> None:
        self.options, self.generator = options, seeded(options.seed)
        if state is not None:
            self.generator.set_state(torch.from_numpy(state.copy()))
        self.draws = Draws(options.sampling(), self.generator)

    def end(self) -> Sequence[int]:
        """The last notes, and the tune's end."""
        return self._read([*self._held(), Events.END])

    def _read(self, tokens: Sequence[int]) -> list[int]:
        genre, self.genre = self.genre, []
        return self.read([*genre, *tokens])

    def read(self, items: Sequence[int]) -> list[int]:
        """The inputs that tokens are; keeps time."""
        for token in items:
            self.last = token
            if Events.MOVE < token < Events.GENRE:
                self.now += token - Events.MOVE
            elif Events.FOR < token <= Events.MOVE:
                self.notes.append((self.now, token - Events.FOR, self.pitch))
            elif Events.PITCH <= token <= Events.FOR:
                self.pitch = token - Events.PITCH
        return super().read(items)

    def _tokens(self, notes: Any) -> list[int]:
        """Those of notes before the last ones that begin together."""
        if not isinstance(notes, list | tuple | np.ndarray):
            raise UserError(f"expected notes (start, length, pitch), got {shown(notes)}")
        found: list[int] = []
        for start, length, pitch in fine_notes(notes, "a stream"):
            self.origin = start if self.origin is None else self.origin
            begin, end = (round((at - self.origin) * self.live.grid / FINE) for at in (start, start + length))
            if begin < (self.held[0][0] if self.held else self.now):
                raise UserError(f"expected notes in the order in which they begin, got one at {start / FINE:g} beats")
            if self.held and begin > self.held[0][0]:
                found += self._held(self.now + sum(token - Events.MOVE for token in found if token > Events.MOVE))
            self.held.append((begin, max(1, end - begin), pitch))
        return found

    def _held(self, now: int | None = None) -> list[int]:
        """The tokens of the notes that begin last, from the step ``now`` on, which no others join."""
        now = self.now if now is None else now
        chord, self.held = Tune.of([(start - now, length, pitch) for start, length, pitch in self.held]), []
        return self.live.events.encode(chord, end=False)

    def account(self, item: int, scores: Output) -> None:
        """Takes down an event's log-probability; a genre is given, and no event."""
        if item >= Events.GENRE:
            return
        log_prob = float(scores[item])
        self.events.append((item, log_prob))
        self.count, self.total, self.news = self.count + 1, self.total + log_prob, True

    def draw(self, scores: Output) -> int | None:
        """The next event that a tune may have there; None at the end, which parts no pitch from its duration."""
        unfinished = Events.PITCH <= self.last <= Events.FOR
        if self.draws is None or (self.left <= 0 and not unfinished):
            return None
        drawn, self.left = self.options.length - self.left, self.left - 1
        never = [Events.END] if drawn < self.options.min_length else []
        token = self.draws(self._allowed(scores), never)
        self.ended = token == Events.END
        return None if self.ended else token

    def _allowed(self, scores: Output) -> Output:
        return np.where(self.live.forbidden[self.last], np.float32(-np.inf), scores)

    def partial(self) -> dict[str, Any] | None:
        """The events and notes that were read since it was asked, and the likeliest events after them."""
        if not self.news:
            return None
        self.news = False
        (events, self.events), (notes, self.notes) = (self.events, []), (self.notes, [])
        grid = self.live.grid
        told: dict[str, Any] = {
            "events": [{"event": self.live.events.name(token, grid), "log_prob": value} for token, value in events],
            "notes": tune_data(Tune(tuple(notes), 0), grid),
        }
        return told | {"next": self._next()} | self.told_drawing()

    def _next(self) -> list[dict[str, Any]]:
        if self.scores is None:
            return []
        scores = self._allowed(self.scores).astype(np.float64)
        chances = np.exp(scores - np.logaddexp.reduce(scores))
        best = np.argsort(-scores, kind="stable")[: self.nbest].tolist()
        names = (self.live.events.name(token, self.live.grid) for token in best)
        return [{"event": name, "probability": float(chances[token])} for name, token in zip(names, best, strict=True)]

    def final(self) -> dict[str, Any]:
        """The surprise of the whole tune, its end counted."""
        return {"nats_per_event": -self.total / self.count, "events": self.count}

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        return self.dump_following() | {
            "nbest": self.nbest,
            "reading": list(self.reading),
            "genre": self.genre,
            "origin": self.origin,
            "held": [list(note) for note in self.held],
            "place": [self.now, self.last, self.pitch, self.left],
            "options": None if self.draws is None else self.options.model_dump(exclude_defaults=True),
            "generator": self.generator.get_state().numpy(),
            "events": [list(event) for event in self.events],
            "notes": [list(note) for note in self.notes],
            "count": self.count,
            "total": self.total,
        }

    def read_dumped(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.load_following(dumped, dumped["reading"])
        if dumped["options"] is not None:
            self._ask(check_settings(EventDrawing, dumped["options"]), dumped["generator"])
        self.now, self.last, self.pitch, self.left = dumped["place"]
        self.genre, self.origin = dumped["genre"], dumped["origin"]
        self.held = [(start, length, pitch) for start, length, pitch in dumped["held"]]
        self.events = [(token, value) for token, value in dumped["events"]]
        self.notes = [(start, length, pitch) for start, length, pitch in dumped["notes"]]
        self.count, self.total = dumped["count"], dumped["total"]
