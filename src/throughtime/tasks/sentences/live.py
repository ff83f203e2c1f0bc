"""Words of sentences as they come, and the names that are found in them so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from throughtime.applications.live import Output, Takes
from throughtime.applications.live.parts import checked_options
from throughtime.applications.live.texts import LONGEST, HeldText
from throughtime.applications.options import Columned, Ranked, Tabled
from throughtime.applications.settings import check_settings
from throughtime.data.text.words import WordReader
from throughtime.errors import UserError
from throughtime.models import Tagger, WordInput
from throughtime.models.streams import HeadedStream, SideBySide, score_head
from throughtime.runtime.remarks import TOO_LONG
from throughtime.runtime.text.tags import Span, find_spans
from throughtime.runtime.text.words import Word, find_words, split_sign

REMEMBERED = 4096
"""Words whose features are kept: a few hundred make up most of a text."""


class EntityOptions(Ranked, Columned, Tabled):
    """Of the entities of a sentence: what may be asked of it."""


class WordFeatures:
    """What a network reads of a word, each computed by itself, so that no bit depends on the words beside it.

    Args:
        reader: Of the model.
        inputs: Of the model.
    """

    def __init__(self, reader: WordReader, inputs: WordInput) -> None:
        self.reader, self.inputs = reader, inputs
        self.of: Callable[[str], Output] = lru_cache(REMEMBERED)(self._of)

    @torch.no_grad()
    def _of(self, word: str) -> Output:
        features: Output = self.inputs(self.reader.batch([[word]]))[0, 0].numpy(force=True)
        return features


class WordFeed:
    """Words of a text that comes in pieces; each is read as soon as white space follows it.

    Args:
        features: Of words.
        split: Makes several words of one.
    """

    def __init__(self, features: WordFeatures, split: Callable[[Word], Sequence[Word]] = lambda word: [word]) -> None:
        self.features, self.split = features, split
        self.text, self.at = HeldText(), 0
        self.read = ""
        """The text that the last piece completed."""
        self.words: list[Word] = []
        """Of that text, each with its place in all of it."""

    def push(self, piece: Any) -> Sequence[Output]:
        """The features of the words that are complete with this piece.

        Raises:
            UserError: If it is no text.
        """
        return self._read(self.text.push(piece))

    def end(self) -> Sequence[Output]:
        """Those of the last word."""
        return self._read(self.text.end())

    def _read(self, text: str) -> list[Output]:
        found = [part for word in find_words(text) for part in self.split(word)]
        self.words = [Word(word.text, self.at + word.start, self.at + word.end) for word in found]
        self.read, self.at = text, self.at + len(text)
        return [self.features.of(word.text) for word in found]

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        return {"held": self.text.held, "at": self.at}

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.text.held, self.at = dumped["held"], dumped["at"]


class Course:
    """The likeliest labels of all steps so far, as :class:`throughtime.layers.crf.CRF` finds them at the end.

    Args:
        transitions: ``[K + 1, K + 1]``, from row to column; the last row stands for the beginning, the last column for
            the end.

    Example:
        >>> course = Course(np.array([[0.0, -9.0, 0.0], [-9.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
        >>> course.add(np.array([1.0, 0.0])), course.labels()
        (None, [0])
        >>> course.add(np.array([0.0, 3.0])), course.labels()
        (None, [1, 1])
    """

    def __init__(self, transitions: npt.NDArray[np.float64]) -> None:
        self.inner, self.start, self.end = transitions[:-1, :-1], transitions[-1, :-1], transitions[:-1, -1]
        self.ways: npt.NDArray[np.float64] | None = None  # the score of the best way to each label
        self.origins: list[npt.NDArray[np.int64]] = []  # the label before each, on its best way
        self.found: list[int] = []

    def add(self, scores: npt.NDArray[Any]) -> None:
        """A step, by the score of every label."""
        if self.ways is None:
            self.ways = self.start + scores
            return
        reached = self.ways[:, None] + self.inner
        self.origins.append(reached.argmax(0))
        self.ways = reached.max(0) + scores

    def labels(self) -> list[int]:
        """The likeliest; only what is not as it was is sought anew."""
        if self.ways is None:
            return []
        label, known = int((self.ways + self.end).argmax()), len(self.found)
        self.found += [-1] * (len(self.origins) + 1 - known)
        for at in range(len(self.origins), -1, -1):
            if self.found[at] == label:
                break  # one way leads here, and it was taken before
            self.found[at] = label
            label = int(self.origins[at - 1][label]) if at else label
        return self.found


Tell = Callable[[str, Sequence[Word], torch.Tensor, EntityOptions], dict[str, Any]]
"""What is told of a text: its words, their scores ``[T, K]``, what is asked for."""


class LiveTags:
    """How a one-way tagger reads streams.

    Args:
        model: The tagger.
        features: Of words.
        tags: Of its labels.
        tell: What is told at the end.
    """

    takes: Takes = "text"

    def __init__(self, model: Tagger, features: WordFeatures, tags: Sequence[str], tell: Tell) -> None:
        self.model, self.features, self.tags, self.tell = model, features, tags, tell
        types = sorted({tag[2:] for tag in tags if tag[2:]})
        self.facts: Mapping[str, Any] = {"types": types, "options": ["nbest"]}

    def side_by_side(self) -> SideBySide:
        """The model, over any number of streams."""
        return SideBySide(HeadedStream(self.model.stack, score_head(self.model.linear)))

    def open(self, said: Mapping[str, Any]) -> TagReader:
        """Begins a stream.

        Args:
            said: ``nbest``, how many ways to find entities are told at the end.

        Raises:
            UserError: If something else is said.
        """
        return TagReader(self, check_settings(EntityOptions, checked_options(said, ["nbest"])))

    def load(self, dumped: Mapping[str, Any]) -> TagReader:
        """A stream that goes on where it was dumped."""
        reader = TagReader(self, check_settings(EntityOptions, dumped["options"]))
        reader.read_dumped(dumped)
        return reader

    def piece(self, line: str, where: str) -> str:
        """A line as it is."""
        return line

    def shown(self, event: Mapping[str, Any]) -> str:
        """The entities, each with its type."""
        return "  ".join(f"{each['text']} [{each['type']}]" for each in event["entities"]) or "(none)"


class TagReader:
    """One text, whose words are tagged by all that came so far.

    Args:
        live: Of which model.
        options: What is asked for.
    """

    def __init__(self, live: LiveTags, options: EntityOptions) -> None:
        self.live, self.options = live, options
        self.feed = WordFeed(live.features, split_sign)
        self.course = Course(live.model.crf.scores_between().detach().double().numpy(force=True))
        self.line, self.told = "", 0
        self.words: list[Word] = []
        self.scores: list[Output] = []

    def push(self, piece: Any) -> Sequence[Output]:
        """The features of the words that are complete with this piece.

        Raises:
            UserError: If it is no text, or there are too many words.
        """
        return self._read(self.feed.push(piece))

    def end(self) -> Sequence[Output]:
        """Those of the last word."""
        return self._read(self.feed.end())

    def _read(self, features: Sequence[Output]) -> Sequence[Output]:
        self.line += self.feed.read
        self.words += self.feed.words
        if len(self.words) > TOO_LONG or len(self.line) > LONGEST:
            raise UserError(
                f"expected at most {TOO_LONG:,} words, as all of their tags depend on one another, got more; end the "
                "stream where a sentence ends, and open another one"
            )
        return features

    def take(self, output: Output) -> Sequence[Output]:
        """Takes the scores of a word's labels."""
        scores = self.live.model.lift_scores(torch.from_numpy(output).to(self.live.model.lift)).numpy(force=True)
        self.scores.append(scores)
        self.course.add(scores)
        return ()

    def partial(self) -> dict[str, Any] | None:
        """The entities so far, by the likeliest tags, where there were further words."""
        if self.told == len(self.scores):
            return None
        self.told = len(self.scores)
        tags = [self.live.tags[label] for label in self.course.labels()]
        return {"entities": [self._entity(span) for span in find_spans(tags)], "steps": self.told}

    def _entity(self, span: Span) -> dict[str, Any]:
        start, end = self.words[span.start].start, self.words[span.end - 1].end
        return {"start": start, "end": end, "type": span.label, "text": self.line[start:end]}

    def final(self) -> dict[str, Any]:
        """The entities, each with its confidence."""
        labels = len(self.live.tags)
        scores = torch.from_numpy(np.stack(self.scores)) if self.scores else torch.zeros(0, labels)
        return self.live.tell(self.line, self.words, scores, self.options)

    def dump(self) -> dict[str, Any]:
        """All that it holds."""
        return {
            "options": self.options.model_dump(exclude_defaults=True),
            "feed": self.feed.dump(),
            "line": self.line,
            "told": self.told,
            "words": [list(word) for word in self.words],
            "scores": np.stack(self.scores) if self.scores else None,
        }

    def read_dumped(self, dumped: Mapping[str, Any]) -> None:
        """Takes over what :meth:`dump` gave."""
        self.feed.load(dumped["feed"])
        self.line, self.told = dumped["line"], dumped["told"]
        self.words = [Word(*word) for word in dumped["words"]]
        self.scores = [] if dumped["scores"] is None else list(dumped["scores"])
        for scores in self.scores:
            self.course.add(scores)
