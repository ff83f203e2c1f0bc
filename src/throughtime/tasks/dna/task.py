"""DNA: which bases of a genome are coding, or the class of a short sequence; the data say which."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from throughtime.applications.application import Application
from throughtime.applications.exported import Exported
from throughtime.applications.judging.classification import MAJORITY
from throughtime.applications.live import Live
from throughtime.applications.memory import rows, write_rows
from throughtime.applications.options import Labelled
from throughtime.applications.prediction import Prediction
from throughtime.applications.reading.account import Guess
from throughtime.applications.reading.baselines import Baseline
from throughtime.applications.reading.inputs import Asked, Column, Input, Inputs, table_inputs
from throughtime.applications.settings import DataSettings
from throughtime.applications.task import Report
from throughtime.data.dna.genomes import is_whole
from throughtime.data.dna.sequences import KINDS, ROWS
from throughtime.data.tables.rows import TABLES
from throughtime.data.text.labelled import NOTHING, TEXT_NAMES
from throughtime.errors import UserError, shown
from throughtime.models import Model
from throughtime.runtime.dna.fasta import FASTA, GFF
from throughtime.runtime.dna.genbank import GENBANK
from throughtime.tasks.dna.classes import DnaClasses, LearntClasses
from throughtime.tasks.dna.examples import DnaExample, DnaSettings, is_genome, read_examples
from throughtime.tasks.dna.regions import ALL_CODING, OPEN_FRAMES, DnaRegions, LearntRegions
from throughtime.training import Evaluation

PARTS: dict[str, type[Application[DnaExample]]] = {"regions": DnaRegions, "classes": DnaClasses}
"""What is learnt of genomes, and of labelled sequences."""

SHOWN = 60
"""Bases of an example that a run tells of."""

FILE = "sequences.jsonl"
"""Of sequences that come from memory."""


class Dna(Application[DnaExample]):
    """Coding regions of genomes, or classes of sequences."""

    name: ClassVar[str] = "dna"
    summary: ClassVar[str] = (
        "finder of the coding regions of genomes, on both strands; or classifier of short sequences of DNA"
    )
    settings_type: ClassVar[type[DataSettings]] = DnaSettings
    suffixes: ClassVar[tuple[str, ...]] = (*GENBANK, *FASTA)
    kinds: ClassVar[str] = f"{', '.join((*GENBANK, *KINDS))}; {', '.join(GFF)} with ##FASTA"
    reads_files: ClassVar[bool] = True
    column = Column("text", TEXT_NAMES, nothing=NOTHING | {""})
    tables: ClassVar[tuple[str, ...]] = (*TABLES, *ROWS)
    judging = Labelled
    example_type: ClassVar[type[Any]] = DnaExample
    unit = "bases"
    vocabulary_type: ClassVar[Any] = Annotated[LearntClasses | LearntRegions, Field(discriminator="learnt")]
    baselines: ClassVar[tuple[Baseline, ...]] = (MAJORITY, *OPEN_FRAMES, *ALL_CODING)

    def __init__(self, settings: DnaSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.part = PARTS[vocabulary["learnt"]](settings, vocabulary)
        self.predicting = self.part.predicting

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """GenBank, GFF3 with its sequences, FASTA, and tables; other intervals are found beside their FASTA."""
        return path.is_file() and (path.suffix.lower() in (*GENBANK, *KINDS) or is_whole(path))

    @classmethod
    def read(cls, paths: Sequence[Path], settings: DnaSettings) -> Iterator[DnaExample]:
        """The stretches of genomes, or the labelled sequences."""
        for path in paths:
            if is_genome(path) != is_genome(paths[0]):
                one, other = sorted((path, paths[0]), key=is_genome)
                raise UserError(
                    f"expected genomes, or labelled sequences, got both: {other} has coding regions, {one} has none "
                    "(no .gff3, .gff or .bed of the same name beside it)"
                )
            yield from read_examples(path, settings)

    @classmethod
    def spill(cls, data: Any, folder: Path) -> list[Path]:
        """Labelled sequences as JSON lines; genomes with their regions are read from files alone.

        Args:
            data: ``[(letters, label), …]``, ``(letters, labels)``, or mappings or a frame whose columns the reader of
                tables finds, or which are called ``letters`` and ``label``.
            folder: An empty one.
        """
        found = rows(data, ("letters", "label"))
        # The reader of tables looks for texts by that name, before it guesses.
        renamed = not any("text" in row for row in found)
        named = [{"text" if renamed and n == "letters" else n: value for n, value in row.items()} for row in found]
        return [write_rows(named, folder / FILE)]

    @classmethod
    def key(cls, example: DnaExample) -> Hashable:
        """Equal sequences are the same; of a genome, stretches side by side are held out together."""
        return example.letters if example.label is not None else (example.where, example.block)

    @classmethod
    def learn(cls, train: Sequence[DnaExample], settings: DnaSettings) -> dict[str, Any]:
        """Which of the two it is, and what that one learns."""
        learnt = "regions" if train[0].label is None else "classes"
        return {"learnt": learnt, **PARTS[learnt].learn(train, settings)}

    def build(self) -> Model:
        """The model of the part."""
        return self.part.build()

    def check(self, example: DnaExample) -> None:
        """Regions that lie within the stretch."""
        for begin, end, strand, place in example.regions:
            if not 0 <= begin <= end <= len(example.letters) or abs(strand) != 1 or not 0 <= place < 3:
                raise ValueError(f"expected a region within {len(example.letters)} letters")

    def size(self, example: DnaExample) -> int:
        """Letters."""
        return len(example.letters)

    def batch(self, examples: Sequence[DnaExample]) -> Any:
        """As the part makes it.

        Raises:
            UserError: If the examples are of the other kind, or have a label that training did not see.
        """
        for example in examples:
            if (example.label is None) != isinstance(self.part, DnaRegions):
                kinds = ("labelled sequences", "coding regions of genomes")
                wanted, got = kinds if example.label is None else kinds[::-1]
                raise UserError(f"{example.where}: expected {wanted}, as in the training data, got {got}")
        return self.part.batch(examples)

    def training_batch(self, examples: Sequence[DnaExample]) -> Any:
        """As the part makes it."""
        return self.part.training_batch(examples)

    def input_of(self, example: DnaExample) -> str:
        """Its first bases; of a genome where they stand, those that code in capitals."""
        first, more = example.letters[:SHOWN], "…" if len(example.letters) > SHOWN else ""
        if example.label is not None:
            return f"{first}{more}"
        coding = {place for begin, end, *_ in example.regions for place in range(begin, min(end, SHOWN))}
        cased = "".join(base if place in coding else base.lower() for place, base in enumerate(first))
        return f"{example.name} {example.begin + 1:,}: {cased}{more}"

    def answer_of(self, example: DnaExample) -> str:
        """Its label; of a genome how many regions code."""
        return example.label or f"{len(example.regions):,} coding regions (capitals code)"

    def guess(self, examples: Sequence[DnaExample], train: Sequence[DnaExample]) -> Guess | None:
        """The commonest label; of genomes that all of it is coding, which tells nothing."""
        if examples and examples[0].label is None:
            return Guess("mcc", 0.0, "calling every base coding", higher=True)
        return super().guess(examples, train)

    def validate(self, model: Any, examples: Sequence[DnaExample]) -> Evaluation:
        """As the part does it."""
        return self.part.validate(model, examples)

    def evaluate(self, model: Any, examples: Sequence[DnaExample], options: Any) -> Report:
        """As the part does it."""
        self.batch(examples[:1])
        return self.part.evaluate(model, examples, options)

    def predict(self, model: Any, lines: Sequence[str], options: Any) -> list[Prediction]:
        """Of letters in lines."""
        return self.part.predict(model, lines, options)

    def predict_file(self, model: Any, path: Path, options: Any) -> Iterator[Prediction]:
        """Of every record of a file."""
        yield from self.part.predict_file(model, path, options)

    def inputs(self, path: Path, asked: Asked) -> Inputs | None:
        """The sequences of a table, or of rows ``class, name, letters``, without their classes."""
        if not isinstance(self.part, DnaClasses):
            return None
        if path.suffix.lower() in ROWS:
            asked = Asked(asked.column or "3", header=False)
            return table_inputs(path, self.column, asked, separator=",")
        return super().inputs(path, asked)

    def inputs_of(self, rows: Sequence[Mapping[str, Any]], asked: Asked) -> Inputs:
        """The sequences of rows in memory; training in memory knows letters as texts, see :meth:`spill`."""
        return super().inputs_of(rows, replace(asked, trained=[*asked.trained, "letters"] if asked.trained else []))

    def predict_inputs(self, model: Any, inputs: Sequence[Input], options: Any) -> list[Prediction]:
        """As the part does it."""
        return self.part.predict_inputs(model, inputs, options)

    def predict_items(self, model: Any, items: Sequence[Any], options: Any) -> list[Prediction]:
        """Of letters, and of every record of files; a text with a dot is a file's name, as no letters have one."""
        found: list[str | Path] = []
        for number, item in enumerate(items, 1):
            if not isinstance(item, str | Path):
                raise UserError(f"input {number}: expected letters of DNA, or a path, got {shown(item)}")
            found.append(Path(item) if "." in str(item) else item)
        return self.part.predict_items(model, found, options)

    def exported(self, model: Any) -> Exported:
        """As the part tells."""
        return self.part.exported(model)

    def live(self, model: Any) -> Live:
        """A one-way model of labelled sequences reads letters as they come."""
        return self.part.live(model)
