"""Named entities: which words of a sentence name a person, a place or a product."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from rich.text import Text

from throughtime.applications.application import ROWS, unknown_label
from throughtime.applications.exported import Exported
from throughtime.applications.folder.learnt import Closed
from throughtime.applications.live.parts import check_one_way
from throughtime.applications.memory import rows, write_rows, write_texts
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.inputs import Asked, Column, Inputs
from throughtime.applications.settings import ExampleSettings, option
from throughtime.applications.task import Report, Table
from throughtime.data.examples import Examples
from throughtime.data.parts import part_of
from throughtime.data.tables.rows import TABLES
from throughtime.data.text.columns import TaggedSentence, read_columns, read_spans, split_signs
from throughtime.data.text.words import pad
from throughtime.data.vocabulary import Vocabulary
from throughtime.errors import UserError
from throughtime.models import TagBatch, Tagger, TaggerConfig
from throughtime.models.inputs.words import Spelling
from throughtime.runtime.chain import Labelling
from throughtime.runtime.remarks import TOO_LONG, long_input
from throughtime.runtime.text.entities import Entity, GivenWords, taggings_of, words_of
from throughtime.runtime.text.tags import (
    allowed_transitions,
    convert,
    count_spans,
    find_spans,
    guess_scheme,
    scheme_tags,
)
from throughtime.runtime.text.words import Word, find_words, split_sign
from throughtime.tasks.sentences.judgement import Scored, gold_spans, hardest, trust_of_tags
from throughtime.tasks.sentences.live import EntityOptions, LiveTags, WordFeatures
from throughtime.tasks.sentences.predictions import EntitiesPrediction
from throughtime.tasks.sentences.recalled import memorise, recall
from throughtime.tasks.sentences.tokens import as_columns, token_inputs
from throughtime.tasks.sentences.words import KnownWords, WordApplication, WordSettings
from throughtime.training import Evaluation, Schedule

LIFTS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""What entities may be raised by where labels are sought, in nats; validation chooses."""

COLOURS = ("green", "cyan", "magenta", "yellow", "blue", "red")

Row = list[str | int | float]


class EntitySettings(WordSettings):
    """What training of an entity tagger takes."""

    batch: int = option(16, "Sentences side by side in a batch.", "Training", ge=1, le=2**20)
    epochs: float = option(20.0, "Passes over the data.", "Training", gt=0)
    lr: float = option(2e-3, "Peak learning rate.", "Training", gt=0)
    schedule: Schedule = option("constant", "Of the learning rate: constant, linear, cosine, plateau.", "Training")
    average: float = option(0.5, "Weights are averaged over this share at the end of the run.", "Training", ge=0, lt=1)
    hidden: int = option(200, "Units of a layer, in each direction.", "Model", ge=1, le=2**24)
    embedding: int = option(100, "Features of a word's embedding.", "Model", ge=1, le=2**24)
    letter: int = option(50, "Features of a letter's embedding.", "Model", ge=1, le=2**24)
    spelled: int = option(100, "Features of a word's spelling; even.", "Model", ge=2, multiple_of=2, le=2**24)
    dropout: float = option(0.6, "On words and letters, between layers and before the output.", "Model", ge=0, lt=1)
    word_dropout: float = option(0.3, "Share of words read as unknown while training.", "Model", ge=0, lt=1)
    shapes: bool = option(True, "Read how words are written: capitals, digits, signs.", "Model")
    spelling: Spelling = option("rnn", "Reads the letters of words: rnn, cnn, none.", "Model")
    bidirectional: bool = option(True, "Read sentences in both directions.", "Model")
    tags: Literal["crf", "softmax"] = option("crf", "crf: tags know their neighbours; or softmax.", "Model")
    scheme: Literal["iob2", "iobes"] = option("iob2", "Of the tags that are learnt; files may have any.", "Model")
    min_count: int = option(3, "Rarer words become UNK.", "Data", ge=1)
    tag_column: int | None = option(None, "Column of the tags, from 1; default: the last.", "Data", ge=2, le=1000)


class TypedWords(KnownWords):
    """What ``vocabulary.json`` holds."""

    types: Closed
    scheme: str
    entities: dict[str, str]


class Entities(WordApplication[TaggedSentence]):
    """Finds entities: a tagger over words and their letters, in both directions or in one."""

    name = "entities"
    summary = "tagger of names of people, places, products, … in sentences (CoNLL columns, JSON spans)"
    settings_type: ClassVar[type[ExampleSettings]] = EntitySettings
    example_type = TaggedSentence
    vocabulary_type: ClassVar[Any] = TypedWords
    baselines: ClassVar[tuple[Baseline, ...]] = (
        Baseline(
            "f1",
            "memory_baseline_f1",
            "finding the training data's entities again is enough where texts name the same ones; the model, which is "
            "to find others, too, has learnt too little of what surrounds them",
        ),
    )
    predicting = EntityOptions
    column = Column("text", ("text",))
    # The last ones are those of CoNLL-2003: eng.train, eng.testa, eng.testb.
    suffixes = tuple(
        ".conll .conll2003 .iob .iob1 .iob2 .iobes .bio .tsv .annotated .jsonl .train .dev .test .testa .testb".split()  # noqa: SIM905
    )

    tables = (*suffixes, *TABLES)

    settings: EntitySettings

    def __init__(self, settings: Any, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.tags = Vocabulary(scheme_tags(vocabulary["types"], settings.scheme))

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """A text file is data only where its name, or its folder's, says what for: others are often notes."""
        told = path.suffix.lower() == ".txt" and bool(part_of(path.name) or part_of(path.parent.name))
        return super().is_data(path) or (told and path.is_file())

    @classmethod
    def read(cls, paths: Sequence[Path], settings: Any) -> Iterator[TaggedSentence]:
        """Tagged sentences: of JSON lines with spans where a file's name ends in ``.jsonl``, else of columns.

        The sign of a name or a tag (@ann, #fun) is read as a word of its own.
        """
        for path in paths:
            found = read_spans(path) if path.suffix.lower() == ".jsonl" else read_columns(path, settings.tag_column)
            yield from map(split_signs, found)

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Words and tags in columns; texts and spans as JSON lines.

        Args:
            data: Sentences, ``[(words, tags), …]``, or texts with spans of their characters, ``[(text, [(0, 4,
                "person")]), …]``; as two columns, mappings or a frame, too, with these four names.
            folder: An empty one.
        """
        found = rows(data, ("words", "tags"))
        if any(isinstance(row.get("words"), str) for row in found):
            found = rows(data, ("text", "spans"))
        if "text" in found[0]:
            return [write_rows(found, folder / "examples.jsonl")]
        sentences = [as_columns(row, number) for number, row in enumerate(found, 1)]
        return [write_texts(sentences, folder / "examples.conll")]

    @classmethod
    def key(cls, example: TaggedSentence) -> Hashable:
        """The words."""
        return tuple(example.words)

    @classmethod
    def learn(cls, train: Sequence[TaggedSentence], settings: Any) -> dict[str, Any]:
        """Words, letters, types of entities, and the entities themselves, for the baseline."""
        types = sorted({span.label for sentence in train for span in find_spans(sentence.tags)})
        if not types:
            raise UserError(
                "expected entities in the training data, got none: every tag is O; name a file that has some"
            )
        return {
            **cls.learn_words([sentence.words for sentence in train], settings),
            "types": types,
            "scheme": guess_scheme(sentence.tags for sentence in train),
            "entities": memorise(train),
        }

    def build(self) -> Tagger:
        """The tagger."""
        settings = self.settings
        crf = settings.tags == "crf"
        config = TaggerConfig(
            **settings.stack(),
            labels=len(self.tags),
            inputs=self.word_input(),
            crf=crf,
            outside=self.tags.ids(["O"])[0],
        )
        allowed = torch.tensor(allowed_transitions(self.tags.symbols, settings.scheme), device="cpu") if crf else None
        return Tagger(config, allowed, engine=settings.engine)

    def summarise(self, model: Any) -> str:
        """The tags that are learnt, and the model."""
        scheme, types = self.vocabulary["scheme"].upper(), ", ".join(self.vocabulary["types"])
        return f"tags: {scheme}, learnt as {self.settings.scheme.upper()}: {types}\n{super().summarise(model)}"

    def size(self, example: TaggedSentence) -> int:
        """Words."""
        return len(example.words)

    def steps(self, example: TaggedSentence) -> dict[str, list[str]]:
        """The words."""
        return {"stack": example.words}

    def labels_of(self, example: TaggedSentence) -> list[str]:
        """The type of every entity."""
        return [span.label for span in find_spans(example.tags)]

    def answer_of(self, example: TaggedSentence) -> str:
        """The tags."""
        return " ".join(example.tags)

    def guess(self, examples: Sequence[TaggedSentence], train: Sequence[TaggedSentence]) -> Guess:
        """That nothing is an entity."""
        return Guess("f1", 0.0, "finding no entity", higher=True)

    def check(self, example: TaggedSentence) -> None:
        """A tag a word."""
        if not example.words or len(example.words) != len(example.tags):
            raise ValueError("expected as many tags as words")

    def batch(self, examples: Sequence[TaggedSentence]) -> TagBatch:
        """Sentences and their tags' ids."""
        return TagBatch(self.reader.batch([e.words for e in examples]), pad([self._ids(e) for e in examples]))

    def _ids(self, example: TaggedSentence) -> list[int]:
        tags = convert(example.tags, self.settings.scheme)
        for number, tag in enumerate(tags):
            if tag not in self.tags:
                raise unknown_label(example.where_is(number), tag[2:], self.vocabulary["types"])
        return self.tags.ids(tags)

    # Judgement.

    def validate(self, model: Tagger, examples: Sequence[TaggedSentence]) -> Evaluation:
        """What entity F1 lacks of 100, with the lift that makes it the least; the model keeps that."""
        gold, scored = gold_spans(examples), self._scored(model, examples)
        tried = []
        for lift in LIFTS:
            model.lift.fill_(lift)
            tried.append((count_spans(gold, map(find_spans, self._tags(model, scored)))[0], lift))
        total, lift = max(tried, key=lambda pair: pair[0].f1)
        model.lift.fill_(lift)
        figures = {"f1": total.f1, "precision": total.precision, "recall": total.recall, "lift": lift}
        with torch.no_grad():
            loss = sum(float(model.loss_of(scores, batch)) * len(chosen) for chosen, batch, scores in scored)
        return Evaluation(100.0 - total.f1, {**figures, "loss": loss / max(1, len(examples))})

    def evaluate(self, model: Tagger, examples: Sequence[TaggedSentence], options: EntityOptions) -> Report:
        """Entity F1 over all and of each type, right in words and type; beside it that of memory alone."""
        scored = self._scored(model, examples)
        tags = self._tags(model, scored)
        gold, guessed = gold_spans(examples), [find_spans(row) for row in tags]
        total, types = count_spans(gold, guessed)
        known = self.vocabulary["entities"]
        longest = max(len(words.split(" ")) for words in known) if known else 0
        memory, _ = count_spans(gold, (recall(example.words, known, longest) for example in examples))
        truth = [convert(example.tags, self.settings.scheme) for example in examples]
        right = sum(a == b for pair in zip(truth, tags, strict=True) for a, b in zip(*pair, strict=True))
        figures = {
            "f1": total.f1,
            "precision": total.precision,
            "recall": total.recall,
            "token_accuracy": 100.0 * right / max(1, sum(map(len, truth))),
            **trust_of_tags(model, scored),
            "memory_baseline_f1": memory.f1,
            "sentences": len(examples),
            "entities": total.gold,
            "found": total.guessed,
            "right": total.hits,
        }
        rows: list[Row] = [[name, c.precision, c.recall, c.f1, c.gold, c.guessed] for name, c in types.items()]
        columns = ("type", "precision", "recall", "F1", "there", "said")
        tables = [Table("by type", columns, rows)]
        return Report(figures, [*tables, hardest(examples, gold, guessed)])

    @torch.no_grad()
    def _scored(self, model: Tagger, examples: Sequence[TaggedSentence]) -> list[Scored]:
        """Examples in batches."""
        batches = self.in_batches(examples)
        return [
            (chosen, batch, model.scores(batch.words))
            for chosen, batch in zip(batches.chosen(), batches.batches(0), strict=True)
        ]

    def _tags(self, model: Tagger, scored: Sequence[Scored]) -> list[list[str]]:
        """The tags of every example."""
        found: dict[int, list[str]] = {}
        for chosen, batch, scores in scored:
            best = model.crf.viterbi(model.lift_scores(scores), batch.words.lengths)
            found |= {n: [self.tags.symbols[label] for label in labels] for n, labels in zip(chosen, best, strict=True)}
        return [found[number] for number in range(len(found))]

    # Use.

    def inputs(self, path: Path, asked: Asked) -> Inputs | None:
        """The words of a file in columns, without their tags; the texts of a table, without their spans."""
        return token_inputs(path, self.settings.tag_column, self.suffixes) or super().inputs(path, asked)

    def inputs_of(self, rows: Sequence[Mapping[str, Any]], asked: Asked) -> Inputs:
        """Words, where there is a column of that name, else texts."""
        words = any("words" in row for row in rows) and asked.column is None
        return super().inputs_of(rows, replace(asked, column="words") if words else asked)

    def predict_items(self, model: Tagger, items: Sequence[Any], options: EntityOptions) -> list[Prediction]:
        """The entities of lines of text, or of lists of words, which are told with a tag for every word."""
        given = [None if isinstance(item, str | Path) else words_of(item, n) for n, item in enumerate(items, 1)]
        lines = [str(item) if words is None else words.text for item, words in zip(items, given, strict=True)]
        cut = [find_words(line) if words is None else words.words for line, words in zip(lines, given, strict=True)]
        found = self._predict(model, lines, cut, options)
        return [
            prediction if words is None else replace(prediction, tags=self._row_tags(prediction, words))
            for prediction, words in zip(found, given, strict=True)
        ]

    def exported(self, model: Tagger) -> Exported:
        """Tags and what stands between them; words."""
        facts = {"tags": self.tags.symbols, "lowercase": self.settings.lowercase}
        facts["scheme"] = self.vocabulary["scheme"]
        return Exported("tags", facts | {"transitions": model.crf.scores_between().tolist()}, self.exported_words())

    def live(self, model: Tagger) -> LiveTags:
        """A one-way tagger reads words as they come."""
        check_one_way(self.settings.bidirectional, "text")

        def tell(line: str, words: Sequence[Word], scores: torch.Tensor, options: EntityOptions) -> dict[str, Any]:
            best, sure = self._labelled(model, scores.unsqueeze(0).to(model.lift), torch.tensor([len(words)]), options)
            return self._prediction(line, words, best[0], sure[0], options.nbest > 1).data

        return LiveTags(model, WordFeatures(self.reader, model.inputs), self.tags.symbols, tell)

    def _row_tags(self, prediction: EntitiesPrediction, given: GivenWords) -> list[str]:
        """A tag for every word, in the scheme of the training data's files."""
        return given.tags([(e.start, e.end, e.type) for e in prediction.entities], self.vocabulary["scheme"])

    def predict(self, model: Tagger, lines: Sequence[str], options: EntityOptions) -> list[Prediction]:
        """The entities of lines of text, cut into words by :func:`throughtime.data.text.words.find_words`."""
        return [*self._predict(model, lines, [find_words(line) for line in lines], options)]

    def _predict(
        self, model: Tagger, lines: Sequence[str], cut: Sequence[Sequence[Word]], options: EntityOptions
    ) -> list[EntitiesPrediction]:
        sentences = [[part for word in words for part in split_sign(word)] for words in cut]
        longest = max(map(len, sentences), default=0)
        # A long line does not make the others as long.
        batches = Examples(sentences, self._read, len, 1 if longest > TOO_LONG else ROWS)
        found: dict[int, EntitiesPrediction] = {}
        for chosen, words in zip(batches.chosen(), batches.batches(0), strict=True):
            best, sure = self._labelled(model, model.lifted(words), words.lengths, options)
            for row, number in enumerate(chosen):
                found[number] = self._prediction(
                    lines[number], sentences[number], best[row], sure[row], options.nbest > 1
                )
        return [found[number] for number in range(len(lines))]

    @staticmethod
    def _labelled(
        model: Tagger, scores: torch.Tensor, lengths: torch.Tensor, options: EntityOptions
    ) -> tuple[list[list[Labelling]], torch.Tensor]:
        """The likeliest labels of sentences, and the probability of every label of every word, by their scores."""
        return model.crf.nbest(scores, lengths, options.nbest), model.crf.marginals(scores, lengths).cpu()

    def _read(self, sentences: Sequence[Sequence[Word]]) -> Any:
        return self.reader.batch([[word.text for word in sentence] for sentence in sentences])

    def _prediction(
        self, line: str, words: Sequence[Word], best: Sequence[Labelling], sure: torch.Tensor, all_of_them: bool
    ) -> EntitiesPrediction:
        taggings = taggings_of(line, words, best, self.tags.symbols, sure)
        shown = Text()
        for tagging in taggings:
            if all_of_them:
                shown.append(f"{tagging.log_prob:10.4f}  ", "dim")
            shown.append(self._coloured(line, tagging.entities)).append("\n")
        shown.rstrip()
        return EntitiesPrediction(
            shown,
            text=line,
            log_prob=taggings[0].log_prob,
            entities=taggings[0].entities,
            nbest=taggings if all_of_them else None,
            warnings=long_input(len(words)),
        )

    def _coloured(self, line: str, entities: Sequence[Entity]) -> Text:
        """The line, every entity in its type's colour with its type behind it."""
        shown, at = Text(), 0
        for entity in entities:
            colour = COLOURS[self.vocabulary["types"].index(entity.type) % len(COLOURS)]
            shown.append(line[at : entity.start])
            shown.append(entity.text, f"bold {colour}").append(f" [{entity.type}]", colour)
            at = entity.end
        return shown.append(line[at:])
