"""How words are spoken: letters to sounds, learnt from a pronouncing dictionary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from rapidfuzz.distance import Levenshtein
from rich.text import Text
from typing_extensions import TypedDict

from throughtime.applications.application import unknown_label
from throughtime.applications.exported import Exported
from throughtime.applications.folder.learnt import Closed, Open
from throughtime.applications.memory import rows, write_texts
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.inputs import Asked, Column, Inputs
from throughtime.applications.settings import option
from throughtime.applications.task import Report, Table
from throughtime.data.tables.rows import TABLES
from throughtime.data.text.pairs import PairBatch
from throughtime.data.vocabulary import Vocabulary
from throughtime.runtime.pairs import BEAM
from throughtime.runtime.remarks import of_pronunciation
from throughtime.tasks.pairs.base import FIRST, PairApplication, PairSettings
from throughtime.tasks.pairs.dictionary import Pronounced, as_entry, dictionary_inputs, read_dictionary
from throughtime.tasks.pairs.predictions import PronunciationPrediction
from throughtime.training import Evaluation

END = "<eos>"

JUDGED = 1500
"""Validation words that are looked at during training."""

LISTED = 20
"""Rows of a report's tables."""

Rows = list[list[str | int | float]]


class PronunciationSettings(PairSettings):
    """What training on a pronouncing dictionary takes."""

    stress: bool = option(False, "Keep the digits of stress: AH0 and AH1 are two sounds.", "Data")
    held_out: float = option(
        0.05, "Share of the words held out for each part that is missing; 0: none.", "Data", ge=0, le=0.4
    )
    batch: int = option(64, "Words side by side in a batch.", "Training", ge=1, le=2**20)
    lr: float = option(3e-3, "Peak learning rate.", "Training", gt=0)
    dropout: float = option(0.1, "Of embeddings, between layers and before the output.", "Model", ge=0, lt=1)


class Sounds(TypedDict):
    """What ``vocabulary.json`` holds."""

    letters: Open
    sounds: Closed
    letter_sounds: dict[str, str]


class Pronunciation(PairApplication[Pronounced, list[str]]):
    """Letters to sounds."""

    name = "pronunciation"
    summary = "model of how words are spoken: letters to sounds, from a pronouncing dictionary"
    settings_type: ClassVar[type[PronunciationSettings]] = PronunciationSettings
    example_type = Pronounced
    vocabulary_type: ClassVar[Any] = Sounds
    baselines: ClassVar[tuple[Baseline, ...]] = tuple(
        Baseline(
            figure,
            f"letterwise_{figure}",
            "saying what each letter is most often said as errs less: the model has not learnt yet to read letters "
            "together, which takes more passes, or more words",
            higher=False,
        )
        for figure in ("word_error", "phoneme_error")
    )
    suffixes = (".dict",)
    unit = "letters"
    trained = "sounds"
    column = Column("text", ("word",), FIRST)
    tables = (".dict", *TABLES)
    eos = 0

    def __init__(self, settings: Any, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.letters = Vocabulary(vocabulary["letters"])
        self.sounds = Vocabulary(vocabulary["sounds"])

    @classmethod
    def read(cls, paths: Sequence[Path], settings: Any) -> Iterator[Pronounced]:
        """The words of dictionaries in the format of CMUdict, those of several files together.

        Raises:
            UserError: If a line has no phonemes.
        """
        words: dict[str, Pronounced] = {}
        for path in paths:
            for entry in read_dictionary(path, settings.stress):
                known = words.setdefault(entry.word, entry)
                if entry.sounds[0] not in known.sounds:
                    known.sounds.append(entry.sounds[0])
        yield from words.values()

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Words and sounds as a dictionary, a line a pronunciation.

        Args:
            data: ``[(word, sounds), …]``, ``(words, sounds)``, or mappings or a frame with these two columns; sounds
                are a list, or a text with spaces between them. A word that stands there twice has two pronunciations.
            folder: An empty one.
        """
        lines = [f"{as_entry(row, number)}\n" for number, row in enumerate(rows(data, ("word", "sounds")), 1)]
        return [write_texts(lines, folder / "examples.dict")]

    @classmethod
    def key(cls, example: Pronounced) -> Hashable:
        """The word."""
        return example.word

    @classmethod
    def learn(cls, train: Sequence[Pronounced], settings: Any) -> dict[str, Any]:
        """The letters, the sounds, and the commonest sound of every letter."""
        sounds = {sound for example in train for sounds in example.sounds for sound in sounds}
        return {
            "letters": Vocabulary.learn(letter for example in train for letter in example.word).symbols,
            "sounds": [END, *sorted(sounds)],
            "letter_sounds": _letter_sounds(train),
        }

    def vocabulary_sizes(self) -> tuple[int, int]:
        """Letters and sounds."""
        return len(self.letters), len(self.sounds)

    def size(self, example: Pronounced) -> int:
        """Letters."""
        return len(example.word)

    def input_of(self, example: Pronounced) -> str:
        """The letters, those that are not known marked."""
        return " ".join(letter if letter in self.letters else f"UNK({letter})" for letter in example.word)

    def answer_of(self, example: Pronounced) -> str:
        """Every pronunciation."""
        return " or ".join(map(self.written, example.sounds))

    def check(self, example: Pronounced) -> None:
        """A pronunciation at least, and some sounds in each."""
        if not example.sounds or not all(example.sounds):
            raise ValueError("expected at least one sound")

    def batch(self, examples: Sequence[Pronounced]) -> PairBatch:
        """A pair for every pronunciation."""
        pairs = [
            (self.letters.ids(example.word), self._ids(example, one)) for example in examples for one in example.sounds
        ]
        sources, targets = zip(*pairs, strict=True)
        return PairBatch.of(sources, targets, self.eos)

    def validate(self, model: Any, examples: Sequence[Pronounced]) -> Evaluation:
        """The share of words that are wrong, of some words spread over the data."""
        chosen = _some(examples)
        said = self.search(model, self.encoded([example.word for example in chosen]), None)
        pairs = zip(chosen, said, strict=True)
        results = [nearest_sounds(self.result(best.tokens), example.sounds) for example, (best,) in pairs]
        figures = error_rates(results)
        # Phonemes tell models apart while no word is right yet.
        return Evaluation(figures["word_error"] + 1e-3 * figures["phoneme_error"], figures)

    def evaluate(self, model: Any, examples: Sequence[Pronounced], options: Any) -> Report:
        """Word and phoneme errors, in percent, each word against the nearest of its pronunciations."""
        found = self.search(model, self.encoded([example.word for example in examples]), BEAM)
        results = [
            nearest_sounds(self.result(best[0].tokens), example.sounds)
            for example, best in zip(examples, found, strict=True)
        ]
        baseline = {f"letterwise_{name}": value for name, value in self._letterwise(examples).items()}
        figures = {**error_rates(results), **baseline, "words": len(examples), "beam": BEAM}
        return Report(figures, [*_sound_tables(results), _hardest(examples, results)])

    def _letterwise(self, examples: Sequence[Pronounced]) -> dict[str, float]:
        """Errors of saying the commonest sound of every letter."""
        sounds = self.vocabulary["letter_sounds"]
        said = ([sounds[letter] for letter in example.word if sounds.get(letter)] for example in examples)
        return error_rates([nearest_sounds(one, example.sounds) for one, example in zip(said, examples, strict=True)])

    def guess(self, examples: Sequence[Pronounced], train: Sequence[Pronounced]) -> Guess:
        """The commonest sound of every letter."""
        error = self._letterwise(_some(examples))["phoneme_error"]
        return Guess("phoneme_error", error, "the commonest sound of every letter", higher=False)

    def rival(self, figures: Mapping[str, Any], examples: Sequence[Pronounced]) -> Guess:
        """The same, of all words."""
        return replace(self.guess(examples, ()), value=figures["letterwise_phoneme_error"])

    # Use.

    def inputs(self, path: Path, asked: Asked) -> Inputs | None:
        """The words of a dictionary, without their sounds, or of a table."""
        return super().inputs(path, asked) if path.suffix.lower() in TABLES else dictionary_inputs(path, self.sounds)

    def tidied(self, line: str) -> str:
        """In lower case."""
        return line.strip().lower()

    def encoded(self, sources: Sequence[str]) -> list[list[int]]:
        """Their letters' ids."""
        return [self.letters.ids(word) for word in sources]

    def result(self, tokens: Sequence[int]) -> list[str]:
        """The sounds."""
        return [self.sounds.symbols[token] for token in tokens]

    def written(self, result: list[str]) -> str:
        """With spaces between them."""
        return " ".join(result)

    def steps_of(self, source: str, ids: Sequence[int], tokens: Sequence[int]) -> tuple[list[str], list[str]]:
        """Letters and sounds."""
        return list(source), self.result(tokens)

    def prediction(self, shown: Text, source: str, **fields: Any) -> PronunciationPrediction:
        """The pronunciations, the word before them."""
        head = Text.assemble((source, "bold"), "  ") if source else Text()
        return PronunciationPrediction(head.append(shown), word=source, **fields)

    def exported(self, model: Any) -> Exported:
        """How to search; letters and sounds."""
        return Exported(
            "pronunciation", {**self.searched, "letters": self.letters.symbols, "sounds": self.sounds.symbols}
        )

    def remarks_on(self, source: str, ids: Sequence[int], ended: bool) -> list[str]:
        """How long it is, which letters are not known, and whether its pronunciation is cut."""
        unknown = [letter for letter in source if letter not in self.letters]
        return of_pronunciation(source, unknown, ended=ended)

    def _ids(self, example: Pronounced, sounds: Sequence[str]) -> list[int]:
        try:
            return self.sounds.ids(sounds)
        except KeyError as error:
            raise unknown_label(example.where, str(error.args[0]), self.sounds.symbols[1:]) from error


def _some(examples: Sequence[Pronounced]) -> Sequence[Pronounced]:
    """The words that are looked at during training, spread over all of them."""
    return examples[:: -(-len(examples) // JUDGED)]


def nearest_sounds(said: Sequence[str], right: Sequence[Sequence[str]]) -> tuple[list[str], list[str], int]:
    """What was said, the pronunciation nearest to it, and how many edits apart they are (Levenshtein 1966).

    Example:
        >>> nearest_sounds(["K", "AE", "T"], [["K", "EY", "T", "S"], ["K", "AH", "T"]])
        (['K', 'AE', 'T'], ['K', 'AH', 'T'], 1)
    """
    edits = [Levenshtein.distance(said, one) for one in right]
    best = edits.index(min(edits))
    return list(said), list(right[best]), edits[best]


def error_rates(results: Sequence[tuple[list[str], list[str], int]]) -> dict[str, float]:
    """The share of words that are wrong, and edits for a hundred phonemes.

    Example:
        >>> error_rates([(["A"], ["A"], 0), (["B", "C"], ["B", "D", "E"], 2)])
        {'word_error': 50.0, 'phoneme_error': 50.0}
    """
    wrong = sum(edits > 0 for _, _, edits in results)
    sounds = sum(len(right) for _, right, _ in results)
    return {
        "word_error": 100.0 * wrong / max(1, len(results)),
        "phoneme_error": 100.0 * sum(edits for _, _, edits in results) / max(1, sounds),
    }


def _letter_sounds(train: Sequence[Pronounced]) -> dict[str, str]:
    """The commonest sound of each letter, in words that have as many sounds as letters; ties by alphabet."""
    counts: dict[str, Counter[str]] = {}
    for example in train:
        for sounds in example.sounds:
            if len(sounds) == len(example.word):
                for letter, sound in zip(example.word, sounds, strict=True):
                    counts.setdefault(letter, Counter())[sound] += 1
    return {letter: min(found, key=lambda s: (-found[s], s)) for letter, found in sorted(counts.items())}


def _sound_tables(results: Sequence[tuple[list[str], list[str], int]]) -> list[Table]:
    """How often each phoneme is there and wrong; what stands for what."""
    there: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    confused: Counter[tuple[str, str]] = Counter()
    for said, right, _ in results:
        there.update(right)
        for edit in Levenshtein.editops(right, said):
            meant = "–" if edit.tag == "insert" else right[edit.src_pos]
            heard = "–" if edit.tag == "delete" else said[edit.dest_pos]
            confused[meant, heard] += 1
            wrong[meant] += edit.tag != "insert"
    rows: Rows = [[s, count, wrong[s], round(100.0 * wrong[s] / count, 2)] for s, count in there.most_common()]
    pairs: Rows = [[meant, heard, count] for (meant, heard), count in confused.most_common(LISTED)]
    return [
        Table("by phoneme", ["phoneme", "there", "wrong", "percent"], rows),
        Table("confusions", ["right", "said", "times"], pairs),
    ]


def _hardest(examples: Sequence[Pronounced], results: Sequence[tuple[list[str], list[str], int]]) -> Table:
    worst = sorted(zip(examples, results, strict=True), key=lambda pair: -pair[1][2])[:LISTED]
    rows: Rows = [[e.word, " ".join(said), " ".join(right), edits] for e, (said, right, edits) in worst if edits]
    return Table("hardest words", ["word", "said", "right", "edits"], rows)
