"""What the tasks on sentences share: the words and letters that are known, and what a network reads of them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NotRequired, TypeVar

from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from throughtime.applications.application import Application, Where
from throughtime.applications.folder.learnt import Count, Open
from throughtime.applications.settings import ExampleSettings, option
from throughtime.data.text.vectors import WordVectors, read_vectors
from throughtime.data.text.words import WordReader
from throughtime.data.vocabulary import UNKNOWN, Vocabulary
from throughtime.models.inputs.words import Spelling, WordInputConfig
from throughtime.runtime.text.words import shape_of

UNSEEN = 50_000
"""First words of a file of vectors that are known even where the training data does not have them."""

ExampleT = TypeVar("ExampleT", bound=Where)


class WordSettings(ExampleSettings):
    """What training on sentences takes."""

    lowercase: bool = option(True, "Look words up in lower case; their letters stay as they are.", "Data")
    min_count: int = option(2, "Rarer words become UNK.", "Data", ge=1)
    vectors: str | None = option(None, "Pretrained vectors: a text file of GloVe, word2vec or fastText.", "Data")
    shapes: bool = option(False, "Read how words are written: capitals, digits, signs.", "Model")
    spelling: Spelling = option("none", "Reads the letters of words: none, rnn, cnn.", "Model")
    letter: int = option(32, "Features of a letter's embedding.", "Model", ge=1, le=2**24)
    spelled: int = option(64, "Features of a word's spelling; even.", "Model", ge=2, multiple_of=2, le=2**24)
    dropout: float = option(0.5, "Of words and letters, between layers and before the output.", "Model", ge=0, lt=1)
    word_dropout: float = option(0.1, "Words read as UNK while training.", "Model", ge=0, lt=1)


class KnownWords(TypedDict):
    """What ``vocabulary.json`` holds of words."""

    words: Open
    characters: Open
    shapes: NotRequired[Open]
    embedding: Annotated[int, Field(ge=1, le=1 << 16)]
    covered: Annotated[list[Count], Field(min_length=2, max_length=2)]
    seen: Annotated[list[Count], Field(min_length=2, max_length=2)]


class WordApplication(Application[ExampleT]):
    """A task on sentences."""

    unit = "words"

    def __init__(self, settings: Any, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        letters = Vocabulary(vocabulary["characters"]) if settings.spelling != "none" else None
        shapes = Vocabulary(vocabulary["shapes"]) if settings.shapes else None
        self.reader = WordReader(Vocabulary(vocabulary["words"]), letters, settings.lowercase, shapes)

    def exported_words(self) -> dict[str, bytes]:
        """The words, letters and shapes that the model reads, as a file for its runner."""
        known = {"words": self.reader.words, "characters": self.reader.characters, "shapes": self.reader.shapes}
        told = {name: None if found is None else found.symbols for name, found in known.items()}
        return {"vocabulary.json": (json.dumps(told, ensure_ascii=False) + "\n").encode()}

    @staticmethod
    def learn_words(sentences: Sequence[Sequence[str]], settings: WordSettings) -> dict[str, Any]:
        """Words, those of pretrained vectors among them, and letters: a part of what a task learns."""
        words = [word for sentence in sentences for word in sentence]
        counts = Counter(word.lower() if settings.lowercase else word for word in words)
        vectors = _vectors_of(settings, counts)
        known = Vocabulary.learn(counts.elements(), min_count=settings.min_count).symbols
        there = vectors.vectors.keys() - {UNKNOWN}
        known += sorted(there - set(known))
        if settings.vectors is not None:
            _KEPT[:] = [_Kept(_identity(settings.vectors), known, vectors.vectors)]
        return {
            "words": known,
            "characters": Vocabulary.learn(letter for word in words for letter in word).symbols,
            "shapes": Vocabulary.learn(map(shape_of, words), min_count=settings.min_count).symbols,
            "embedding": vectors.size,
            "covered": [sum(word in there for word in words) for words in (counts, counts.elements())],
            "seen": [len(counts), counts.total()],
        }

    def word_input(self) -> WordInputConfig:
        """What a network reads of a word."""
        settings = self.settings
        return WordInputConfig(
            words=len(self.reader.words),
            embedding=self.vocabulary["embedding"],
            characters=len(self.vocabulary["characters"]),
            spelling=settings.spelling,
            shapes=len(self.reader.shapes or ()),
            letter=settings.letter,
            spelled=settings.spelled,
            cell=settings.cell,
            dropout=settings.dropout,
            word_dropout=settings.word_dropout,
        )

    @classmethod
    def begins_with(cls, settings: WordSettings) -> Sequence[str]:
        """The file of vectors."""
        return [] if settings.vectors is None else [settings.vectors]

    def initialise(self, model: Any) -> None:
        """Words that the file of vectors has start from there."""
        if self.settings.vectors is not None:
            words = self.reader.words
            found = _start_values(self.settings.vectors, words)
            model.inputs.start_from({words.ids([word])[0]: vector for word, vector in found.items()})

    def seen(self, step: str) -> str:
        """In lower case where words are looked up so."""
        word = step.lower() if self.settings.lowercase else step
        return word if word in self.reader.words else f"UNK({word})"

    def summarise(self, model: Any) -> str:
        """The model, the words it knows, and the share of them that have pretrained vectors."""
        shown = f"{len(self.reader.words):,} words, {super().summarise(model)}"
        if self.settings.vectors is None:
            return shown
        covered, seen = self.vocabulary["covered"], self.vocabulary["seen"]
        words, running = (100 * c / max(1, n) for c, n in zip(covered, seen, strict=True))
        return f"vectors: {words:.1f} % of the different words, {running:.1f} % of the running words covered\n{shown}"


def _vectors_of(settings: WordSettings, seen: Mapping[str, int]) -> WordVectors:
    """Vectors of the words seen, of UNK, and of the commonest others."""
    if settings.vectors is None:
        return WordVectors(settings.embedding, {})
    return read_vectors(Path(settings.vectors), lambda word: word in seen or word == UNKNOWN, first=UNSEEN)


class _Kept(NamedTuple):
    """Vectors of a file as it was read to learn a vocabulary, until the model that starts from them is there."""

    file: tuple[object, ...]
    words: Sequence[str]
    vectors: Mapping[str, Tensor]


_KEPT: list[_Kept] = []
"""At most one: they are large."""


def _identity(path: str) -> tuple[object, ...]:
    """What tells whether a file is the one that was read; nothing where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return os.path.abspath(path), found.st_ino, found.st_size, found.st_mtime_ns


def _start_values(path: str, words: Vocabulary) -> Mapping[str, Tensor]:
    """A file's vectors of the words that are known: those kept, where they are these; else the file is read."""
    kept = [each for each in _KEPT if each.file == _identity(path) and each.words == words.symbols]
    _KEPT.clear()
    return kept[0].vectors if kept and kept[0].file else read_vectors(Path(path), words.__contains__).vectors
