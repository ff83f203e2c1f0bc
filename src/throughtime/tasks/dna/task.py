"""DNA: which bases of a genome are coding, or the class of a short sequence; the data say which."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from throughtime.applications.application import Application, DataSettings
from throughtime.applications.memory import rows, write_rows
from throughtime.applications.prediction import Prediction
from throughtime.applications.task import Report
from throughtime.data.dna.genomes import FASTA, GENBANK
from throughtime.data.dna.sequences import KINDS
from throughtime.errors import UserError
from throughtime.models import Model
from throughtime.tasks.dna.classes import DnaClasses
from throughtime.tasks.dna.examples import DnaExample, DnaSettings, Learnt, is_genome, read_examples
from throughtime.tasks.dna.regions import DnaRegions
from throughtime.training import Evaluation

PARTS: dict[str, type[Application[DnaExample]]] = {"regions": DnaRegions, "classes": DnaClasses}
"""What is learnt of genomes, and of labelled sequences."""

KNOWN = (*GENBANK, *FASTA, *KINDS)
"""Suffixes of files that are read."""


class Dna(Application[DnaExample]):
    """Coding regions of genomes, or classes of sequences."""

    name: ClassVar[str] = "dna"
    summary: ClassVar[str] = (
        "finder of the coding regions of genomes, on both strands; or classifier of short sequences of DNA"
    )
    settings_type: ClassVar[type[DataSettings]] = DnaSettings
    suffixes: ClassVar[tuple[str, ...]] = (*GENBANK, *FASTA)
    reads_files: ClassVar[bool] = True
    example_type: ClassVar[type[Any]] = DnaExample
    vocabulary_type: ClassVar[Any] = Learnt

    def __init__(self, settings: DnaSettings, vocabulary: Mapping[str, Any]) -> None:
        super().__init__(settings, vocabulary)
        self.part = PARTS[vocabulary["learnt"]](settings, vocabulary)
        self.predicting = self.part.predicting

    @classmethod
    def is_data(cls, path: Path) -> bool:
        """GenBank, FASTA, and tables; intervals are found beside their FASTA."""
        return path.is_file() and path.suffix.lower() in (*GENBANK, *KINDS)

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
        """Labelled sequences: ``[(letters, label), …]``, two columns, or a frame; genomes are files."""
        return [write_rows(rows(data, ["text", "label"]), folder / "sequences.jsonl")]

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

    def predict_items(self, model: Any, items: Sequence[Any], options: Any) -> list[Prediction]:
        """Of letters, and of every record of a file, which is a path, or a text with a suffix that is known."""
        found: list[Prediction] = []
        for number, item in enumerate(items, 1):
            if isinstance(item, Path) or (isinstance(item, str) and Path(item).suffix.lower() in KNOWN):
                found += self.predict_file(model, Path(item), options)
            elif isinstance(item, str):
                found += self.predict(model, [item], options)
            else:
                raise UserError(f"input {number}: expected letters or a path, got a {type(item).__name__}")
        return found

    def predict_file(self, model: Any, path: Path, options: Any) -> Iterator[Prediction]:
        """Of every record of a file."""
        self.part.progress = self.progress
        yield from self.part.predict_file(model, path, options)
