"""Music as events: a language model of notes, its judgement and its samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from throughtime.applications.options import TokenDrawing
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.readable import unigram
from throughtime.applications.settings import option
from throughtime.applications.task import Report, Table
from throughtime.data import TokenBatch
from throughtime.decoding import Sampling, TextDecoder, perplexity, sample
from throughtime.models import LanguageModel, LanguageModelConfig, State
from throughtime.runtime.music.events import LONGEST, Events, Likely
from throughtime.runtime.music.tunes import Note, Tune, room
from throughtime.tasks.music.keys import hard_table
from throughtime.tasks.music.tunes import FEWEST, MusicSettings, TuneExample

UNTOLD = 0.2
"""Share of the tunes whose genre training does not tell, so that a model can go on from notes alone."""


EVENTS_GUESSED = tuple(
    Baseline(
        figure,
        f"unigram_{figure}",
        "how often each event stands in the training data, whatever came before, tells more than the model does",
        higher=False,
    )
    for figure in ("nats_per_event", "perplexity")
)
"""Beside which a model of events stands."""


class EventDrawing(TokenDrawing):
    """Of a new tune, event by event: what may be asked of it."""

    prompt: str = option("", "What to go on from: a genre, notes (C4 E4+G4), both, or a MIDI file.", "Drawing")
    length: int = option(3000, "Most events to draw, of a tune that does not end.", "Drawing", ge=1)


class EventModel:
    """Tunes as tokens.

    Args:
        settings: Of the run.
        vocabulary: What :meth:`learn` found.
    """

    step = "event"
    unit = "notes"
    time = "beats"
    drawing = EventDrawing

    def __init__(self, settings: MusicSettings, vocabulary: Mapping[str, Any]) -> None:
        self.settings, self.vocabulary = settings, vocabulary
        self.genres: Sequence[str] = vocabulary["genres"]
        self.events = Events(self.genres)
        self.grid = settings.grid("events")
        if len(vocabulary["seen"]) != len(Events()):
            raise ValueError(f"expected how often each of {len(Events())} events was 'seen'")

    @staticmethod
    def learn(train: Sequence[TuneExample]) -> dict[str, Any]:
        """Genres that are not too rare, and how often each event stands in the data."""
        counts = Counter(example.genre for example in train)
        genres = sorted(genre for genre, count in counts.items() if genre and count >= FEWEST)
        return {"genres": genres, "seen": _counts(train)}

    def build(self) -> LanguageModel:
        """The language model of events."""
        config = LanguageModelConfig(
            vocabulary=len(self.events), embedding=self.settings.embedding, **self.settings.stack()
        )
        return LanguageModel(config, engine=self.settings.engine)

    def initialise(self, model: LanguageModel) -> None:
        """Everything starts at random."""

    def size(self, example: TuneExample) -> int:
        """Events, near enough."""
        return len(example.notes)

    def batch(self, examples: Sequence[TuneExample], moved: bool) -> TokenBatch:
        """Tokens; ``moved`` by random semitones as the settings say, some genres untold."""
        texts = []
        for example in examples:
            ids = self.events.encode(example.tune, example.genre)
            if moved:
                if ids[0] >= Events.GENRE and float(torch.rand(())) < UNTOLD:
                    ids = ids[1:]
                if self.settings.transpose:
                    low, high = room([pitch for *_, pitch in example.notes], self.settings.transpose)
                    ids = self.events.moved(ids, int(torch.randint(low, high + 1, ())))
            texts.append(ids)
        return TokenBatch.of(texts)

    @staticmethod
    def nats(model: LanguageModel, batch: TokenBatch) -> list[Tensor]:
        """Of every event of every tune, its genre left out: that is given."""
        log_probs, _ = model.log_probs(batch)
        told = (batch.targets[:, 0] >= Events.GENRE).long().tolist()
        rows = zip(-log_probs, told, batch.lengths.tolist(), strict=True)
        return [row[first:length] for row, first, length in rows]

    def report(self, model: LanguageModel, examples: Sequence[TuneExample], batches: Any) -> Report:
        """Nats an event and a beat, perplexity, beside those of guessing by frequency; by genre; the hardest tunes."""
        total: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
        hardest: list[tuple[float, TuneExample]] = []
        for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True):
            for number, found in zip(chosen, self.nats(model, batch), strict=True):
                example = examples[number]
                row = [float(found.double().sum()), len(found), example.steps / self.grid, 1]
                total[example.genre] = [a + b for a, b in zip(total[example.genre], row, strict=True)]
                hardest.append((float(found.mean()), example))
        nats, events, beats, tunes = (sum(column) for column in zip(*total.values(), strict=True))
        guessed = self.guess(examples).value
        figures = {
            "nats_per_event": nats / events,
            "perplexity": perplexity(nats / events),
            "nats_per_beat": nats / beats,
            "unigram_nats_per_event": guessed,
            "unigram_perplexity": perplexity(guessed),
            "tunes": int(tunes),
            "events": int(events),
            "beats": beats,
        }
        rows: list[list[str | float]]
        rows = [[genre or "none", n / e, n / b, int(t)] for genre, (n, e, b, t) in sorted(total.items())]
        by_genre = Table("by genre", ["genre", "nats an event", "nats a beat", "tunes"], rows)
        return Report(figures, [by_genre, hard_table(hardest, "nats an event")])

    def first(self, example: TuneExample, most: int) -> str:
        """The first events, the genre before them, if it is known."""
        tokens = self.events.encode(example.tune, example.genre)
        found = [self.events.name(token, self.grid) for token in tokens[:most]]
        return " · ".join([*found, *["…"] * (len(tokens) > most)])

    def guess(self, examples: Sequence[TuneExample]) -> Guess:
        """Every event as often as in the training data, its genre left out."""
        nats = unigram(self.vocabulary["seen"], _counts(examples))
        return Guess("nats", nats, "each event as often as in the training data", higher=False)

    def next(self, model: LanguageModel, tune: Tune, most: int) -> list[Likely]:
        """The likeliest notes after a tune, each where it begins; or the tune's end."""
        decoder = TextDecoder(WellFormed(model, self.events), self.events.encode(tune, end=False))
        log_probs, state = decoder.begin()
        moves = torch.arange(Events.MOVE + 1, Events.MOVE + 1 + LONGEST)
        moved, _ = decoder.step(moves, decoder.reorder(state, torch.zeros_like(moves)))
        now, later = (part.detach().numpy() for part in (log_probs[0].softmax(0), moved.softmax(1)))
        return self.events.likely(now, later, most, self.grid)

    def prompt(self, genre: str, tune: Tune) -> list[int]:
        """The tokens to go on from.

        Raises:
            UserError: If there is no such genre.
        """
        return self.events.begin(genre, tune)

    def surprise(self, tune: Tune, nats: Tensor) -> list[tuple[float, float]]:
        """Every step at which something happens, with the nats of its events."""
        found: dict[float, float] = defaultdict(float)
        for step, value in zip(self.events.steps(self.events.encode(tune)), nats.tolist(), strict=True):
            found[step] += value
        return sorted(found.items())

    def draw(self, model: LanguageModel, prompt: list[int], sampling: Sampling) -> Iterator[tuple[str, list[Note]]]:
        """Chord by chord, those of the prompt first: the names of its notes, and the notes; before them the genre."""
        drawn = sample(WellFormed(model, self.events), prompt, sampling, eos=Events.END)
        yield from self.events.pieces(chain(prompt, drawn))

    @staticmethod
    def drawn(chords: Sequence[list[Note]]) -> Tune:
        """The tune of chords that were drawn."""
        return Tune.of([note for chord in chords for note in chord])


def _counts(examples: Sequence[TuneExample]) -> list[int]:
    """How often each event stands in tunes, genres left out."""
    events = Events()
    seen = Counter(token for example in examples for token in events.encode(example.tune))
    return [seen[token] for token in range(len(events))]


class WellFormed:
    """A language model of events that gives no probability to what is no tune, such as a duration without a pitch.

    Args:
        model: The model.
        events: Its tokens.
    """

    def __init__(self, model: LanguageModel, events: Events) -> None:
        self.model = model
        self.forbidden = torch.from_numpy(~events.follows())

    def next_log_probs(self, tokens: Tensor, state: Mapping[str, Tensor] | None = None) -> tuple[Tensor, Any]:
        """As of the model; :data:`throughtime.data.NOTHING` stands for the beginning."""
        log_probs, state = self.model.next_log_probs(tokens, state)
        return log_probs.cpu().masked_fill(self.forbidden[tokens[:, -1]], -torch.inf), state

    def stream(self, state: Mapping[str, Tensor], *, weights: str = "float32") -> WellFormedStream:
        """As of the model."""
        return WellFormedStream(self, state, weights)


class WellFormedStream:
    """Goes on token by token; see :class:`throughtime.decoding.TokenStream`.

    Args:
        model: Whose stream it is.
        state: Where it begins.
        weights: What matrices are kept in.
    """

    def __init__(self, model: WellFormed, state: Mapping[str, Tensor], weights: str = "float32") -> None:
        self.forbidden, self.inner = model.forbidden, model.model.stream(state, weights=weights)

    def step(self, tokens: Tensor) -> Tensor:
        """Reads a token a row, ``[N]``; gives the next ones' log-probabilities ``[N, V]``."""
        return self.advance(tokens.tolist())

    def advance(self, tokens: Sequence[int]) -> Tensor:
        """As :meth:`step`."""
        return self.inner.advance(tokens).cpu().masked_fill(self.forbidden[tokens], -torch.inf)

    @property
    def state(self) -> State:
        """``[layers, N, width]`` by name; a copy. Set to one of other rows, the stream goes on with these."""
        return self.inner.state

    @state.setter
    def state(self, state: Mapping[str, Tensor]) -> None:
        """Sets it."""
        self.inner.state = state
